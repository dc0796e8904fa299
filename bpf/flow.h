/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Finds a packet's flow: first where the hint says, then in the hash. */
#pragma once

#include "maps.h"

static __always_inline int same_key(const struct flow_key *a, const struct flow_key *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]));
}

/* hint_index has its twin in ../dataplane/xdp/hint.go. */
static __always_inline __u32 hint_index(const struct flow_key *k)
{
	const __u32 *l = (const __u32 *)k->local, *r = (const __u32 *)k->remote;
	__u32 ports = (__u32)k->remote_port << 16 | k->local_port;
	__u32 h;

	h = (r[0] ^ r[1] ^ r[2] ^ r[3]) * 0x9e3779b1;
	h = (h ^ ports) * 0x85ebca77;
	h = (h ^ k->channel ^ l[3]) * 0xc2b2ae3d;
	return h >> (32 - HINT_BITS);
}

static __always_inline struct slot *slot_at(const __u32 *index)
{
	return index ? bpf_map_lookup_elem(&slots, index) : 0;
}

/*
 * find_flow returns the live slot of a key. *changing is set when the hash had the
 * key but its slot did not: the process is just changing the flow.
 */
static __always_inline struct slot *find_flow(const struct flow_key *key, int *changing)
{
	__u32 hint = hint_index(key);
	struct slot *s;
	__u32 *index;

	s = slot_at(bpf_map_lookup_elem(&hints, &hint));
	if (s && s->live && same_key(&s->key, key))
		return s;
	index = bpf_map_lookup_elem(&flows, key);
	if (!index)
		return 0;
	s = slot_at(index);
	if (s && s->live && same_key(&s->key, key))
		return s;
	*changing = 1;
	return 0;
}
