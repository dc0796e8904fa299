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

#define LEASE_SHIFT 24 /* a slot's lease is in steps of 2^24 ns, 17 ms */

/* Hints: sets of two, 8 bytes each. A hint is a slot's index, and bits to check it by. */
#define HINT_SET_BITS 15
#define HINT_WAYS 2
#define HINT_INDEX_BITS 17

#define MAX_FLOWS 65536
#define SLOTS (2 * MAX_FLOWS) /* two for each flow, MAX_FLOWS apart */
#define MAX_HOPS 65536
#define RTP_SOURCES 3
#define MAX_BUCKETS 65536
#define MAX_SETS 65536
#define SET_SIZE 16 /* buckets that a flow takes from */

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
	SPLIT_RTCP = 1 << 4, /* RTCP is the process's */
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
 * A flow as the program uses it: one cache line, and slot6 behind the same index where
 * IPv6 is concerned. A live slot does not change, except for lease, tat and rtp_mult: a
 * change is written to the flow's other slot, and the look-ups are then pointed at that
 * one. A slot that is not live has tag.rest 0, which no packet has.
 */
struct slot {
	struct flow_tag tag;
	__u64 tat;	 /* policer: theoretical arrival time (GCRA) */
	__u32 lease;	 /* until when; see LEASE_SHIFT */
	__u32 byte_cost; /* policer: nanoseconds a byte, times 1024; 0: none */
	__u32 depth;	 /* policer: how far ahead of time tat may be, in 1024 ns */
	__u32 rtp_mult;	 /* RTP clock: units in 1024 ns, times 2^22; 0: unknown */
	__be32 src4;
	__be32 dst4;
	__be16 sport;
	__be16 dport;
	__be16 channel; /* to add */
	__u8 flags;
	__s8 growth;	 /* of the headers */
	__u16 udp_delta; /* what all but the payload's length changes in the UDP checksum */
	__u16 ip_base;	 /* the IPv4 header checksum's constant part */
	__u16 hop;	 /* index in hops */
	__u16 set;	 /* index in sets: the buckets that it shares; 0: none */
};

/* The rest of a flow that has IPv6 on either side. */
struct slot6 {
	__u8 local[16]; /* of the packets it takes */
	__u8 remote[16];
	__u8 src[16]; /* of the packets it sends */
	__u8 dst[16];
	__be32 flow_label; /* version, traffic class 0 and flow label (RFC 6437) */
	__u32 pad;
};

/*
 * Where flows go next. One that is not usable is not read further. The one word says so
 * and names the VLAN, so that packets without tags ask for nothing more.
 */
struct hop {
	__u8 macs[12]; /* destination, source */
	__u32 ifindex; /* where XDP_TX may send back what came by it; 0: nowhere */
	__u16 mtu; /* from the IP header on */
	__u16 tx;  /* index in tx_devices */
	__u32 usable; /* HOP_UNUSABLE, HOP_UNTAGGED, or the VLAN tag as on the wire */
};

#define HOP_UNUSABLE 0
#define HOP_UNTAGGED 1 /* no tag: one has its type in the lower half */

/* Interfaces on which a VLAN's number may be the node's: see struct tables. */
#define VLAN_WAYS 4
#define VLAN_8021AD 1u /* beside the interface's index, which stands one bit higher */

/*
 * A bucket that flows share: a call's direction, or a pipe's. The process's relay takes
 * from it too. One cache line, which a CPU touches once a batch.
 */
struct bucket {
	__u64 tat;	 /* theoretical arrival time (GCRA), as in a slot */
	__u32 byte_cost; /* as in a slot; 0: it limits nothing */
	__u32 depth;
	__u32 batch;	/* bytes that a CPU takes beyond what it needs */
	__u32 pad;
	__u64 name;	/* a hash, for the next process; 0: not in use */
	__u64 pad2[4];
};

/* What a CPU has of a bucket, and what it counted there: one cache line. */
struct share {
	__u64 credit; /* bytes that are taken from the bucket and not yet used */
	__u64 packets;
	__u64 bytes;
	__u64 policed;
	__u64 policed_bytes;
	__u64 pad[3];
};

/* The buckets that a flow takes from, up to the first 0. It does not change while in use. */
struct bucket_set {
	__u16 buckets[SET_SIZE];
};

/* One synchronisation source as one CPU saw it (RFC 3550 A.1, A.3, A.8). */
struct rtp_source {
	__u32 ssrc;
	__u32 timestamp; /* of the last packet that was timed */
	__u32 arrival;	 /* its, in 1024 ns */
	__u32 jitter;    /* RTP units, times 16 */
	__u32 received;
	__u32 lost_before; /* before the last restart of the sequence */
	__u16 base_seq;
	__u16 max_seq;
	__u16 cycles;
	__u16 bad_seq;
};

/* A flow's counters on one CPU: one cache line, with the source that came first. */
struct flow_stats {
	__u64 packets;
	__u64 bytes; /* UDP payload without ChannelData header */
	__u64 last_seen;
	__u64 policed;
	struct rtp_source rtp;
};

/* The flow's further sources, behind the same index. */
struct more_sources {
	struct rtp_source rtp[RTP_SOURCES - 1];
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

/*
 * What the process writes in place, through its own mapping. A global variable, because
 * that is reached without a map look-up.
 */
struct tables {
	__u64 heartbeat; /* when the process last said that it lives */
	__u64 retired;	 /* packets that flows which are gone forwarded */
	__u64 pad[6];	 /* a slot is one cache line */
	__u64 hints[1 << HINT_SET_BITS]; /* HINT_WAYS hints of 32 bits each */
	__u8 ports[65536];	     /* enum port_kind, whatever the local address */
	struct hop hops[MAX_HOPS];   /* the first is never usable */
	struct slot slots[SLOTS];
	struct slot6 slots6[SLOTS];
	__u32 vlans[4096][VLAN_WAYS]; /* by VLAN: where the node is in it; 0: nowhere more */
	struct bucket buckets[MAX_BUCKETS];   /* the first is none */
	struct bucket_set sets[MAX_SETS];     /* the first is none */
};

/* Keeps the enums in the object's type information, where Go takes them from. */
volatile const enum slot_flags emit_slot_flags = 0;
volatile const enum port_kind emit_port_kind = 0;
