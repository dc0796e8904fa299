/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The buckets that flows share, on any CPU: of a call's direction, of a pipe's. The word
 * is that of policer.h, but moved by compare-and-swap; and so that CPUs do not pass its
 * cache line round for each packet, each takes bytes in batches and keeps what it has not
 * used. So a bucket grants at most its depth and a batch for each CPU at once (less than
 * its depth as well, when other CPUs keep theirs: the process makes it deeper by as much),
 * and no more than its rate in the long run: what a CPU keeps was granted before.
 *
 * The arithmetic has its twin in ../dataplane/xdp/group_model_test.go.
 */
#pragma once

#include "maps.h"

#define DRAW_TRIES 4

/* draw takes bytes from the bucket itself, or reports that there are too few. */
static __always_inline int draw(struct bucket *b, __u64 bytes, __u64 now)
{
	__u64 latest = now + ((__u64)b->depth << 10);
	__u64 price = bytes * b->byte_cost >> 10;

	for (int i = 0; i < DRAW_TRIES; i++) {
		__u64 was = *(volatile __u64 *)&b->tat;
		__u64 tat = (was > now ? was : now) + price;

		if (tat > latest)
			return 0;
		if (__sync_val_compare_and_swap(&b->tat, was, tat) == was)
			return 1;
	}
	/* Others were faster each time: it is charged, whatever it holds. */
	__sync_fetch_and_add(&b->tat, price);
	return 1;
}

/* take_share takes bytes from what this CPU has, and gets more when that is too little. */
static __always_inline int take_share(struct bucket *b, struct share *s, __u32 bytes, __u64 now)
{
	__u64 needed = bytes - s->credit;
	__u32 batch;

	if (s->credit >= bytes) {
		s->credit -= bytes;
		return 1;
	}
	if (!b->byte_cost)
		return 1;
	batch = b->batch;
	if (draw(b, needed + batch, now)) {
		s->credit = batch;
		return 1;
	}
	if (!draw(b, needed, now))
		return 0;
	s->credit = 0;
	return 1;
}

static __always_inline struct share *share_of(__u32 bucket)
{
	__u32 index = bpf_get_smp_processor_id() * flows_per_cpu + bucket;

	return bpf_map_lookup_elem(&shares, &index);
}

/* The two below are global functions: the verifier goes through them once. */

/* return_shared gives bytes back to the first buckets of a set. */
__noinline int return_shared(__u32 set, __u32 count, __u32 bytes)
{
	const struct bucket_set *of = &tables.sets[set & (MAX_SETS - 1)];

	for (int i = 0; i < SET_SIZE; i++) {
		struct share *s;

		if (i >= count || !of->buckets[i])
			break;
		s = share_of(of->buckets[i]);
		if (!s)
			break;
		s->credit += bytes;
		s->packets--;
		s->bytes -= bytes;
	}
	return 0;
}

/* take_shared takes bytes from each bucket of a set, or from none: then it returns 0. */
__noinline int take_shared(__u32 set, __u32 bytes, __u64 now)
{
	const struct bucket_set *of = &tables.sets[set & (MAX_SETS - 1)];

	for (int i = 0; i < SET_SIZE; i++) {
		__u32 n = of->buckets[i];
		struct share *s;

		if (!n)
			break;
		s = share_of(n);
		if (!s)
			break;
		if (!take_share(&tables.buckets[n & (MAX_BUCKETS - 1)], s, bytes, now)) {
			s->policed++;
			s->policed_bytes += bytes;
			return_shared(set, i, bytes);
			return 0;
		}
		s->packets++;
		s->bytes += bytes;
	}
	return 1;
}
