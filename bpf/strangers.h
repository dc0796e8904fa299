/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Decides about a packet to a port of ours that no flow takes. */
#pragma once

#include "maps.h"

static __always_inline __u8 port_kind(const struct packet *p)
{
	return tables.ports[bpf_ntohs((__u16)(p->tag.rest >> 16))];
}

static __always_inline int permitted(const struct flow_key *key, __u64 now)
{
	struct permission_key p = {.local_port = key->local_port};
	__u64 *until;

	__builtin_memcpy(p.local, key->local, 16);
	__builtin_memcpy(p.peer, key->remote, 16);
	until = bpf_map_lookup_elem(&permissions, &p);
	return until && now < *until;
}

static __always_inline __u64 owner_age(__u64 now)
{
	__u64 beat = *(volatile __u64 *)&tables.heartbeat;

	return now > beat ? now - beat : 0;
}

/* A closed port's ICMP error would make clients give up while the process restarts. */
static __always_inline int owner_is_down(__u64 now)
{
	__u64 age = owner_age(now);

	return age > OWNER_STALE_NS && age <= LEASE_NS;
}

static __always_inline enum reason without_flow(const struct flow_key *key, __u8 kind, __u64 now)
{
	__u64 age;

	if (!bpf_map_lookup_elem(&locals, key->local))
		return REASON_NOT_OURS;
	age = owner_age(now);
	if (age > LEASE_NS)
		return REASON_OWNER_GONE;
	if (age > OWNER_STALE_NS)
		return REASON_OWNER_DOWN;
	if (kind == PORT_LISTENER)
		return REASON_CONTROL;
	if (kind == PORT_RELAY && !permitted(key, now))
		return REASON_STRANGER;
	return REASON_NO_FLOW;
}
