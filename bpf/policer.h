/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The token bucket of a flow, as its virtual-scheduling twin (GCRA, ITU-T I.371): one
 * word, the time at which the bucket would be full again, changed by one
 * compare-and-swap, so that CPUs can share it.
 */
#pragma once

#include "maps.h"

#define POLICER_TRIES 4

/* conforms takes bytes from the flow's bucket, or reports that there are too few. */
static __always_inline int conforms(struct slot *s, __u32 bytes, __u64 now)
{
	__u64 cost = (__u64)bytes * s->byte_cost >> 10;
	__u64 depth = (__u64)s->depth_us * 1000;

	if (!s->byte_cost)
		return 1;
#pragma unroll
	for (int i = 0; i < POLICER_TRIES; i++) {
		__u64 old = *(volatile __u64 *)&s->tat;
		__u64 tat = old > now ? old : now;

		if (tat + cost > now + depth)
			return 0;
		if (__sync_val_compare_and_swap(&s->tat, old, tat + cost) == old)
			return 1;
	}
	return 1; /* four other CPUs were at the same flow: let this one go */
}
