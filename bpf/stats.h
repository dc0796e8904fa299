/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Counts a flow's packets, and what RTP says about those that did not come. */
#pragma once

#include <bpf/bpf_endian.h>

#include "maps.h"
#include "parse.h"

#define RTP_HEADER 12
#define MAX_DROPOUT 3000 /* RFC 3550 A.1 */
#define MAX_MISORDER 100
#define SOURCE_IDLE (60000000000ULL >> 10) /* a source quiet for as long gives its place away */

struct rtp_header {
	__u8 flags;
	__u8 type;
	__be16 sequence;
	__be32 timestamp;
	__be32 ssrc;
};

/* as_rtp returns the payload's RTP header, or none: also for RTCP (RFC 5761 section 4). */
static __always_inline const struct rtp_header *as_rtp(const struct packet *p, const void *end)
{
	const struct rtp_header *h = p->payload;
	__u8 type;

	if (p->payload_len < RTP_HEADER || (const void *)(h + 1) > end || h->flags >> 6 != 2)
		return 0;
	type = h->type & 0x7f;
	return type >= 64 && type <= 95 ? 0 : h;
}

/* is_rtcp tells RTCP from everything else (RFC 5761 section 4). */
static __always_inline int is_rtcp(const struct packet *p, const void *end)
{
	const __u8 *h = p->payload;

	return p->payload_len >= 2 && (const void *)(h + 2) <= end && h[0] >> 6 == 2 &&
	       (h[1] & 0x7f) >= 64 && (h[1] & 0x7f) <= 95;
}

/* Where a flow's counters on this CPU lie. */
static __always_inline __u32 stats_index(__u32 slot)
{
	return bpf_get_smp_processor_id() * flows_per_cpu + (slot & (MAX_FLOWS - 1));
}

static __always_inline void start_source(struct rtp_source *r, const struct rtp_header *h)
{
	r->ssrc = h->ssrc;
	r->timestamp = bpf_ntohl(h->timestamp);
	r->arrival = bpf_ktime_get_ns() >> 10;
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

	if (ahead == 1 && seq) { /* what nearly every packet is */
		r->max_seq = seq;
		r->bad_seq = seq + 1;
		r->received++;
		return;
	}
	if (ahead < MAX_DROPOUT) {
		if (seq < r->max_seq)
			r->cycles++;
		r->max_seq = seq;
		r->bad_seq = seq + 1; /* which is no jump: none is waited for */
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

/*
 * The precise clock costs as much as a fifth of all else that is done for a packet, so
 * only two packets in 64 are timed, and the way from the first to the second of
 * them is what jitter is measured on.
 */
static __always_inline int is_timed(__u16 seq)
{
	return (seq & 63) <= 1;
}

/* measure_jitter does RFC 3550 A.8 on differences, so that clocks need no common start. */
static __always_inline void measure_jitter(struct rtp_source *r, __u32 timestamp, __u32 arrival,
					   __u32 mult)
{
	__u32 elapsed = arrival - r->arrival;
	__s32 d = (__s32)((__u64)elapsed * mult >> 22) - (__s32)(timestamp - r->timestamp);

	if (!mult || elapsed > SOURCE_IDLE)
		return;
	if (d < 0)
		d = -d;
	r->jitter += d - ((r->jitter + 8) >> 4);
}

static __always_inline void time_packet(struct rtp_source *r, __u32 timestamp, __u16 seq,
					__u32 mult)
{
	__u32 arrival = bpf_ktime_get_ns() >> 10;

	if ((seq & 63) == 1 && (__u16)(seq - r->max_seq) == 1)
		measure_jitter(r, timestamp, arrival, mult);
	r->arrival = arrival;
	r->timestamp = timestamp;
}

static __always_inline int in_use(const struct rtp_source *r)
{
	return r->received | r->lost_before;
}

/* The precise clock that packets are timed by is ahead of the coarse one, which now is of. */
static __always_inline int is_free(const struct rtp_source *r, __u32 now)
{
	return !in_use(r) || (__s32)(now - r->arrival) > (__s32)SOURCE_IDLE;
}

/* another_source finds the place of a source that is not the first, or one for it. */
static __always_inline struct rtp_source *another_source(struct rtp_source *first, __u32 index,
						    __u32 ssrc, __u32 now)
{
	struct more_sources *more = bpf_map_lookup_elem(&more_stats, &index);
	struct rtp_source *place = is_free(first, now) ? first : 0;

	if (!more)
		return 0;
#pragma unroll
	for (int i = 0; i < RTP_SOURCES - 1; i++) {
		struct rtp_source *r = &more->rtp[i];

		if (r->ssrc == ssrc && in_use(r))
			return r;
		if (!place && is_free(r, now))
			place = r;
	}
	return place;
}

static __always_inline void count_rtp(struct flow_stats *st, __u32 index,
				      const struct rtp_header *h, __u64 now, __u32 mult)
{
	struct rtp_source *r = &st->rtp;
	__u16 seq = bpf_ntohs(h->sequence);

	if (r->ssrc != h->ssrc || !in_use(r)) {
		r = another_source(r, index, h->ssrc, now >> 10);
		if (!r)
			return;
		if (r->ssrc != h->ssrc || !in_use(r)) {
			start_source(r, h);
			return;
		}
	}
	if (is_timed(seq))
		time_packet(r, bpf_ntohl(h->timestamp), seq, mult);
	count_sequence(r, seq);
}

static __always_inline void count(struct flow_stats *st, __u32 bytes, __u64 now)
{
	st->packets++;
	st->bytes += bytes;
	st->last_seen = now;
}
