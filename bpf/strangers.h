/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Decides about a packet to a port of ours that no flow takes. */
#pragma once

#include "maps.h"
#include "vlan.h"

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

/* has_socket tells whether a UDP packet that is passed finds a socket. */
static __always_inline int has_socket(struct xdp_md *ctx)
{
	const void *end = (void *)(long)ctx->data_end;
	const void *ip = (void *)(long)ctx->data + link_length(tag_of(ctx));
	const struct ipv6hdr *ip6 = ip;
	const struct iphdr *ip4 = ip;
	struct bpf_sock_tuple t = {};
	__u32 size = sizeof(t.ipv4);
	struct bpf_sock *sk;

	if ((const void *)(ip4 + 1) + sizeof(struct udphdr) > end)
		return 1;
	if (ip4->version == 4) {
		t.ipv4.saddr = ip4->saddr;
		t.ipv4.daddr = ip4->daddr;
		__builtin_memcpy(&t.ipv4.sport, ip4 + 1, 4); /* and dport */
	} else {
		size = sizeof(t.ipv6);
		if ((const void *)(ip6 + 1) + sizeof(struct udphdr) > end)
			return 1;
		__builtin_memcpy(t.ipv6.saddr, &ip6->saddr, 32); /* and daddr */
		__builtin_memcpy(&t.ipv6.sport, ip6 + 1, 4);
	}
	sk = bpf_sk_lookup_udp(ctx, &t, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return 0;
	bpf_sk_release(sk);
	return 1;
}

/*
 * A closed port's ICMP error would make clients give up while the process restarts. Its
 * sockets go with it, before its heartbeat is stale; its next one has them before it beats.
 */
static __always_inline int owner_is_down(struct xdp_md *ctx, __u64 now)
{
	__u64 age = owner_age(now);

	return age <= LEASE_NS && (age > OWNER_STALE_NS || !has_socket(ctx));
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
