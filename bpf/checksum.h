/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Internet checksums (RFC 1071), changed by what changed (RFC 1624). */
#pragma once

#include <linux/types.h>

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A UDP checksum of zero means none, so a sum that comes to zero is sent as its twin. */
static __always_inline __be16 udp_checksum(__u32 sum)
{
	__u16 check = ~fold(sum);

	return check ? check : 0xffff;
}
