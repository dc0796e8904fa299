/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What the capture's programs and the process share. Addresses, ports and channel
 * numbers are in network order, IPv4 addresses stand as ::ffff:a.b.c.d; times are
 * CLOCK_MONOTONIC nanoseconds.
 */
#pragma once

#include <linux/types.h>

#define SNAP_MAX 9216 /* of a frame; more than any that XDP takes in one piece */

/* Which packets a key is for. A port's byte in scopes tells which there are. */
enum scope {
	SCOPE_CHANNEL = 1 << 0, /* ChannelData with this number from this address and port */
	SCOPE_REMOTE = 1 << 1,  /* everything from this address and port */
	SCOPE_ADDRESS = 1 << 2, /* everything from this address; remote_port is 0 */
	SCOPE_PORT = 1 << 3,	/* everything to this port; remote and its port are 0 */
};

struct choice {
	__u8 local[16];
	__u8 remote[16];
	__be16 local_port;
	__be16 remote_port;
	__be16 channel;
	__u16 scope;
};

/* Whose a packet is. */
struct owner {
	__u64 relay;
	__u32 direction;
	__u32 pad;
};

/* One packet: behind it stand the bytes kept of the frame that came and of that sent. */
struct record {
	__u64 relay;
	__u64 came_ns;
	__u64 left_ns;
	__u32 lost; /* packets before this one that were not recorded, on this CPU */
	__u32 direction;
	__u32 in_ifindex;
	__u32 out_ifindex; /* 0: nothing was sent, or it is not known where */
	__u32 in_length;
	__u32 out_length;
	__u32 in_kept;
	__u32 out_kept; /* 0: nothing was sent */
	__u32 queue;
	__u16 verdict;
	__u16 reason;
};

/* What became of the chosen packets of an interface, by CPU. */
struct tally {
	__u64 recorded;
	__u64 ring_full;
	__u64 rate_capped;
};

/* Keeps the enum in the object's type information, where Go takes it from. */
volatile const enum scope emit_scope = 0;
