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

static __always_inline int same_addresses(const struct slot *s, const struct ipv6hdr *ip)
{
	const __u64 *remote = (const __u64 *)&ip->saddr, *local = (const __u64 *)&ip->daddr;
	const __u64 *k = (const __u64 *)&s->key;

	return !((k[0] ^ local[0]) | (k[1] ^ local[1]) | (k[2] ^ remote[0]) | (k[3] ^ remote[1]));
}

/* takes tells whether a slot is live and for this packet. */
static __always_inline int takes(const struct slot *s, const struct packet *p)
{
	if (s->tag.rest != p->tag.rest || s->tag.addresses != p->tag.addresses)
		return 0;
	return !p->ipv6 || same_addresses(s, p->ip);
}

/* hint_index has its twin in ../dataplane/xdp/hint.go. */
static __always_inline __u32 hint_index(const struct flow_tag *t)
{
	__u64 h = (t->addresses ^ t->rest * 0x9e3779b97f4a7c15ULL) * 0xc2b2ae3d27d4eb4fULL;

	return h >> (64 - HINT_BITS);
}

static __always_inline struct slot *hinted(const struct packet *p)
{
	__u32 hint = hint_index(&p->tag);
	__u32 *index = bpf_map_lookup_elem(&hints, &hint);
	struct slot *s = index ? bpf_map_lookup_elem(&slots, index) : 0;

	return s && takes(s, p) ? s : 0;
}

/*
 * hashed looks in the hash. *changing is set when that has the key but the slot is not
 * the flow's: the process is just changing it.
 */
static __always_inline struct slot *hashed(const struct packet *p, const struct flow_key *key,
					   int *changing)
{
	__u32 *index = bpf_map_lookup_elem(&flows, key);
	struct slot *s = index ? bpf_map_lookup_elem(&slots, index) : 0;

	if (s && takes(s, p))
		return s;
	*changing = index != 0;
	return 0;
}
