//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Counter: takes the generator's packets off the receiver's link and counts them.
 * Everything else passes. A packet is known by its stamp and not by its addresses,
 * as what is measured rewrites them, or not (the bare limit).
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define MAX_FLOWS 65536
#define MAGIC 0x54504b45
#define BUCKETS 640 /* of latency: 16 for each power of two of nanoseconds */

/* Per flow; a flow arrives on one CPU at a time. */
struct flow {
	__u64 packets;
	__u32 next;	/* expected sequence number */
	__u32 reordered;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_FLOWS);
	__type(key, __u32);
	__type(value, struct flow);
} flows SEC(".maps");

struct total {
	__u64 packets, bytes, other;
	__u64 first_ns, last_ns; /* only when timed */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct total);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BUCKETS);
	__type(key, __u32);
	__type(value, __u64);
} latency SEC(".maps");

/* Set before loading: measure the time each packet took. */
const volatile __u32 timed;

struct rtp {
	__u8 first, type;
	__be16 sequence;
	__be32 timestamp, ssrc;
	__be32 magic, flow;
	__u64 sent_ns;
} __attribute__((packed));

/* udp_payload returns where the UDP payload starts, or 0. */
static __always_inline void *udp_payload(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct udphdr *udp;

	if ((void *)(eth + 1) > end)
		return 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);
		if ((void *)(ip + 1) > end || ip->protocol != IPPROTO_UDP || ip->ihl != 5)
			return 0;
		udp = (void *)(ip + 1);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(eth + 1);
		if ((void *)(ip + 1) > end || ip->nexthdr != IPPROTO_UDP)
			return 0;
		udp = (void *)(ip + 1);
	} else {
		return 0;
	}
	return (void *)(udp + 1) < end ? udp + 1 : 0;
}

/* rtp_of returns the generator's packet in a frame, or 0. */
static __always_inline struct rtp *rtp_of(void *data, void *end)
{
	void *payload = udp_payload(data, end);

	if (!payload || payload + 1 > end)
		return 0;
	if ((*(__u8 *)payload & 0xc0) == 0x40) /* ChannelData: RFC 8656 section 12.4 */
		payload += 4;
	struct rtp *rtp = payload;
	if ((void *)(rtp + 1) > end || rtp->magic != bpf_htonl(MAGIC))
		return 0;
	return rtp;
}

/* bucket_of is the first of 16 buckets for each power of two, exact below 16. */
static __always_inline __u32 bucket_of(__u64 ns)
{
	__u32 power = 0;

	if (ns >> 32)
		ns = 0xffffffff;
#pragma unroll
	for (int step = 16; step > 0; step >>= 1)
		if (ns >> (power + step))
			power += step;
	if (power < 4)
		return ns;
	return (power - 3) * 16 + (ns >> (power - 4) & 15);
}

static __always_inline void clock_in(struct total *t, struct rtp *rtp)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 took = now - rtp->sent_ns;

	if (!t->first_ns)
		t->first_ns = now;
	t->last_ns = now;
	__u32 bucket = bucket_of(took);
	__u64 *n = bpf_map_lookup_elem(&latency, &bucket);
	if (n)
		(*n)++;
}

static __always_inline void follow(struct rtp *rtp)
{
	__u32 index = bpf_ntohl(rtp->flow);
	struct flow *f = bpf_map_lookup_elem(&flows, &index);
	if (!f)
		return;
	__u16 sequence = bpf_ntohs(rtp->sequence);
	if (f->packets && (__s16)(sequence - (__u16)f->next) < 0)
		f->reordered++;
	else
		f->next = (__u16)(sequence + 1);
	f->packets++;
}

SEC("xdp")
int count(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 zero = 0;
	struct total *t = bpf_map_lookup_elem(&totals, &zero);

	if (!t)
		return XDP_ABORTED;
	struct rtp *rtp = rtp_of(data, end);
	if (!rtp) {
		t->other++;
		return XDP_PASS;
	}
	t->packets++;
	t->bytes += end - data;
	follow(rtp);
	if (timed)
		clock_in(t, rtp);
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
