/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What the program and the process share. Addresses, ports and channel numbers are
 * in network order on both sides; IPv4 addresses stand as ::ffff:a.b.c.d. Times are
 * CLOCK_MONOTONIC nanoseconds. A change here is a change of SCHEMA in ../dataplane/xdp.
 */
#pragma once

#include <linux/types.h>

#define LEASE_NS (30 * 1000000000ULL) /* how long the kernel goes on alone */
#define OWNER_STALE_NS 1000000000ULL  /* a heartbeat older than this: no process */

#define HINT_BITS 17 /* log2 of the hints: about two for each of 65536 flows */
#define RTP_SOURCES 3

/* What a flow matches. */
struct flow_key {
	__u8 local[16];
	__u8 remote[16];
	__be16 local_port;
	__be16 remote_port;
	__be16 channel; /* 0: the payload is not ChannelData */
	__u16 zero;
};

enum slot_flags {
	IN_IPV6 = 1 << 0,
	OUT_IPV6 = 1 << 1,
	STRIP_CHANNEL = 1 << 2,
	ADD_CHANNEL = 1 << 3,
	NO_NEIGHBOUR = 1 << 4, /* the next hop is not known, or XDP cannot send to it */
};

/*
 * A packet's key, shortened. IPv4: the addresses as they stand in the header. IPv6: the
 * four halves of the addresses, exclusive-or'ed, so equal tags still need the addresses
 * compared. rest: source port, destination port, channel, and SLOT_IPV4 or SLOT_IPV6.
 */
struct flow_tag {
	__u64 addresses;
	__u64 rest;
};

#define SLOT_IPV4 1ULL
#define SLOT_IPV6 2ULL
#define TAG_CHANNEL_SHIFT 32
#define TAG_FAMILY_SHIFT 48

/*
 * A flow as the program uses it. A live slot does not change, except for lease, tat
 * and rtp_mult: a change is written to the flow's other slot, and the look-ups are
 * then pointed at that one. A slot that is not live has tag.rest 0, which no packet
 * has. IPv4 touches the first two cache lines only.
 */
struct slot {
	struct flow_tag tag;
	__u64 lease;
	__u64 tat;	 /* policer: theoretical arrival time (GCRA) */
	__u64 depth;	 /* policer: how far ahead of time tat may be */
	__u32 byte_cost; /* policer: nanoseconds a byte, times 1024; 0: none */
	__u32 stats;	 /* index of the flow's counters on CPU 0 */
	__u32 rtp_mult;	 /* RTP clock: units in 1024 ns, times 2^22; 0: unknown */
	__u16 udp_delta; /* what all but the payload's length changes in the UDP checksum */
	__u16 ip_base;	 /* the IPv4 header checksum's constant part */
	__u16 mtu;	 /* of the next hop, from the IP header on */
	__u16 tx;	 /* index in tx_devices */
	__u32 ifindex;

	__u8 macs[12]; /* destination, source */
	__be32 src4;
	__be32 dst4;
	__be16 sport;
	__be16 dport;
	__be16 channel; /* to add */
	__u8 flags;
	__s8 growth;	   /* of the headers */
	__be32 flow_label; /* IPv6: version, traffic class 0 and flow label (RFC 6437) */
	__u8 src6[16];
	__u8 dst6[16];

	struct flow_key key;
	__u8 pad[24];
};

/* One synchronisation source as one CPU saw it (RFC 3550 A.1, A.3, A.8). */
struct rtp_source {
	__u32 ssrc;
	__u32 timestamp; /* of the last packet */
	__u32 arrival;   /* of the last packet, in 1024 ns */
	__u32 jitter;    /* RTP units, times 16 */
	__u32 received;
	__u32 lost_before; /* before the last restart of the sequence */
	__u16 base_seq;
	__u16 max_seq;
	__u16 cycles;
	__u16 bad_seq;
};

/* A flow's counters on one CPU: two cache lines. */
struct flow_stats {
	__u64 packets;
	__u64 bytes; /* UDP payload without ChannelData header */
	__u64 last_seen;
	__u64 policed;
	struct rtp_source rtp[RTP_SOURCES];
};

enum port_kind {
	PORT_NONE,
	PORT_LISTENER, /* anything may come without a flow */
	PORT_RELAY,    /* only permitted peers may */
	PORT_LEARNING, /* anything may, while a leg learns its remote address */
};

/* Who may send to a relay port without a flow. The value is a time: until when. */
struct permission_key {
	__u8 local[16];
	__u8 peer[16];
	__be16 local_port;
	__u16 zero[3];
};

/* Written by the process ten times a second. */
struct owner {
	__u64 heartbeat;
};

/* Keeps the enums in the object's type information, where Go takes them from. */
volatile const enum slot_flags emit_slot_flags = 0;
volatile const enum port_kind emit_port_kind = 0;
