//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * The relay with somebody looking on: while relays are captured this program stands in
 * the place of the one in turnpike.bpf.c. It is that one, compiled with a look at each
 * packet before and after: the relay that nobody captures knows nothing of this, and has
 * no instruction for it.
 *
 * Before the relay a chosen frame is copied as it came; after it, what the relay made of
 * it is added, with verdict and reason, and both are handed over as one record.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "capture.h"
#include "maps.h"

/* Set before loading. */
const volatile __u32 snap_length = 96;
const volatile __u32 wake_bytes = 1 << 20; /* so much unread wakes the reader */
const volatile __u32 batch = 1;		   /* records that a CPU takes out of the bucket at once */
const volatile __u64 batch_ns = 1000000;   /* what they cost */
const volatile __u64 burst_ns = 100000000; /* what the bucket holds */

/* Set while running. Not in .bss: that is the relay's tables, and shared with it. */
#define OWN SEC(".data.capture")
__u64 until_ns OWN = 0;		  /* nothing is recorded after it; the process moves it on */
__u64 spent_ns OWN = 0;		  /* the bucket of all CPUs: theoretical arrival time */
__u8 scopes[65536] OWN = {};	  /* by local port: which keys there are */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct choice);
	__type(value, struct owner);
} chosen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} records SEC(".maps");

/* By the index of the interface; 0: one that the process did not put here. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct tally);
} tallies SEC(".maps");

/* The packet that a CPU has in the relay. */
struct progress {
	__u32 active;
	__u32 tokens; /* of the bucket */
	__u32 lost;
	__u32 since_wake;
	struct record record; /* and behind it the frames */
	__u8 frames[2 * SNAP_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct progress);
} progresses SEC(".maps");

/* Has the compiler forget what it knows of a number, and the verifier see the check behind it. */
#define bounded(n) asm volatile("" : "+r"(n))

static __always_inline struct progress *progress(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&progresses, &zero);
}

/*
 * The relay says why a packet leaves it by counting it in exits, and where it goes by a
 * redirect: those two are overheard.
 */
static __always_inline void *overheard_lookup(void *map, const void *key)
{
	struct progress *p;

	if (map == (void *)&exits) {
		p = progress();
		if (p)
			p->record.reason = *(const __u32 *)key;
	}
	return bpf_map_lookup_elem(map, key);
}

static __always_inline long overheard_redirect(void *map, __u64 key, __u64 flags)
{
	struct progress *p = progress();
	__u32 index = key, *ifindex;

	if (p && p->active) {
		ifindex = bpf_map_lookup_elem(&tx_devices, &index);
		p->record.out_ifindex = ifindex ? *ifindex : 0;
	}
	return bpf_redirect_map(map, key, flags);
}

#define bpf_map_lookup_elem overheard_lookup
#define bpf_redirect_map overheard_redirect
#define turnpike relay_packet
#include "turnpike.bpf.c"
#undef turnpike
#undef bpf_redirect_map
#undef bpf_map_lookup_elem

#define HEADERS 72 /* Ethernet with a tag, IPv6, UDP, ChannelData */

/* What is found out about a packet before anything is looked up. */
struct sight {
	struct choice key; /* without scope */
	__u8 scopes;
};

/* see_udp reads ports and channel; bytes are those of the UDP header and what is behind. */
static __always_inline int see_udp(struct sight *s, const __u8 *bytes)
{
	__builtin_memcpy(&s->key.remote_port, bytes, 2);
	__builtin_memcpy(&s->key.local_port, bytes + 2, 2);
	s->scopes = scopes[bpf_ntohs(s->key.local_port)];
	if ((bytes[8] & 0xc0) == 0x40)
		__builtin_memcpy(&s->key.channel, bytes + 8, 2);
	return s->scopes;
}

static __always_inline int see_ipv4(struct sight *s, const __u8 *head, __u32 at, struct xdp_md *ctx)
{
	__u32 length = (head[at] & 0xf) * 4;
	__u8 behind[8 + CHANNEL_HEADER] = {};
	__be32 address;

	if (head[at + 9] != IPPROTO_UDP || (head[at + 6] & 0x1f) || head[at + 7])
		return 0; /* a later fragment has no ports */
	if (length == 20) {
		if (!see_udp(s, head + at + 20))
			return 0;
	} else {
		if (bpf_xdp_load_bytes(ctx, at + length, behind, sizeof(behind)) || !see_udp(s, behind))
			return 0;
	}
	__builtin_memcpy(&address, head + at + 12, 4);
	map_ipv4(s->key.remote, address);
	__builtin_memcpy(&address, head + at + 16, 4);
	map_ipv4(s->key.local, address);
	return 1;
}

static __always_inline int see_ipv6(struct sight *s, const __u8 *head, __u32 at)
{
	if (head[at + 6] != IPPROTO_UDP || !see_udp(s, head + at + 40))
		return 0;
	__builtin_memcpy(s->key.remote, head + at + 8, 16);
	__builtin_memcpy(s->key.local, head + at + 24, 16);
	return 1;
}

static __always_inline int see_ip(struct sight *s, const __u8 *head, __u32 at, struct xdp_md *ctx)
{
	__be16 type;

	__builtin_memcpy(&type, head + at - 2, 2);
	if (type == bpf_htons(ETH_P_IP))
		return see_ipv4(s, head, at, ctx);
	if (type == bpf_htons(ETH_P_IPV6))
		return see_ipv6(s, head, at);
	return 0;
}

/*
 * see reads the headers of a frame with one VLAN tag or none. It decides nothing else
 * about it: a broken packet of a chosen relay is what somebody may be looking for.
 */
