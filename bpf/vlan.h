/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * VLAN tags (IEEE 802.1Q). Frames without one, which most nodes have only, must not pay
 * for them: nothing here is called before a frame or its next hop turned out to have one.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "parse.h"

#define VLAN_ID 0xfff
#define VLAN_PRIORITY (0xf0u << 16) /* of a tag: priority and drop eligibility */

static __always_inline int is_tag_type(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

/*
 * is_set is 1 for what is not 0. Without a branch, so that the verifier goes once and not
 * twice through all that comes after.
 */
static __always_inline __u32 is_set(__u64 n)
{
	n |= -n;
	asm volatile("" : "+r"(n)); /* or the compiler makes a branch of it */
	return n >> 63;
}

/* tag_of returns a frame's tag as it stands in front of the Ethernet type; 0: none. */
static __always_inline __u32 tag_of(struct xdp_md *ctx)
{
	const void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 tag, type;

	if (data + sizeof(struct ethhdr) + VLAN_TAG > end)
		return 0;
	tag = *(const __u32 *)(data + 2 * ETH_ALEN);
	type = tag & 0xffff;
	/* All bits, if it is one of the two types. */
	return tag & (is_set(type ^ bpf_htons(ETH_P_8021Q)) &
		      is_set(type ^ bpf_htons(ETH_P_8021AD))) - 1;
}

static __always_inline __u32 link_length(__u32 tag)
{
	return sizeof(struct ethhdr) + VLAN_TAG * is_set(tag);
}

/* is_ours tells whether a tag is for a VLAN that the node is in by this interface. */
static __always_inline int is_ours(struct xdp_md *ctx, __u32 tag)
{
	__u32 here = ctx->ingress_ifindex << 1, id = bpf_ntohs(tag >> 16) & VLAN_ID;

	if (!id) /* only a priority: the frame is the interface's own */
		return 1;
	if ((__be16)tag == bpf_htons(ETH_P_8021AD))
		here |= VLAN_8021AD;
	for (int way = 0; way < VLAN_WAYS; way++)
		if (tables.vlans[id][way] == here)
			return 1;
	return 0;
}

/* check_tag looks at what comes before the IP header of a frame that has a tag. */
static __always_inline enum reason check_tag(struct xdp_md *ctx, __be16 *family)
{
	const void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 tag = tag_of(ctx);

	if (!tag || data + sizeof(struct ethhdr) + VLAN_TAG > end)
		return REASON_SHORT_FRAME;
	*family = *(const __be16 *)(data + 2 * ETH_ALEN + VLAN_TAG);
	if (is_tag_type(*family))
		return REASON_TWO_TAGS;
	if (*family != bpf_htons(ETH_P_IP) && *family != bpf_htons(ETH_P_IPV6))
		return REASON_NOT_IP;
	return is_ours(ctx, tag) ? REASON_FORWARDED : REASON_UNKNOWN_VLAN;
}

/*
 * tag_to_send is the next hop's tag, with the priority that the packet came with where
 * it had one; 0: none.
 */
static __always_inline __u32 tag_to_send(__u32 usable, __u32 tag)
{
	if (usable == HOP_UNTAGGED)
		return 0;
	return tag ? (usable & ~VLAN_PRIORITY) | (tag & VLAN_PRIORITY) : usable;
}
