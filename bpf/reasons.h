/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Code generated from reasons.txt. DO NOT EDIT. */
#pragma once

enum reason {
	REASON_FORWARDED, /* forward */
	REASON_NOT_IP, /* pass */
	REASON_SHORT_FRAME, /* pass */
	REASON_IP_OPTIONS, /* pass */
	REASON_IP_FRAGMENT, /* pass */
	REASON_IP_EXTENSION, /* pass */
	REASON_IP_LENGTH, /* pass */
	REASON_NOT_UDP, /* pass */
	REASON_UDP_LENGTH, /* pass */
	REASON_UDP_CHECKSUM, /* pass */
	REASON_MAPPED_ADDRESS, /* pass */
	REASON_NOT_OURS, /* pass */
	REASON_CONTROL, /* pass */
	REASON_NO_FLOW, /* pass */
	REASON_LEASE_EXPIRED, /* pass */
	REASON_OWNER_GONE, /* pass */
	REASON_FLOW_CHANGING, /* pass */
	REASON_CHANNEL_LENGTH, /* pass */
	REASON_CHANNEL_PADDING, /* pass */
	REASON_NO_HEADROOM, /* pass */
	REASON_TOO_BIG, /* pass */
	REASON_NO_NEIGHBOUR, /* pass */
	REASON_STRANGER, /* drop */
	REASON_OWNER_DOWN, /* drop */
	REASON_POLICED, /* drop */
	REASON_HOP_LIMIT, /* drop */
	REASON_NO_DEVICE, /* drop */
	REASON_SEND_FAILED, /* drop */
	REASON_TWO_TAGS, /* pass */
	REASON_UNKNOWN_VLAN, /* pass */
	REASON_NOT_TURN, /* drop */
	REASON_CROWD, /* drop */
	REASON_OVER_GRANT, /* drop */
	REASON_COUNT,
};
