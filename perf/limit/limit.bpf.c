//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* The bare limit: what a two-leg XDP redirect costs when the program does nothing
 * else. No relay on the same links can be faster.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define MAGIC 0x54504b45 /* of generated packets, behind the RTP header */
#define RTP_HEADER 12

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4);
} out SEC(".maps");

/* Set before loading. */
const volatile __u32 out_index;

SEC("xdp")
int by_redirect(struct xdp_md *ctx)
{
	return bpf_redirect(out_index, 0);
}

SEC("xdp")
int by_devmap(struct xdp_md *ctx)
{
	return bpf_redirect_map(&out, 0, XDP_ABORTED);
}

/* generated tells whether an IPv4 UDP payload bears the generator's mark. */
static __always_inline int generated(const __u8 *payload, const void *end)
{
	if (payload + 4 + RTP_HEADER + 4 > (const __u8 *)end)
		return 0;
	if ((*payload & 0xc0) == 0x40) /* ChannelData */
		payload += 4;
	return *(const __u32 *)(payload + RTP_HEADER) == bpf_htonl(MAGIC);
}

/*
 * A node without a relay: media is redirected, every other UDP packet dropped, and the
 * system has the rest. What is lost here is the generators' doing.
 */
SEC("xdp")
int by_sieve(struct xdp_md *ctx)
{
	const void *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = (void *)(long)ctx->data;
	const struct iphdr *ip = (const void *)(eth + 1);
	const struct udphdr *udp = (const void *)(ip + 1);

	if ((const void *)(udp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) ||
	    ip->protocol != IPPROTO_UDP)
		return XDP_PASS;
	return generated((const __u8 *)(udp + 1), end) ? bpf_redirect(out_index, 0) : XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