static __always_inline int see(struct sight *s, struct xdp_md *ctx, __u32 length)
{
	__u8 head[HEADERS] = {};
	__be16 type;

	if (length > HEADERS)
		length = HEADERS;
	bounded(length);
	if (length < ETH_HLEN + 28 || length > HEADERS || bpf_xdp_load_bytes(ctx, 0, head, length))
		return 0;
	__builtin_memcpy(&type, head + 12, 2);
	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD))
		return see_ip(s, head, ETH_HLEN + 4, ctx);
	return see_ip(s, head, ETH_HLEN, ctx);
}

static __always_inline struct owner *look_up(struct sight *s, __u16 scope)
{
	if (!(s->scopes & scope))
		return 0;
	s->key.scope = scope;
	return bpf_map_lookup_elem(&chosen, &s->key);
}

/* owner_of looks from the narrowest key to the widest. */
static __always_inline struct owner *owner_of(struct sight *s)
{
	struct owner *o = 0;

	if (s->key.channel)
		o = look_up(s, SCOPE_CHANNEL);
	s->key.channel = 0;
	if (!o)
		o = look_up(s, SCOPE_REMOTE);
	s->key.remote_port = 0;
	if (!o)
		o = look_up(s, SCOPE_ADDRESS);
	__builtin_memset(s->key.remote, 0, 16);
	if (!o)
		o = look_up(s, SCOPE_PORT);
	return o;
}

static __always_inline struct tally *tally_of(__u32 ifindex)
{
	struct tally *t = bpf_map_lookup_elem(&tallies, &ifindex);

	if (t)
		return t;
	ifindex = 0;
	return bpf_map_lookup_elem(&tallies, &ifindex);
}

/* may_record takes a token. CPUs take them out of the one bucket in batches. */
static __always_inline int may_record(struct progress *p, __u64 now)
{
	__u64 spent, from;

	if (p->tokens) {
		p->tokens--;
		return 1;
	}
	for (int i = 0; i < 4; i++) {
		spent = *(volatile __u64 *)&spent_ns;
		from = spent;
		if ((__s64)(now - from) > 0)
			from = now;
		if (from + batch_ns > now + burst_ns)
			return 0;
		if (__sync_val_compare_and_swap(&spent_ns, spent, from + batch_ns) == spent) {
			p->tokens = batch - 1;
			return 1;
		}
	}
	return 0; /* four other CPUs were faster: they are busy recording */
}

/* Copies at most snap_length bytes of the frame; at is where in frames. */
static __always_inline __u32 keep(struct xdp_md *ctx, struct progress *p, __u32 at, __u32 length)
{
	if (length > snap_length)
		length = snap_length;
	bounded(at);
	bounded(length);
	if (at > SNAP_MAX || length > SNAP_MAX || !length)
		return 0;
	return bpf_xdp_load_bytes(ctx, 0, p->frames + at, length) ? 0 : length;
}

/* before is what is done with a packet that comes. Global functions: each has a stack of its own. */
__noinline int before(struct xdp_md *ctx)
{
	__u32 length = bpf_xdp_get_buff_len(ctx);
	struct owner *owner;
	struct progress *p;
	struct sight s = {};
	struct tally *n;
	__u64 now;

	if (!see(&s, ctx, length))
		return 0;
	owner = owner_of(&s);
	if (!owner)
		return 0;
	now = bpf_ktime_get_ns();
	p = progress();
	n = tally_of(ctx->ingress_ifindex);
	if (!p || !n)
		return 0;
	if (now > until_ns) { /* nobody reads */
		n->ring_full++;
		p->lost++;
		return 0;
	}
	if (!may_record(p, now)) {
		n->rate_capped++;
		p->lost++;
		return 0;
	}
	p->record.relay = owner->relay;
	p->record.direction = owner->direction;
	p->record.came_ns = now;
	p->record.in_ifindex = ctx->ingress_ifindex;
	p->record.queue = ctx->rx_queue_index;
	p->record.out_ifindex = 0;
	p->record.reason = REASON_FORWARDED;
	p->record.in_length = length;
	p->record.in_kept = keep(ctx, p, 0, length);
	p->active = 1;
	return 1;
}

static __always_inline int wake(struct progress *p)
{
	if (++p->since_wake < 64 || bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) < wake_bytes)
		return BPF_RB_NO_WAKEUP;
	p->since_wake = 0;
	return BPF_RB_FORCE_WAKEUP;
}

static __always_inline void hand_over(struct progress *p)
{
	__u32 size = p->record.in_kept + p->record.out_kept;
	struct tally *n = tally_of(p->record.in_ifindex);

	bounded(size);
	if (!n || size > sizeof(p->frames))
		return;
	p->record.lost = p->lost;
	if (bpf_ringbuf_output(&records, &p->record, sizeof(p->record) + size, wake(p))) {
		n->ring_full++;
		p->lost++;
		return;
	}
	n->recorded++;
	p->lost = 0;
}

/* after is what is done with a chosen packet that leaves the relay. */
__noinline int after(struct xdp_md *ctx, int verdict)
{
	struct progress *p = progress();

	if (!p)
		return 0;
	p->active = 0;
	p->record.left_ns = bpf_ktime_get_ns();
	p->record.verdict = verdict;
	p->record.out_length = 0;
	p->record.out_kept = 0;
	if (verdict == XDP_TX)
		p->record.out_ifindex = p->record.in_ifindex;
	if (verdict == XDP_TX || verdict == XDP_REDIRECT) {
		p->record.out_length = bpf_xdp_get_buff_len(ctx);
		p->record.out_kept = keep(ctx, p, p->record.in_kept, p->record.out_length);
	}
	hand_over(p);
	return 0;
}

SEC("xdp")
int captured(struct xdp_md *ctx)
{
	int chosen = before(ctx);
	int verdict = relay_packet(ctx);

	if (chosen)
		after(ctx, verdict);
	return verdict;
}
