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
#define VLAN_TAG 4
#define MAX_PADDING 3
#define MAX_PAYLOAD 0x3fff /* far over any frame without fragments; bounds offsets */

/*
 * What the later stages need to know of a packet, in few words: what does not fit into
 * registers costs. ip and payload point into the packet.
 */
struct packet {
	struct flow_tag tag;
	__u64 head; /* the first 8 bytes of the IP header */
	const void *ip;
	const void *payload;
	__u32 payload_len; /* without ChannelData header and padding */
	__u32 padding;	   /* behind ChannelData */
	__be16 udp_check;
	__u8 hop_limit;
	__u8 ipv6;
};

/* Where things lie in the first 8 bytes, as this machine (little endian) reads them. */
static __always_inline __u8 traffic_class(const struct packet *p)
{
	if (p->ipv6) /* it lies across two bytes, behind the version */
		return (p->head & 0xf) << 4 | (p->head >> 12 & 0xf);
	return p->head >> 8;
}

static __always_inline __be16 ipv4_id(const struct packet *p)
{
	return p->head >> 32;
}

static __always_inline __be16 dont_fragment(const struct packet *p)
{
	return p->head >> 48 & bpf_htons(0x4000);
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

/* parse_udp checks what both families share. space is what IP says UDP has. */
static __always_inline enum reason parse_udp(struct packet *p, const struct udphdr *udp,
					     __u32 space)
{
	__u32 len = bpf_ntohs(udp->len);

	if (len < sizeof(*udp) || len != space)
		return REASON_UDP_LENGTH;
	p->payload_len = len - sizeof(*udp);
	if (p->payload_len > MAX_PAYLOAD)
		return REASON_TOO_BIG;
	p->tag.rest |= *(const __u32 *)udp; /* source port, destination port */
	p->udp_check = udp->check;
	p->payload = udp + 1;
	p->padding = 0;
	return REASON_FORWARDED;
}

static __always_inline enum reason parse_ipv4(struct packet *p, const struct iphdr *ip,
					      const void *end)
{
	const struct udphdr *udp = (const void *)(ip + 1);
	__u32 total;

	if ((const void *)(ip + 1) > end)
		return REASON_SHORT_FRAME;
	if (ip->protocol != IPPROTO_UDP)
		return REASON_NOT_UDP;
	p->head = *(const __u64 *)ip;
	if ((__u8)p->head != 0x45) /* version 4, 5 words */
		return REASON_IP_OPTIONS;
	if ((__u16)(p->head >> 48) & bpf_htons(0x3fff)) /* more fragments, or an offset */
		return REASON_IP_FRAGMENT;
	total = bpf_ntohs((__u16)(p->head >> 16));
	if (total < sizeof(*ip) || total > end - (const void *)ip)
		return REASON_IP_LENGTH;
	if ((const void *)(udp + 1) > end)
		return REASON_SHORT_FRAME;

	p->tag.addresses = *(const __u64 *)&ip->saddr; /* and daddr behind it */
	p->tag.rest = SLOT_IPV4 << TAG_FAMILY_SHIFT;
	p->ip = ip;
	p->hop_limit = ip->ttl;
	return parse_udp(p, udp, total - sizeof(*ip));
}

static __always_inline __u64 fold_addresses(const struct ipv6hdr *ip)
{
	const __u64 *a = (const __u64 *)&ip->saddr;

	return a[0] ^ a[1] ^ (a[2] << 1 | a[2] >> 63) ^ (a[3] << 1 | a[3] >> 63);
}

static __always_inline enum reason parse_ipv6(struct packet *p, const struct ipv6hdr *ip,
					      const void *end)
{
	const struct udphdr *udp = (const void *)(ip + 1);
	__u32 len;

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
	if ((const void *)(udp + 1) > end)
		return REASON_SHORT_FRAME;
	if (!udp->check)
		return REASON_UDP_CHECKSUM;

	p->tag.addresses = fold_addresses(ip);
	p->tag.rest = SLOT_IPV6 << TAG_FAMILY_SHIFT;
	p->head = *(const __u64 *)ip;
	p->ip = ip;
	p->hop_limit = ip->hop_limit;
	return parse_udp(p, udp, len);
}

/* family_of returns the Ethernet type if it is IPv4 or IPv6. */
static __always_inline __be16 family_of(struct xdp_md *ctx, enum reason *reason)
{
	const void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__be16 type;

	*reason = REASON_SHORT_FRAME;
	if (data + sizeof(struct ethhdr) > end)
		return 0;
	*reason = REASON_NOT_IP;
	type = *(const __be16 *)(data + 2 * ETH_ALEN);
	return type == bpf_htons(ETH_P_IP) || type == bpf_htons(ETH_P_IPV6) ? type : 0;
}

/*
 * parse fills in all but what is inside the payload (see parse_channel). The IP header
 * begins behind the link's, which is longer with a VLAN tag.
 */
static __always_inline enum reason parse(struct xdp_md *ctx, int ipv6, __u32 link,
					 struct packet *p)
{
	const void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	p->ipv6 = ipv6;
	data += link;
	return ipv6 ? parse_ipv6(p, data, end) : parse_ipv4(p, data, end);
}

/* What comes to a listening port is ChannelData or STUN (RFC 8656 section 12). */
static __always_inline int is_channel(const struct packet *p, const void *end)
{
	const __u8 *first = p->payload;

	return (const void *)(first + 1) <= end && (*first & 0xc0) == 0x40;
}

/*
 * parse_channel reads a ChannelData header (RFC 8656 section 12.4). Over UDP the
 * message may be padded to a multiple of 4; the padding, if zero, is left behind the
 * new IP packet as an Ethernet trailer: zeroes add nothing to the checksum.
 */
static __always_inline enum reason parse_channel(struct packet *p, const void *end)
{
	const __be16 *header = p->payload;
	const __u8 *pad;
	__u32 len;

	if ((const void *)(header + 2) > end || p->payload_len < CHANNEL_HEADER)
		return REASON_CHANNEL_LENGTH;
	len = bpf_ntohs(header[1]);
	if (len > MAX_PAYLOAD || len > p->payload_len - CHANNEL_HEADER)
		return REASON_CHANNEL_LENGTH;
	p->padding = p->payload_len - CHANNEL_HEADER - len;
	if (p->padding > MAX_PADDING)
		return REASON_CHANNEL_PADDING;
	if (p->padding) {
		pad = (const __u8 *)(header + 2) + len;
#pragma unroll
		for (int i = 0; i < MAX_PADDING; i++)
			if (i < p->padding && ((const void *)(pad + i + 1) > end || pad[i]))
				return REASON_CHANNEL_PADDING;
	}
	p->tag.rest |= (__u64)header[0] << TAG_CHANNEL_SHIFT;
	p->payload_len = len;
	p->payload = header + 2;
	return REASON_FORWARDED;
}
