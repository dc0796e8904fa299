//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * The relay: check everything, find the flow, lease and policer, next hop, and only
 * then change the packet. What it does not like it leaves untouched for the process,
 * which relays by the same table; each way out has one reason (reasons.txt).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "flow.h"
#include "layout.h"
#include "maps.h"
#include "parse.h"
#include "policer.h"
#include "reasons.h"
#include "rewrite.h"
#include "stats.h"
#include "strangers.h"

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

/* left_over is for what only the process can do something about. */
static __noinline int left_over(enum reason reason, __u64 now)
{
	if (owner_is_down(now))
		reason = REASON_OWNER_DOWN;
	return leave(reason, verdict_of(reason));
}

/* The UDP checksum to send; none stays none, except that IPv6 must have one. */
static __always_inline __be16 check_to_send(struct xdp_md *ctx, const struct packet *p,
					    const struct slot *s)
{
	__u32 offset;

	if (p->udp_check)
		return new_check(p, s);
	if (!(s->flags & OUT_IPV6))
		return 0;
	offset = p->payload - (const void *)(long)ctx->data;
	return full_check(p, s, new_udp_len(p, s), payload_sum(ctx, offset, p->payload_len));
}

/* What is forwarded is counted with the flow only; the process adds it up. */
static __always_inline int send(struct xdp_md *ctx, const struct slot *s)
{
	if (s->ifindex == ctx->ingress_ifindex)
		return XDP_TX;
	return bpf_redirect_map(&tx_devices, s->tx, XDP_DROP);
}

/* forward relays a packet of a live flow. */
static __always_inline int forward(struct xdp_md *ctx, const struct packet *p, struct slot *s,
				   __u64 now)
{
	struct flow_stats *st = stats_of(s);
	const struct rtp_header *rtp;
	__u32 media = p->payload_len;
	__be16 check;
	int verdict;

	if (!st)
		return left_over(REASON_FLOW_CHANGING, now);
	if (p->hop_limit <= 1)
		return leave(REASON_HOP_LIMIT, XDP_DROP);
	if (header_length(s->flags & OUT_IPV6) + new_udp_len(p, s) > s->mtu)
		return left_over(REASON_TOO_BIG, now);
	if (s->flags & NO_NEIGHBOUR)
		return left_over(REASON_NO_NEIGHBOUR, now);
	rtp = as_rtp(p, (void *)(long)ctx->data_end);
	if (rtp)
		media -= RTP_HEADER;
	if (!conforms(s, media, now)) {
		st->policed++;
		return leave(REASON_POLICED, XDP_DROP);
	}
	check = check_to_send(ctx, p, s);
	if (rtp)
		count_rtp(st, rtp, now, s->rtp_mult);
	if (s->growth && bpf_xdp_adjust_head(ctx, -s->growth))
		return left_over(REASON_NO_HEADROOM, now);
	if (rewrite(ctx, p, s, check))
		return XDP_ABORTED;
	verdict = send(ctx, s);
	if (verdict == XDP_DROP)
		return leave(REASON_NO_DEVICE, verdict);
	count(st, p->payload_len, now);
	return verdict;
}

/* malformed is for ChannelData that came to a listening port, if that is ours at this address. */
static __always_inline int malformed(const struct packet *p, enum reason reason)
{
	struct flow_key key;

	key_of(p, &key);
	if (!bpf_map_lookup_elem(&locals, key.local))
		return leave(reason, XDP_PASS);
	return left_over(reason, bpf_ktime_get_ns());
}

/* without_hint takes what no hint led to a flow for. */
static __always_inline int without_hint(struct xdp_md *ctx, const struct packet *p, __u8 kind)
{
	struct flow_key key;
	enum reason reason;
	int changing = 0;
	struct slot *s;
	__u64 now;

	key_of(p, &key);
	s = hashed(p, &key, &changing);
	now = bpf_ktime_get_ns();
	if (s && now < s->lease)
		return forward(ctx, p, s, now);
	if (changing)
		return left_over(REASON_FLOW_CHANGING, now);
	reason = without_flow(&key, kind, now);
	if (s && verdict_of(reason) == XDP_PASS)
		reason = REASON_LEASE_EXPIRED;
	return leave(reason, verdict_of(reason));
}

SEC("xdp")
int turnpike(struct xdp_md *ctx)
{
	struct packet p;
	enum reason reason;
	struct slot *s;
	__u64 now;
	__u8 kind;

	reason = parse(ctx, &p);
	if (reason != REASON_FORWARDED)
		return leave(reason, XDP_PASS);
	kind = port_kind(&p);
	if (kind == PORT_NONE)
		return leave(REASON_NOT_OURS, XDP_PASS);
	if (kind == PORT_LISTENER && is_channel(&p, (void *)(long)ctx->data_end)) {
		reason = parse_channel(&p, (void *)(long)ctx->data_end);
		if (reason != REASON_FORWARDED)
			return malformed(&p, reason);
	}
	s = hinted(&p);
	if (s) {
		now = bpf_ktime_get_ns();
		if (now < s->lease)
			return forward(ctx, &p, s, now);
	}
	return without_hint(ctx, &p, kind);
}
