/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* The maps. The loader sets the sizes of flows, slots, stats, shares and permissions. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "layout.h"
#include "reasons.h"

/* A CPU's counters lie this many flows behind the CPU's before it; set by the loader. */
volatile const __u32 flows_per_cpu = MAX_FLOWS;

/* The loader pins it as a map of that name. Aligned so that a slot is one cache line. */
struct tables tables __attribute__((aligned(64)));

/* Every flow: key to slot. The truth; hints only makes it faster. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow_key);
	__type(value, __u32);
} flows SEC(".maps");

/* Counters: one for each flow and CPU, a CPU's beside each other. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_FLOWS);
	__type(key, __u32);
	__type(value, struct flow_stats);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_FLOWS);
	__type(key, __u32);
	__type(value, struct more_sources);
} more_stats SEC(".maps");

/* What CPUs have of the buckets: a CPU's beside each other, as many as flows. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_BUCKETS);
	__type(key, __u32);
	__type(value, struct share);
} shares SEC(".maps");

/* Our own addresses. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u8[16]);
	__type(value, __u8);
} locals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct permission_key);
	__type(value, __u64);
} permissions SEC(".maps");

/* Where flows leave by. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} tx_devices SEC(".maps");

/* How many packets left for which reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 64); /* more than REASON_COUNT, which grows */
	__type(key, __u32);
	__type(value, __u64);
} exits SEC(".maps");
