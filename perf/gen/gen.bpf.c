//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Generator: turns each empty frame of a live-frames test run into the next packet
 * of the next flow and redirects it into its sender's link.
 *
 * Frames are recycled as the receiver left them, so every header of every frame is
 * written. What does not change from packet to packet of a flow comes from its
 * template; sequence number, timestamps and the UDP checksum are set here.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define HEAD_WORDS 12 /* template, in 8-byte words: covers all headers and the stamp */
#define MAX_FLOWS 65536
#define RTP_TICKS 160 /* 20 ms at 8 kHz */

/* What stays the same for all frames of one flow. */
struct flow {
	__u64 head[HEAD_WORDS]; /* first bytes of the frame, its changing fields zero */
	__u64 sum;		/* of the UDP checksum over all of it, not folded */
	__u16 udp, rtp;		/* where those headers start */
	__u32 link;		/* index into links */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_FLOWS);
	__type(key, __u32);
	__type(value, struct flow);
} flows SEC(".maps");

#define RAW_WORDS 32 /* of a frame that is sent as it is */

/* A frame that is sent as it is. All of one generator have the length of its frames. */
struct raw {
	__u64 words[RAW_WORDS];
	__u32 link;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_FLOWS);
	__type(key, __u32);
	__type(value, struct raw);
} raws SEC(".maps");

/* The senders' links, of any namespace. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 16); /* MaxLinks */
	__uint(key_size, 4);
	__uint(value_size, 4);
} links SEC(".maps");

/* Set before loading. */
const volatile __u32 flow_count = 1;
const volatile __u32 stamped; /* write the time of sending into each frame */

/* Set while running. One thread runs the program, so nothing here is atomic. */
__u64 interval_ps;   /* picoseconds from packet to packet; 0: flat out */
__u64 burst_ns;	     /* how much of a delay is made up for */
__u64 duration_ns;   /* from the first packet on; 0: no end */

__u64 sent;
__u64 skipped;	     /* frames thrown away because it was not yet time */
__u64 first_ns, last_ns;
__u64 late_ns;	     /* delay that was not made up for */
__u32 finished;	     /* the duration is over */

static __u64 next_ns, next_ps; /* when the next packet is due: nanoseconds and 1/1000 of them */
static __u32 next_flow, round;

struct rtp {
	__u8 first, type;
	__be16 sequence;
	__be32 timestamp;
	__be32 ssrc;
} __attribute__((packed));

/* After the RTP header: what the counter looks for. */
struct stamp {
	__be32 magic;
	__be32 flow;
	__u64 sent_ns;
} __attribute__((packed));

/* due says whether a packet may be sent at now, and takes its token. */
static __always_inline int due(__u64 now)
{
	if (!sent)
		next_ns = now;
	if (now < next_ns)
		return 0;
	if (now - next_ns > burst_ns) {
		late_ns += now - next_ns;
		next_ns = now;
	}
	next_ps += interval_ps;
	next_ns += next_ps / 1000;
	next_ps %= 1000;
	return 1;
}

static __always_inline int over(__u64 now)
{
	if (duration_ns && sent && now - first_ns >= duration_ns)
		finished = 1;
	return finished;
}

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline __u64 words(__u64 v)
{
	return (v & 0xffff) + (v >> 16 & 0xffff) + (v >> 32 & 0xffff) + (v >> 48);
}

/* clock reads the time where something needs it: pacing, stamps, or the end. Flat
 * out it is read for one packet in 64, as the clock costs as much as the rest.
 */
static __always_inline __u64 clock(void)
{
	if (interval_ps || stamped || !(sent & 63))
		return bpf_ktime_get_ns();
	return last_ns;
}

static __always_inline void advance(__u64 now)
{
	if (!sent)
		first_ns = now;
	last_ns = now;
	sent++;
	next_flow++;
	if (next_flow >= flow_count) {
		next_flow = 0;
		round++;
	}
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 now = clock();

	if (over(now) || (interval_ps && !due(now))) {
		skipped++;
		return XDP_DROP;
	}
	__u32 index = next_flow;
	struct flow *f = bpf_map_lookup_elem(&flows, &index);
	if (!f || data + HEAD_WORDS * 8 > end)
		return XDP_ABORTED;

	__u64 *head = data;
#pragma unroll
	for (int i = 0; i < HEAD_WORDS; i++)
		head[i] = f->head[i];

	struct rtp *rtp = data + (f->rtp & 127);
	struct stamp *stamp = (void *)(rtp + 1);
	__be16 *checksum = data + (f->udp & 127) + 6;
	if ((void *)(stamp + 1) > end || (void *)(checksum + 1) > end)
		return XDP_ABORTED;
	rtp->sequence = bpf_htons(round);
	rtp->timestamp = bpf_htonl(round * RTP_TICKS);
	__u64 sum = f->sum + rtp->sequence + rtp->timestamp;
	if (stamped) {
		stamp->sent_ns = now;
		sum += words(now);
	}
	__u16 folded = ~fold(sum);
	*checksum = folded ? folded : 0xffff; /* RFC 768: zero would say none */

	advance(now);
	return bpf_redirect_map(&links, f->link, XDP_DROP);
}

/* repeat sends frames as they are, by turns: rubbish has no sequence and no time. */
SEC("xdp")
int repeat(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 now = clock();

	if (over(now) || (interval_ps && !due(now))) {
		skipped++;
		return XDP_DROP;
	}
	__u32 index = next_flow;
	struct raw *r = bpf_map_lookup_elem(&raws, &index);
	if (!r)
		return XDP_ABORTED;
	__u64 *to = data;
	for (int i = 0; i < RAW_WORDS; i++) {
		if ((void *)(to + i + 1) > end)
			break;
		to[i] = r->words[i];
	}
	advance(now);
	return bpf_redirect_map(&links, r->link, XDP_DROP);
}

char _license[] SEC("license") = "Dual MIT/GPL";
