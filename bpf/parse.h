/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Reads and checks every header before anything else is done with a packet. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "layout.h"
#include "reasons.h"

#define CHANNEL_HEADER 4
#define MAX_PADDING 3
#define MAX_PAYLOAD 0x3fff /* far over any frame without fragments; bounds offsets */

/* What the later stages need to know of a packet; nothing points into it. */
struct packet {
	__u16 udp_len;	   /* as it stands in the UDP header */
	__u16 payload_len; /* without ChannelData header and padding */
	__be16 udp_check;
	__be16 frag_off; /* IPv4: DF or 0 */
	__be16 id;	 /* IPv4 */
	__u8 traffic_class;
	__u8 hop_limit;
	__u8 ipv6;
};

static __always_inline void map_ipv4(__u8 *to, __be32 addr)
{
	__u32 *w = (__u32 *)to;

	w[0] = 0;
	w[1] = 0;
	w[2] = bpf_htonl(0xffff);
	w[3] = addr;
}

static __always_inline int is_mapped(const struct in6_addr *a)
{
	const __u32 *w = (const __u32 *)a;

	return !(w[0] | w[1]) && w[2] == bpf_htonl(0xffff);
}

static __always_inline int is_extension(__u8 next_header)
{
	return next_header == IPPROTO_HOPOPTS || next_header == IPPROTO_ROUTING ||
	       next_header == IPPROTO_DSTOPTS || next_header == IPPROTO_AH ||
	       next_header == IPPROTO_MH || next_header == 139 /* HIP */;
}

static __always_inline enum reason parse_ipv4(const struct iphdr *ip, const void *end,
					      struct packet *p, struct flow_key *key, __u16 *space)
{
	__u16 total;

	if ((const void *)(ip + 1) > end)
		return REASON_SHORT_FRAME;
	if (ip->protocol != IPPROTO_UDP)
		return REASON_NOT_UDP;
	if (ip->version != 4 || ip->ihl != 5)
		return REASON_IP_OPTIONS;
	if (ip->frag_off & bpf_htons(0x3fff)) /* more fragments, or an offset */
		return REASON_IP_FRAGMENT;
	total = bpf_ntohs(ip->tot_len);
	if (total < sizeof(*ip) || total > end - (const void *)ip)
		return REASON_IP_LENGTH;

	map_ipv4(key->local, ip->daddr);
	map_ipv4(key->remote, ip->saddr);
	p->traffic_class = ip->tos;
	p->hop_limit = ip->ttl;
	p->frag_off = ip->frag_off & bpf_htons(0x4000);
	p->id = ip->id;
	p->ipv6 = 0;
	*space = total - sizeof(*ip);
	return REASON_FORWARDED;
}

static __always_inline enum reason parse_ipv6(const struct ipv6hdr *ip, const void *end,
					      struct packet *p, struct flow_key *key, __u16 *space)
{
	__u16 len;

	if ((const void *)(ip + 1) > end)
		return REASON_SHORT_FRAME;
	if (ip->nexthdr == IPPROTO_FRAGMENT)
		return REASON_IP_FRAGMENT;
	if (ip->nexthdr != IPPROTO_UDP)
		return is_extension(ip->nexthdr) ? REASON_IP_EXTENSION : REASON_NOT_UDP;
	len = bpf_ntohs(ip->payload_len);
	if (ip->version != 6 || len > end - (const void *)(ip + 1))
		return REASON_IP_LENGTH;
	if (is_mapped(&ip->saddr) || is_mapped(&ip->daddr))
		return REASON_MAPPED_ADDRESS;

	__builtin_memcpy(key->local, &ip->daddr, 16);
	__builtin_memcpy(key->remote, &ip->saddr, 16);
	p->traffic_class = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	p->hop_limit = ip->hop_limit;
	p->frag_off = 0;
	p->id = 0;
	p->ipv6 = 1;
	*space = len;
	return REASON_FORWARDED;
}

/*
 * parse fills in p and key, except for what is inside the payload (parse_channel),
 * and finds the payload.
 */
static __always_inline enum reason parse(struct xdp_md *ctx, struct packet *p,
					 struct flow_key *key, const void **payload)
{
	const void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = data;
	const struct udphdr *udp;
	enum reason reason;
	__u16 space = 0;

	if ((const void *)(eth + 1) > end)
		return REASON_SHORT_FRAME;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		reason = parse_ipv4((const void *)(eth + 1), end, p, key, &space);
		udp = (const void *)(eth + 1) + sizeof(struct iphdr);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		reason = parse_ipv6((const void *)(eth + 1), end, p, key, &space);
		udp = (const void *)(eth + 1) + sizeof(struct ipv6hdr);
	} else {
		return REASON_NOT_IP;
	}
	if (reason != REASON_FORWARDED)
		return reason;

	if ((const void *)(udp + 1) > end)
		return REASON_SHORT_FRAME;
	p->udp_len = bpf_ntohs(udp->len);
	if (p->udp_len < sizeof(*udp) || p->udp_len != space)
		return REASON_UDP_LENGTH;
	if (p->ipv6 && !udp->check)
		return REASON_UDP_CHECKSUM;
	p->udp_check = udp->check;
	p->payload_len = p->udp_len - sizeof(*udp);
	if (p->payload_len > MAX_PAYLOAD)
		return REASON_TOO_BIG;
	key->local_port = udp->dest;
	key->remote_port = udp->source;
	key->channel = 0;
	key->zero = 0;
	*payload = udp + 1;
	return REASON_FORWARDED;
}

/* What comes to a listening port is ChannelData or STUN (RFC 8656 section 12). */
static __always_inline int is_channel(const void *payload, const void *end)
{
	const __u8 *first = payload;

	return (const void *)(first + 1) <= end && (*first & 0xc0) == 0x40;
}

/*
 * parse_channel reads a ChannelData header (RFC 8656 section 12.4). Over UDP the
 * message may be padded to a multiple of 4; the padding, if zero, is left behind the
 * new IP packet as an Ethernet trailer: zeroes add nothing to the checksum.
 */
static __always_inline enum reason parse_channel(const void *end, struct packet *p,
						 struct flow_key *key, const void **payload)
{
	const __be16 *header = *payload;
	const __u8 *pad;
	__u16 len, padding;

	if ((const void *)(header + 2) > end || p->payload_len < CHANNEL_HEADER)
		return REASON_CHANNEL_LENGTH;
	len = bpf_ntohs(header[1]);
	if (len > MAX_PAYLOAD || len > p->payload_len - CHANNEL_HEADER)
		return REASON_CHANNEL_LENGTH;
	padding = p->payload_len - CHANNEL_HEADER - len;
	if (padding > MAX_PADDING)
		return REASON_CHANNEL_PADDING;
	if (padding) {
		pad = (const __u8 *)(header + 2) + len;
#pragma unroll
		for (int i = 0; i < MAX_PADDING; i++)
			if (i < padding && ((const void *)(pad + i + 1) > end || pad[i]))
				return REASON_CHANNEL_PADDING;
	}
	key->channel = header[0];
	p->payload_len = len;
	*payload = header + 2;
	return REASON_FORWARDED;
}
