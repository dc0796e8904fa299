/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* The maps. The loader sets the sizes of flows, slots, stats and permissions. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "layout.h"
#include "reasons.h"

/* The number of possible CPUs, and so of a flow's statistics; set by the loader. */
volatile const __u32 cpus = 1;
/* A slot's index and'ed with it is its flow's number; set by the loader. */
volatile const __u32 flow_mask = 65535;

/* Every flow: key to slot. The truth; hints only makes it faster. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow_key);
	__type(value, __u32);
} flows SEC(".maps");

/* Two slots for each flow, half the map apart; written by the process in place. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 131072);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 131072);
	__type(key, __u32);
	__type(value, struct slot6);
} slots6 SEC(".maps");

/* The slots to look at first for a packet, by a cheap hash; the slot's tag decides. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << HINT_SET_BITS);
	__type(key, __u32);
	__type(value, __u64); /* HINT_WAYS hints of 32 bits */
} hints SEC(".maps");

/* Next hops, each for all flows that go there. The first is never usable. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct hop);
} hops SEC(".maps");

/* Counters: one for each flow and CPU, a flow's beside each other. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct flow_stats);
} stats SEC(".maps");

/* What each UDP port of ours is (enum port_kind), whatever the local address. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u8);
} ports SEC(".maps");

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

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct owner);
} owners SEC(".maps");

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
