/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Decides about what comes to a listening port without a flow: requests, and everything
 * that looks like one. Nobody can be told from anybody before the process has checked a
 * password, so what is no TURN goes at once, and while the process cannot keep up a source
 * has its share and no more: one that floods does not keep the others out.
 */
#pragma once

#include "maps.h"
#include "parse.h"

#define STUN_HEADER 20
#define STUN_COOKIE 0x2112a442

#define CROWD_HOLD_NS 1000000000ULL /* it lasts so long after the last excess */
#define CROWD_CPUS 64
#define CROWD_BUCKETS 16384
#define KNOWN_BUCKETS 65536
#define KNOWN_SHIFT 30 /* when a source was known is kept in steps of 2^30 ns, 1.07 s */
#define KNOWN_STEPS 600

/* Rates by what a packet adds to a bucket's time, and how far that may run ahead. */
#define SOURCE_COST_NS (1000000000ULL / 200) /* 200/s from one source */
#define SOURCE_DEPTH_NS 2000000000ULL	      /* 400 at once */
#define SPARE_COST_NS (1000000000ULL / 5000) /* 5000/s for those with more, on each CPU */
#define SPARE_DEPTH_NS 20000000ULL
#define ALL_COST_NS (1000000000ULL / 20000) /* 20,000/s of unknown sources, on each CPU */
#define ALL_DEPTH_NS 20000000ULL

/* Two buckets of one CPU, a cache line apart from the next one's. */
struct crowd_cpu {
	__u64 spare;
	__u64 all;
	__u64 pad[6];
};

/*
 * Sources share buckets by two hashes of a secret: one that meets a flooder in both is
 * one in 16384². The process writes until, and when a source was known: one of its
 * requests had the right password, which no forged source has.
 */
struct crowd {
	__u64 until; /* the process cannot keep up */
	__u64 pad[7];
	struct crowd_cpu cpus[CROWD_CPUS];
	__u64 sources[2][CROWD_BUCKETS];
	__u32 known[2][KNOWN_BUCKETS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct crowd);
} crowds SEC(".maps");

/* Set by the loader: nobody outside may know who shares a bucket. */
volatile const __u64 crowd_secret = 1;

/* is_stun: a whole STUN message by its header (RFC 8489 section 5), which RFC 3489's was not. */
static __always_inline int is_stun(const struct packet *p, const void *end)
{
	const __u8 *head = p->payload;

	if (p->payload_len < STUN_HEADER || (const void *)(head + STUN_HEADER) > end)
		return 0;
	return !(head[0] & 0xc0) && !(head[3] & 3) &&
	       *(const __be32 *)(head + 4) == bpf_htonl(STUN_COOKIE) &&
	       (head[2] << 8 | head[3]) == p->payload_len - STUN_HEADER;
}

/* take takes a packet's share out of a bucket, if there is one. */
static __always_inline int take(__u64 *bucket, __u64 now, __u64 cost, __u64 depth)
{
	__u64 at = *bucket;

	if (at < now)
		at = now;
	if (at + cost - now > depth)
		return 0;
	*bucket = at + cost;
	return 1;
}

/* What a source is known by: an IPv4 address, or an IPv6 /64. */
static __always_inline __u64 source_of(const struct flow_key *key, int ipv6)
{
	const __u64 *half = (const __u64 *)key->remote;

	return ipv6 ? half[0] : half[1];
}

/* hash_source has its twin in ../dataplane/xdp/crowd.go. */
static __always_inline __u64 hash_source(__u64 source)
{
	__u64 hash = (source ^ crowd_secret) * 0x9e3779b97f4a7c15ULL;

	return (hash ^ hash >> 32) * 0xc2b2ae3d27d4eb4fULL;
}

static __always_inline int is_known(struct crowd *c, __u64 hash, __u64 now)
{
	__u32 oldest = (now >> KNOWN_SHIFT) - KNOWN_STEPS;
	__u32 first = c->known[0][hash >> 48];
	__u32 second = c->known[1][hash >> 32 & (KNOWN_BUCKETS - 1)];

	return first && second && (__s32)(first - oldest) > 0 && (__s32)(second - oldest) > 0;
}

static __always_inline int in_share(struct crowd *c, __u64 hash, __u64 now)
{
	int first, second;

	first = take(&c->sources[0][hash >> 50], now, SOURCE_COST_NS, SOURCE_DEPTH_NS);
	second = take(&c->sources[1][hash >> 36 & (CROWD_BUCKETS - 1)], now, SOURCE_COST_NS,
		      SOURCE_DEPTH_NS);
	return first | second;
}

/* request decides about a packet that is for the process to answer. */
static __always_inline enum reason request(struct xdp_md *ctx, const struct packet *p,
					   const struct flow_key *key, __u64 now)
{
	const void *end = (void *)(long)ctx->data_end;
	struct crowd_cpu *cpu;
	struct crowd *c;
	__u64 hash;
	__u32 zero = 0;

	if (!key->channel && !is_stun(p, end))
		return REASON_NOT_TURN;
	c = bpf_map_lookup_elem(&crowds, &zero);
	if (!c || *(volatile __u64 *)&c->until < now)
		return REASON_CONTROL;
	cpu = &c->cpus[bpf_get_smp_processor_id() & (CROWD_CPUS - 1)];
	hash = hash_source(source_of(key, p->ipv6));
	/* ChannelData without a flow has no share: a channel that is bound has its flow. */
	if (!key->channel && in_share(c, hash, now) &&
	    (is_known(c, hash, now) || take(&cpu->all, now, ALL_COST_NS, ALL_DEPTH_NS)))
		return REASON_CONTROL;
	if (take(&cpu->spare, now, SPARE_COST_NS, SPARE_DEPTH_NS))
		return REASON_CONTROL;
	c->until = now + CROWD_HOLD_NS;
	return REASON_CROWD;
}
