/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Finds a packet's flow: first where the hint says, then in the hash. */
#pragma once

#include "maps.h"
#include "parse.h"

static __always_inline void map_ipv4(__u8 *to, __be32 addr)
{
	__u32 *w = (__u32 *)to;

	w[0] = 0;
	w[1] = 0;
	w[2] = bpf_htonl(0xffff);
	w[3] = addr;
}

/* key_of writes a packet's whole key, as the hash has it. */
static __always_inline void key_of(const struct packet *p, struct flow_key *key)
{
	if (p->ipv6) {
		const struct ipv6hdr *ip = p->ip;

		__builtin_memcpy(key->local, &ip->daddr, 16);
		__builtin_memcpy(key->remote, &ip->saddr, 16);
	} else {
		map_ipv4(key->local, p->tag.addresses >> 32);
		map_ipv4(key->remote, p->tag.addresses);
	}
	key->remote_port = p->tag.rest;
	key->local_port = p->tag.rest >> 16;
	key->channel = p->tag.rest >> TAG_CHANNEL_SHIFT;
	key->zero = 0;
}

/* A flow that a packet belongs to. */
struct found {
	struct slot *slot;
	__u32 index;
};

static __always_inline int same_addresses(__u32 index, const struct ipv6hdr *ip)
{
	const __u64 *remote = (const __u64 *)&ip->saddr, *local = (const __u64 *)&ip->daddr;
	const __u64 *k = (const __u64 *)&tables.slots6[index & (SLOTS - 1)];

	return !((k[0] ^ local[0]) | (k[1] ^ local[1]) | (k[2] ^ remote[0]) | (k[3] ^ remote[1]));
}

/* try_slot tells whether a slot is live and for this packet. */
static __always_inline int try_slot(__u32 index, const struct packet *p, struct found *f)
{
	struct slot *s = &tables.slots[index & (SLOTS - 1)];

	if (s->tag.rest != p->tag.rest || s->tag.addresses != p->tag.addresses)
		return 0;
	if (p->ipv6 && !same_addresses(index, p->ip))
		return 0;
	f->slot = s;
	f->index = index;
	return 1;
}

/* hash_tag has its twin in ../dataplane/xdp/hint.go. */
static __always_inline __u64 hash_tag(const struct flow_tag *t)
{
	return (t->addresses ^ t->rest * 0x9e3779b97f4a7c15ULL) * 0xc2b2ae3d27d4eb4fULL;
}

static __always_inline int hinted(const struct packet *p, struct found *f)
{
	__u64 hash = hash_tag(&p->tag);
	__u32 set = hash >> (64 - HINT_SET_BITS);
	__u32 check = hash << HINT_SET_BITS >> 32; /* its upper bits, beside the index */
	__u64 both = *(volatile __u64 *)&tables.hints[set];

	for (int way = 0; way < HINT_WAYS; way++, both >>= 32) {
		__u32 hint = both;

		if ((hint ^ check) >> HINT_INDEX_BITS)
			continue;
		if (try_slot(hint & ((1 << HINT_INDEX_BITS) - 1), p, f))
			return 1;
	}
	return 0;
}

/*
 * hashed looks in the hash. *changing is set when that has the key but the slot is not
 * the flow's: the process is just changing it.
 */
static __always_inline int hashed(const struct packet *p, const struct flow_key *key,
				  struct found *f, int *changing)
{
	__u32 *index = bpf_map_lookup_elem(&flows, key);

	if (!index)
		return 0;
	if (try_slot(*index, p, f))
		return 1;
	*changing = 1;
	return 0;
}

/* leased tells whether a slot's lease still runs. */
static __always_inline int leased(const struct slot *s, __u64 now)
{
	__u32 lease = *(const volatile __u32 *)&s->lease;

	return (__s32)(lease - (__u32)(now >> LEASE_SHIFT)) > 0;
}
