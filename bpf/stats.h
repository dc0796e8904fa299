/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Counts a flow's packets, and what RTP says about those that did not come. */
#pragma once

#include <bpf/bpf_endian.h>

#include "maps.h"
#include "parse.h"

#define RTP_HEADER 12
#define MAX_DROPOUT 3000 /* RFC 3550 A.1 */
#define MAX_MISORDER 100
#define SOURCE_IDLE_US 5000000 /* a source quiet for as long gives its place to another */

struct rtp_header {
	__u8 flags;
	__u8 type;
	__be16 sequence;
	__be32 timestamp;
	__be32 ssrc;
};

/* as_rtp returns the payload's RTP header, or none: also for RTCP (RFC 5761 section 4). */
static __always_inline const struct rtp_header *as_rtp(const void *payload, const void *end,
						       __u16 len)
{
	const struct rtp_header *h = payload;
	__u8 type;

	if (len < RTP_HEADER || (const void *)(h + 1) > end || h->flags >> 6 != 2)
		return 0;
	type = h->type & 0x7f;
	return type >= 64 && type <= 95 ? 0 : h;
}

static __always_inline struct flow_stats *stats_of(const struct slot *s)
{
	__u32 index = s->flow * cpus + bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&stats, &index);
}

static __always_inline void start_source(struct rtp_source *r, const struct rtp_header *h,
					 __u32 now_us)
{
	r->ssrc = h->ssrc;
	r->timestamp = bpf_ntohl(h->timestamp);
	r->arrival = now_us;
	r->jitter = 0;
	r->received = 1;
	r->lost_before = 0;
	r->base_seq = bpf_ntohs(h->sequence);
	r->max_seq = r->base_seq;
	r->cycles = 0;
	r->bad_seq = r->base_seq + 1;
}

/* restart keeps what was lost up to here: the sender began a new sequence. */
static __always_inline void restart(struct rtp_source *r, __u16 seq)
{
	__u32 expected = ((__u32)r->cycles << 16) + r->max_seq - r->base_seq + 1;

	r->lost_before += expected - r->received;
	r->received = 0;
	r->cycles = 0;
	r->base_seq = seq;
	r->max_seq = seq;
	r->bad_seq = seq + 1;
}

static __always_inline void count_sequence(struct rtp_source *r, __u16 seq)
{
	__u16 ahead = seq - r->max_seq;

	if (ahead < MAX_DROPOUT) {
		if (seq < r->max_seq)
			r->cycles++;
		r->max_seq = seq;
	} else if (ahead <= 65536 - MAX_MISORDER) {
		/* A great jump counts when the next packet follows it. */
		if (seq != r->bad_seq) {
			r->bad_seq = seq + 1;
			return;
		}
		restart(r, seq);
	}
	r->received++;
}

/* measure_jitter does RFC 3550 A.8 on differences, so that clocks need no common start. */
static __always_inline void measure_jitter(struct rtp_source *r, __u32 timestamp, __u32 now_us,
					   __u32 mult)
{
	__u64 elapsed_ns = (__u64)(now_us - r->arrival) * 1000;
	__s32 d;

	r->arrival = now_us;
	d = (__s32)((elapsed_ns * mult >> 32) - (timestamp - r->timestamp));
	r->timestamp = timestamp;
	if (!mult || elapsed_ns >> 32)
		return;
	if (d < 0)
		d = -d;
	r->jitter += d - ((r->jitter + 8) >> 4);
}

static __always_inline void count_rtp(struct flow_stats *st, const struct rtp_header *h, __u64 now,
				      __u32 mult)
{
	__u32 now_us = now / 1000;
	struct rtp_source *r = 0;

#pragma unroll
	for (int i = 0; i < RTP_SOURCES; i++) {
		struct rtp_source *at = &st->rtp[i];

		if (at->received + at->lost_before && at->ssrc == h->ssrc) {
			r = at;
			break;
		}
		if (!r && (!(at->received + at->lost_before) ||
			   now_us - at->arrival > SOURCE_IDLE_US))
			r = at;
	}
	if (!r)
		return;
	if (r->ssrc != h->ssrc || !(r->received + r->lost_before)) {
		start_source(r, h, now_us);
		return;
	}
	count_sequence(r, bpf_ntohs(h->sequence));
	measure_jitter(r, bpf_ntohl(h->timestamp), now_us, mult);
}

static __always_inline void count(struct flow_stats *st, __u16 bytes, __u64 now)
{
	st->packets++;
	st->bytes += bytes;
	st->last_seen = now;
}
