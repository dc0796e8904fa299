//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * The relay: check everything, find the flow, lease and policer, next hop, and only
 * then change the packet. What it does not like it leaves untouched for the process,
 * which relays by the same table; each way out has one reason (reasons.txt).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "crowd.h"
#include "flow.h"
#include "layout.h"
#include "maps.h"
#include "parse.h"
#include "policer.h"
#include "reasons.h"
#include "rewrite.h"
#include "shared.h"
#include "stats.h"
#include "strangers.h"
#include "vlan.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline int leave(enum reason reason, int verdict)
{
	__u32 index = reason;
	__u64 *n = bpf_map_lookup_elem(&exits, &index);

	if (n)
		(*n)++;
	return verdict;
}

static __always_inline int verdict_of(enum reason reason)
{
	return reason < REASON_STRANGER ? XDP_PASS : XDP_DROP;
}

/*
 * left_over is for what only the process can do something about. A global function:
 * the verifier goes through it once, and not for each call.
 */
__noinline int left_over(struct xdp_md *ctx, enum reason reason, __u64 now)
{
	if (verdict_of(reason) == XDP_PASS && owner_is_down(ctx, now))
		reason = REASON_OWNER_DOWN;
	return leave(reason, verdict_of(reason));
}

/*
 * fits tells whether the device takes a frame of the new length: it allows for one tag
 * above its MTU, and what is behind the IP packet counts.
 */
static __always_inline int fits(struct xdp_md *ctx, const struct hop *h, int growth)
{
	long len = ctx->data_end - ctx->data;

	return len + growth <= h->mtu + (long)sizeof(struct ethhdr) + VLAN_TAG;
}

/* The UDP checksum to send; none stays none, except that IPv6 must have one. */
static __always_inline __be16 check_to_send(struct xdp_md *ctx, const struct packet *p,
					    const struct slot *s, const struct slot6 *s6)
{
	__u32 offset;

	if (p->udp_check)
		return new_check(p, s);
	if (!s6)
		return 0;
	offset = p->payload - (const void *)(long)ctx->data;
	return full_check(p, s, s6, new_udp_len(p, s), payload_sum(ctx, offset, p->payload_len));
}

/* What is forwarded is counted with the flow only; the process adds it up. */
static __always_inline int send(struct xdp_md *ctx, const struct packet *p, const struct hop *h,
				struct flow_stats *st)
{
	int verdict;

	if (h->ifindex == ctx->ingress_ifindex)
		return XDP_TX;
	verdict = bpf_redirect_map(&tx_devices, h->tx, XDP_DROP);
	if (verdict == XDP_REDIRECT)
		return verdict;
	st->packets--;
	st->bytes -= p->payload_len;
	return leave(REASON_NO_DEVICE, verdict);
}

/* How much of VLAN tags a way through the program knows. */
enum tagging {
	NO_TAGS, /* neither the frame nor its next hop has one */
	ANY_TAGS,
};

/*
 * What a way through the program answers that did nothing: relay_slowly is next. It is
 * called by whoever called that way, because the stacks of nested calls are added up.
 */
#define SLOWLY -1

/* Global functions: the verifier goes through them once, and not for each call. */
int relay_tagged_ipv4(struct xdp_md *ctx);
int relay_tagged_ipv6(struct xdp_md *ctx);
int relay_slowly_ipv4(struct xdp_md *ctx);
int relay_slowly_ipv6(struct xdp_md *ctx);

static __always_inline int relay_with_tags(struct xdp_md *ctx, int ipv6)
{
	int verdict = ipv6 ? relay_tagged_ipv6(ctx) : relay_tagged_ipv4(ctx);

	if (verdict != SLOWLY)
		return verdict;
	return ipv6 ? relay_slowly_ipv6(ctx) : relay_slowly_ipv4(ctx);
}

