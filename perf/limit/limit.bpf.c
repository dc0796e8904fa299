//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* The bare limit: what a two-leg XDP redirect costs when the program does nothing
 * else. No relay on the same links can be faster.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

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

char _license[] SEC("license") = "Dual MIT/GPL";
