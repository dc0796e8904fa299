/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The token bucket of a flow, as its virtual-scheduling twin (GCRA, ITU-T I.371): one
 * word, the time at which the bucket would be full again.
 *
 * The word is changed without a lock. A flow is one 5-tuple, which arrives on one queue
 * and so on one CPU; should two CPUs have packets of it in the same nanoseconds, one of
 * the two packets is not charged. Buckets that flows share are in shared.h.
 */
#pragma once

#include "maps.h"

/* conforms takes bytes from the flow's bucket, or reports that there are too few. */
static __always_inline int conforms(struct slot *s, __u32 bytes, __u64 now)
{
	__u64 tat;

	if (!s->byte_cost)
		return 1;
	tat = s->tat > now ? s->tat : now;
	tat += (__u64)bytes * s->byte_cost >> 10;
	if (tat > now + ((__u64)s->depth << 10))
		return 0;
	s->tat = tat;
	return 1;
}

/* give_back undoes what conforms did for a packet that conformed. */
static __always_inline void give_back(struct slot *s, __u32 bytes)
{
	s->tat -= (__u64)bytes * s->byte_cost >> 10;
}