/* forward relays a packet of a live flow, which came with this tag. */
static __always_inline int forward(struct xdp_md *ctx, const struct packet *p,
				   const struct found *f, __u64 now, enum tagging tags, __u32 tag)
{
	__u32 index = stats_index(f->index);
	struct flow_stats *st = bpf_map_lookup_elem(&stats, &index);
	const struct slot6 *s6 = 0;
	struct slot *s = f->slot;
	const struct rtp_header *rtp;
	__u32 media = p->payload_len;
	const struct hop *h = &tables.hops[s->hop];
	__u32 usable;
	int longer = 0; /* by a tag, or shorter */
	__be16 check;

	if (!st)
		return left_over(ctx, REASON_FLOW_CHANGING, now);
	if (p->hop_limit <= 1)
		return leave(REASON_HOP_LIMIT, XDP_DROP);
	if (s->flags & OUT_IPV6)
		s6 = &tables.slots6[f->index & (SLOTS - 1)];
	rtp = as_rtp(p, (void *)(long)ctx->data_end);
	if (rtp)
		media -= RTP_HEADER;
	else if (s->flags & SPLIT_RTCP && is_rtcp(p, (void *)(long)ctx->data_end))
		return left_over(ctx, REASON_CONTROL, now);
	usable = *(volatile __u32 *)&h->usable;
	if (tags == NO_TAGS && usable != HOP_UNTAGGED)
		return relay_with_tags(ctx, p->ipv6);
	if (!conforms(s, media, now)) {
		st->policed++;
		return leave(REASON_POLICED, XDP_DROP);
	}
	if (s->set && !take_shared(s->set, media, now)) {
		give_back(s, media);
		st->policed++;
		return leave(REASON_OVER_GRANT, XDP_DROP);
	}
	if (tags == ANY_TAGS) {
		if (usable == HOP_UNUSABLE)
			return left_over(ctx, REASON_NO_NEIGHBOUR, now);
		longer = -(int)link_length(tag);
		tag = tag_to_send(usable, tag);
		longer += link_length(tag);
		if (!fits(ctx, h, s->growth + longer))
			return left_over(ctx, REASON_TOO_BIG, now);
	}
	if (header_length(s6 != 0) + new_udp_len(p, s) > h->mtu)
		return left_over(ctx, REASON_TOO_BIG, now);
	if (!p->udp_check && p->payload_len > SUM_MAX && s6)
		return left_over(ctx, REASON_TOO_BIG, now);
	check = check_to_send(ctx, p, s, s6);
	if (rtp)
		count_rtp(st, index, rtp, now, s->rtp_mult);
	if (s->growth + longer && bpf_xdp_adjust_head(ctx, -(s->growth + longer)))
		return left_over(ctx, REASON_NO_HEADROOM, now);
	count(st, p->payload_len, now);
	if (rewrite(ctx, p, s, s6, h, check, tag))
		return XDP_ABORTED;
	return send(ctx, p, h, st);
}

/*
 * find_slowly is for a packet that no hint led to a live flow for. When it finds none
 * it has counted the reason, and *verdict is what becomes of the packet.
 */
static __always_inline int find_slowly(struct xdp_md *ctx, struct packet *p, struct found *f,
				       __u64 now, int *verdict)
{
	const void *end = (void *)(long)ctx->data_end;
	__u8 kind = port_kind(p);
	enum reason reason = REASON_NOT_OURS;
	struct flow_key key;
	int changing = 0, expired = 0;

	if (kind == PORT_NONE)
		goto out;
	if (kind == PORT_LISTENER && is_channel(p, end)) {
		reason = parse_channel(p, end);
		if (reason != REASON_FORWARDED)
			goto out;
	}
	key_of(p, &key);
	if (hashed(p, &key, f, &changing)) {
		if (leased(f->slot, now))
			return 1;
		expired = 1;
	}
	reason = REASON_FLOW_CHANGING;
	if (changing)
		goto out;
	reason = without_flow(&key, kind, now);
	if (reason == REASON_CONTROL)
		reason = request(ctx, p, &key, now);
	if (expired && verdict_of(reason) == XDP_PASS)
		reason = REASON_LEASE_EXPIRED;
out:
	*verdict = reason == REASON_NOT_OURS ? leave(reason, XDP_PASS) : left_over(ctx, reason, now);
	return 0;
}

