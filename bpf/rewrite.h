/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Turns a packet into the one that its flow sends on. Everything was checked before. */
#pragma once

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "checksum.h"
#include "layout.h"
#include "parse.h"

#define DF_FROM 1260 /* an IPv4 packet made from IPv6 may be fragmented up to here (RFC 7915 5.1) */
#define SUM_LOOP 1024 /* 32-bit words that payload_sum reads: 4 KiB, more than most frames */
#define SUM_MAX (4 * SUM_LOOP)

/*
 * Sums the payload of a packet that came without a checksum and needs one for IPv6. A
 * global function: the verifier goes through its loop once and not for each way here.
 */
__noinline int payload_sum(struct xdp_md *ctx, __u32 offset, __u32 len)
{
	const void *end = (void *)(long)ctx->data_end;
	const __u8 *at = (void *)(long)ctx->data;
	__u64 sum = 0;

	if (offset > 128)
		return 0;
	at += offset;
	for (int i = 0; i < SUM_LOOP; i++, at += 4) {
		if (len < 4 || (const void *)(at + 4) > end)
			break;
		sum += *(const __u32 *)at;
		len -= 4;
	}
	if (len >= 2 && (const void *)(at + 2) <= end) {
		sum += *(const __u16 *)at;
		at += 2;
		len -= 2;
	}
	if (len && (const void *)(at + 1) <= end)
		sum += *at; /* the last byte is the high one of a word padded with zero */
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return fold(sum);
}

/*
 * new_check works out the UDP checksum of the packet to be sent from the old one: what
 * the flow always changes is in udp_delta; the payload's length stands in the channel
 * header, and padding, which is left behind, stood in UDP's two lengths.
 */
static __always_inline __be16 new_check(const struct packet *p, const struct slot *s)
{
	__u32 sum = (__u16)~p->udp_check + s->udp_delta;

	if (s->flags & ADD_CHANNEL)
		sum += bpf_htons(p->payload_len);
	if (s->flags & STRIP_CHANNEL) {
		sum += (__u16)~bpf_htons(p->payload_len);
		if (p->padding)
			sum += 2 * (__u32)(__u16)~bpf_htons(p->padding);
	}
	return udp_checksum(sum);
}

/* full_check is for a packet that had none. */
static __always_inline __be16 full_check(const struct packet *p, const struct slot *s,
					 const struct slot6 *s6, __u16 udp_len, __u32 payload_sum)
{
	const __u16 *w = (const __u16 *)s6->src;
	__u32 sum = payload_sum;

#pragma unroll
	for (int i = 0; i < 16; i++) /* src and dst lie beside each other */
		sum += w[i];
	sum += s->sport + s->dport + bpf_htons(IPPROTO_UDP) + 2 * (__u32)bpf_htons(udp_len);
	if (s->flags & ADD_CHANNEL)
		sum += s->channel + bpf_htons(p->payload_len);
	return udp_checksum(sum);
}

/* DF of the IPv4 header to send: kept, or for a packet from IPv6 as RFC 7915 5.1 wants. */
static __always_inline __be16 new_frag_off(const struct packet *p, __u16 total)
{
	if (p->ipv6)
		return total > DF_FROM ? bpf_htons(0x4000) : 0;
	return dont_fragment(p);
}

/* The header is written in words of 8 bytes: each store costs. */
static __always_inline void write_ipv4(void *ip, const struct packet *p, const struct slot *s,
				       __u16 udp_len)
{
	__u16 total = sizeof(struct iphdr) + udp_len;
	__be16 frag_off = new_frag_off(p, total);
	__be16 id = p->ipv6 ? 0 : ipv4_id(p);
	__u32 first, second, third, sum;

	if (!frag_off) /* a packet that may be fragmented needs a number of its own (RFC 6864) */
		id = bpf_get_prandom_u32();
	first = 0x45 | (__u32)traffic_class(p) << 8 | (__u32)bpf_htons(total) << 16;
	second = id | (__u32)frag_off << 16;
	third = (__u8)(p->hop_limit - 1) | IPPROTO_UDP << 8;
	sum = s->ip_base + (first & 0xff00) + (first >> 16) + id + frag_off + (third & 0xff);
	third |= (__u32)(__u16)~fold(sum) << 16;
	*(__u64 *)ip = first | (__u64)second << 32;
	*(__u64 *)(ip + 8) = third | (__u64)s->src4 << 32;
	*(__be32 *)(ip + 16) = s->dst4;
}

static __always_inline void write_ipv6(struct ipv6hdr *ip, const struct packet *p,
				       const struct slot6 *s, __u16 udp_len)
{
	*(__be32 *)ip = s->flow_label | bpf_htonl((__u32)traffic_class(p) << 20);
	ip->payload_len = bpf_htons(udp_len);
	ip->nexthdr = IPPROTO_UDP;
	ip->hop_limit = p->hop_limit - 1;
	__builtin_memcpy(&ip->saddr, s->src, 16);
	__builtin_memcpy(&ip->daddr, s->dst, 16);
}

static __always_inline int header_length(int ipv6)
{
	return ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
}

static __always_inline __u16 new_udp_len(const struct packet *p, const struct slot *s)
{
	__u16 len = sizeof(struct udphdr) + p->payload_len;

	return s->flags & ADD_CHANNEL ? len + CHANNEL_HEADER : len;
}

/*
 * rewrite returns 0, or -1 when the frame is not there any more, which cannot be. A VLAN
 * tag, if there is to be one, stands in front of the Ethernet type.
 */
static __always_inline int rewrite(struct xdp_md *ctx, const struct packet *p,
				   const struct slot *s, const struct slot6 *s6,
				   const struct hop *h, __be16 check, __u32 tag)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u16 udp_len = new_udp_len(p, s);
	__be16 *type = data + 2 * ETH_ALEN;
	struct udphdr *udp;
	__be16 *channel;

	if (data + sizeof(struct ethhdr) + VLAN_TAG > end)
		return -1;
	*(__u64 *)data = *(const __u64 *)h->macs;
	*(__u32 *)(data + 8) = *(const __u32 *)(h->macs + 8);
	if (tag) {
		*(__u32 *)type = tag;
		type += 2;
	}
	if (s6) {
		struct ipv6hdr *ip = (void *)(type + 1);

		udp = (void *)(ip + 1);
		if ((void *)(udp + 1) > end)
			return -1;
		*type = bpf_htons(ETH_P_IPV6);
		write_ipv6(ip, p, s6, udp_len);
	} else {
		struct iphdr *ip = (void *)(type + 1);

		udp = (void *)(ip + 1);
		if ((void *)(udp + 1) > end)
			return -1;
		*type = bpf_htons(ETH_P_IP);
		write_ipv4(ip, p, s, udp_len);
	}
	*(__u64 *)udp = *(const __u32 *)&s->sport | (__u64)bpf_htons(udp_len) << 32 |
			(__u64)check << 48; /* dport lies behind sport */
	if (s->flags & ADD_CHANNEL) {
		channel = (void *)(udp + 1);
		if ((void *)(channel + 2) > end)
			return -1;
		*(__u32 *)channel = s->channel | (__u32)bpf_htons(p->payload_len) << 16;
	}
	return 0;
}