static __always_inline int relay_slowly(struct xdp_md *ctx, int ipv6)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	__u32 tag = tag_of(ctx);
	struct found f = {};
	struct packet p;
	enum reason reason;
	int verdict;

	reason = parse(ctx, ipv6, link_length(tag), &p);
	if (reason != REASON_FORWARDED)
		return leave(reason, XDP_PASS);
	if (!find_slowly(ctx, &p, &f, now, &verdict))
		return verdict;
	return forward(ctx, &p, &f, now, ANY_TAGS, tag);
}

__noinline int relay_slowly_ipv4(struct xdp_md *ctx)
{
	return relay_slowly(ctx, 0);
}

__noinline int relay_slowly_ipv6(struct xdp_md *ctx)
{
	return relay_slowly(ctx, 1);
}

/*
 * relay is what nearly every packet goes through, made for each family with and without
 * VLAN tags: it has a hint, and its flow is live. Everything else starts again, slowly.
 *
 * The clock of leases, policers and last-seen is the coarse one: it steps every few
 * milliseconds, and costs next to nothing.
 */
static __always_inline int relay(struct xdp_md *ctx, int ipv6, enum tagging tags)
{
	const void *end = (void *)(long)ctx->data_end;
	__u64 now = bpf_ktime_get_coarse_ns();
	__u32 tag = tags == ANY_TAGS ? tag_of(ctx) : 0;
	__u32 link = tags == ANY_TAGS ? link_length(tag) : sizeof(struct ethhdr);
	struct found f = {};
	struct packet p;
	enum reason reason;

	reason = parse(ctx, ipv6, link, &p);
	if (reason != REASON_FORWARDED)
		return leave(reason, XDP_PASS);
	if (is_channel(&p, end)) {
		if (parse_channel(&p, end) == REASON_FORWARDED && hinted(&p, &f) &&
		    leased(f.slot, now))
			return forward(ctx, &p, &f, now, tags, tag);
	} else if (hinted(&p, &f) && leased(f.slot, now)) {
		return forward(ctx, &p, &f, now, tags, tag);
	}
	if (tags == ANY_TAGS)
		return SLOWLY;
	return ipv6 ? relay_slowly_ipv6(ctx) : relay_slowly_ipv4(ctx);
}

/*
 * The way of frames that have a tag, and of those that get one: what came without one
 * and turns out to leave with one starts again here.
 */
__noinline int relay_tagged_ipv4(struct xdp_md *ctx)
{
	return relay(ctx, 0, ANY_TAGS);
}

__noinline int relay_tagged_ipv6(struct xdp_md *ctx)
{
	return relay(ctx, 1, ANY_TAGS);
}

__noinline int relay_tagged(struct xdp_md *ctx)
{
	__be16 family = 0;
	enum reason reason = check_tag(ctx, &family);

	if (reason != REASON_FORWARDED)
		return leave(reason, XDP_PASS);
	return family == bpf_htons(ETH_P_IP) ? relay_with_tags(ctx, 0) : relay_with_tags(ctx, 1);
}

SEC("xdp")
int turnpike(struct xdp_md *ctx)
{
	enum reason reason;
	__be16 family = family_of(ctx, &reason);

	if (family == bpf_htons(ETH_P_IP))
		return relay(ctx, 0, NO_TAGS);
	if (family == bpf_htons(ETH_P_IPV6))
		return relay(ctx, 1, NO_TAGS);
	if (tag_of(ctx))
		return relay_tagged(ctx);
	return leave(reason, XDP_PASS);
}
