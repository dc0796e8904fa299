package xdp

import (
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// leavings are the ways out of the program, in the order of the enum.
var leavings = []leaving{
	{reason: bpf.ReasonForwarded, name: "stripped", frame: of(u4, nil), set: with(up(4, 4), nil)},
	{reason: bpf.ReasonForwarded, name: "added", frame: of(d6, nil), set: with(down(6, 6), nil), s1: true},

	{reason: bpf.ReasonNotIP, name: "ARP", frame: raw(0x0806, make([]byte, 46)...)},
	{reason: bpf.ReasonNotIP, name: "ARP in a VLAN", frame: raw(0x8100, 0, 7, 0x08, 0x06, 0, 1)},
	{reason: bpf.ReasonNotIP, name: "802.3 length", frame: raw(46, make([]byte, 46)...)},

	{reason: bpf.ReasonTwoTags, name: "802.1ad and 802.1Q", frame: raw(0x88a8, 0, 7, 0x81, 0x00, 0, 8, 0x08, 0x00)},
	{reason: bpf.ReasonTwoTags, name: "of a flow", frame: of(in(u4, vlan{0x8100, 0}, vlan{0x8100, 0}), nil), set: with(up(4, 4), nil)},
	{reason: bpf.ReasonUnknownVLAN, name: "of a flow", frame: of(in(u4, vlan{0x8100, 7}), nil), set: with(up(4, 4), nil)},
	{reason: bpf.ReasonForwarded, name: "priority", frame: of(in(u4, vlan{0x8100, 0xa000}), nil), set: with(up(4, 4), nil)},

	{reason: bpf.ReasonNotIP, name: "nothing behind a tag", frame: raw(0x8100, 0, 7)},
	{reason: bpf.ReasonShortFrame, name: "no IPv4 header in a VLAN", frame: raw(0x8100, 0, 0, 0x08, 0x00)},
	{reason: bpf.ReasonShortFrame, name: "no IPv4 header", frame: raw(0x0800)},
	{reason: bpf.ReasonShortFrame, name: "no IPv6 header", frame: raw(0x86dd, make([]byte, 39)...)},
	{reason: bpf.ReasonShortFrame, name: "part of IPv4 header", frame: raw(0x0800, d4Bytes(19)...)},
	{reason: bpf.ReasonShortFrame, name: "no UDP header", frame: short(d4, 20, 0)},
	{reason: bpf.ReasonShortFrame, name: "part of UDP header", frame: short(d4, 20, 7)},
	{reason: bpf.ReasonShortFrame, name: "part of UDP header behind IPv6", frame: short(d6, 40, 7)},

	{reason: bpf.ReasonIPOptions, name: "6 words", frame: of(d4, put8(eth, 0x46))},
	{reason: bpf.ReasonIPOptions, name: "4 words", frame: of(d4, put8(eth, 0x44))},
	{reason: bpf.ReasonIPOptions, name: "version 6 in an IPv4 frame", frame: of(d4, put8(eth, 0x65))},

	{reason: bpf.ReasonIPFragment, name: "first", frame: of(d4, put16(eth+6, 0x2000))},
	{reason: bpf.ReasonIPFragment, name: "last", frame: of(d4, put16(eth+6, 1))},
	{reason: bpf.ReasonIPFragment, name: "IPv6", frame: of(d6, put8(eth+6, 44))},

	{reason: bpf.ReasonIPExtension, name: "hop by hop", frame: of(d6, put8(eth+6, 0))},
	{reason: bpf.ReasonIPExtension, name: "routing", frame: of(d6, put8(eth+6, 43))},
	{reason: bpf.ReasonIPExtension, name: "destination", frame: of(d6, put8(eth+6, 60))},
	{reason: bpf.ReasonIPExtension, name: "authentication", frame: of(d6, put8(eth+6, 51))},
	{reason: bpf.ReasonIPExtension, name: "mobility", frame: of(d6, put8(eth+6, 135))},
	{reason: bpf.ReasonIPExtension, name: "HIP", frame: of(d6, put8(eth+6, 139))},

	{reason: bpf.ReasonIPLength, name: "longer than the frame", frame: of(d4, put16(eth+2, 20+8+21))},
	{reason: bpf.ReasonIPLength, name: "shorter than the header", frame: of(d4, put16(eth+2, 19))},
	{reason: bpf.ReasonIPLength, name: "IPv6 longer than the frame", frame: of(d6, put16(eth+4, 8+21))},
	{reason: bpf.ReasonIPLength, name: "version 4 in an IPv6 frame", frame: of(d6, put8(eth, 0x45))},

	{reason: bpf.ReasonNotUDP, name: "TCP", frame: of(d4, put8(eth+9, 6))},
	{reason: bpf.ReasonNotUDP, name: "ICMP", frame: of(d4, put8(eth+9, 1))},
	{reason: bpf.ReasonNotUDP, name: "ICMPv6", frame: of(d6, put8(eth+6, 58))},

	{reason: bpf.ReasonUDPLength, name: "shorter than a header", frame: of(d4, put16(udp4+4, 7))},
	{reason: bpf.ReasonUDPLength, name: "zero", frame: of(d4, put16(udp4+4, 0))},
	{reason: bpf.ReasonUDPLength, name: "longer than IP says", frame: of(d4, put16(udp4+4, 29))},
	{reason: bpf.ReasonUDPLength, name: "shorter than IP says", frame: of(d4, put16(udp4+4, 27))},
	{reason: bpf.ReasonUDPLength, name: "jumbogram's zero", frame: of(d6, put16(udp6+4, 0))},

	{reason: bpf.ReasonUDPChecksum, name: "none over IPv6", frame: of(d6, put16(udp6+6, 0)), set: with(down(6, 6), nil), s1: true},

	{reason: bpf.ReasonMappedAddress, name: "source", frame: of(d6, mapped(8))},
	{reason: bpf.ReasonMappedAddress, name: "destination", frame: of(d6, mapped(24))},

	{reason: bpf.ReasonNotOurs, name: "port", frame: of(d4.to("198.18.1.1:24001"), nil), s1: true},
	{reason: bpf.ReasonNotOurs, name: "address", frame: of(d4.to("198.18.1.77:24000"), nil), s1: true},
	{reason: bpf.ReasonNotOurs, name: "broadcast", frame: of(d4.to("198.18.1.255:24000"), nil), s1: true},
	{reason: bpf.ReasonNotOurs, name: "IPv6 address", frame: of(d6.to("[fd00:0:0:2::77]:24000"), nil), s1: true},
	{reason: bpf.ReasonNotOurs, name: "an address without owner", frame: of(d4.to("198.18.1.77:24000"), nil), set: age(2 * time.Second), s1: true},

	{reason: bpf.ReasonControl, name: "STUN", frame: of(stun, nil)},
	{reason: bpf.ReasonControl, name: "channel that nobody bound", frame: of(u4, nil)},
	{reason: bpf.ReasonControl, name: "channel of another number", frame: of(channelled(u4, 0x4002), nil), set: with(up(4, 4), nil)},
	{reason: bpf.ReasonControl, name: "channel of another client", frame: of(u4.from("198.18.0.3:40000"), nil), set: with(up(4, 4), nil)},
	{reason: bpf.ReasonControl, name: "channel of another port", frame: of(u4.from("198.18.0.2:40001"), nil), set: with(up(4, 4), nil)},
	{reason: bpf.ReasonControl, name: "channel of another IPv6 client", frame: of(u6.from("[fd00:0:0:1::3]:40000"), nil), set: with(up(6, 6), nil)},

	{reason: bpf.ReasonNoFlow, name: "permitted", frame: of(d4, nil), set: permit(relay4, peer4, time.Now().Add(time.Hour)), s1: true},
	{reason: bpf.ReasonNoFlow, name: "permitted, another port", frame: of(d4.from("198.18.1.2:6001"), nil), set: both(permit(relay4, peer4, time.Now().Add(time.Hour)), with(down(4, 4), nil)), s1: true},
	{reason: bpf.ReasonNoFlow, name: "permitted IPv6", frame: of(d6, nil), set: permit(relay6, peer6, time.Now().Add(time.Hour)), s1: true},
	{reason: bpf.ReasonNoFlow, name: "learning", frame: of(d4.to("198.18.1.1:24002"), nil), set: open(addr("198.18.1.1:24002"), relay.PortLearning), s1: true},

	{reason: bpf.ReasonLeaseExpired, name: "channel", frame: of(u4, nil), set: with(up(4, 4), endLease)},
	{reason: bpf.ReasonLeaseExpired, name: "permitted peer", frame: of(d4, nil), set: both(permit(relay4, peer4, time.Now().Add(time.Hour)), with(down(4, 4), endLease)), s1: true},

	{reason: bpf.ReasonOwnerGone, name: "listener", frame: of(stun, nil), set: age(31 * time.Second)},
	{reason: bpf.ReasonOwnerGone, name: "relay", frame: of(d4, nil), set: age(31 * time.Second), s1: true},

	{reason: bpf.ReasonFlowChanging, name: "slot is dead", frame: of(u4, nil), set: with(up(4, 4), kill)},
	{reason: bpf.ReasonFlowChanging, name: "slot is dead, IPv6", frame: of(d6, nil), set: with(down(6, 4), kill), s1: true},

	{reason: bpf.ReasonChannelLength, name: "longer than the datagram", frame: of(u4, put16(udp4+8+2, 21)), set: with(up(4, 4), nil)},
	{reason: bpf.ReasonChannelLength, name: "longest", frame: of(u4, put16(udp4+8+2, 0xffff)), set: with(up(4, 4), nil)},
	{reason: bpf.ReasonChannelLength, name: "no room for a header", frame: of(stunOf(3), put8(udp4+8, 0x40))},

	{reason: bpf.ReasonChannelPadding, name: "4 bytes", frame: of(padded(u4, 4), nil), set: with(up(4, 4), nil)},
	{reason: bpf.ReasonChannelPadding, name: "first byte", frame: of(padded(u4, 3), put8(udp4+8+4+20, 1)), set: with(up(4, 4), nil)},
	{reason: bpf.ReasonChannelPadding, name: "last byte", frame: of(padded(u4, 3), put8(udp4+8+4+22, 1)), set: with(up(4, 4), nil)},

	{reason: bpf.ReasonNoHeadroom, name: "for a channel header", frame: of(d4, nil), set: with(down(4, 4), nil), s1: true, meta: 216},
	{reason: bpf.ReasonNoHeadroom, name: "for IPv6", frame: of(u4, nil), set: with(up(4, 6), nil), meta: 216},

	{reason: bpf.ReasonTooBig, name: "a channel header", frame: of(bigger(down(4, 4), 1469), nil), set: with(down(4, 4), nil), s1: true},
	{reason: bpf.ReasonTooBig, name: "IPv6", frame: of(bigger(up(4, 6), 1453), nil), set: with(up(4, 6), nil)},

	{reason: bpf.ReasonNoNeighbour, name: "nobody there", frame: of(d4, nil), set: withUnknownHop, s1: true},

	{reason: bpf.ReasonStranger, name: "no permission", frame: of(d4, nil), s1: true},
	{reason: bpf.ReasonStranger, name: "no permission, IPv6", frame: of(d6, nil), s1: true},
	{reason: bpf.ReasonStranger, name: "permission has ended", frame: of(d4, nil), set: permit(relay4, peer4, ended), s1: true},
	{reason: bpf.ReasonStranger, name: "permission of another relay", frame: of(d4, nil), set: permit(addr("198.18.1.1:24001"), peer4, time.Now().Add(time.Hour)), s1: true},
	{reason: bpf.ReasonStranger, name: "flow of another peer", frame: of(d4.from("198.18.1.3:6000"), nil), set: with(down(4, 4), nil), s1: true},
	{reason: bpf.ReasonStranger, name: "flow has ended with its permission", frame: of(d4, nil), set: with(down(4, 4), endLease), s1: true},

	{reason: bpf.ReasonOwnerDown, name: "listener", frame: of(stun, nil), set: age(2 * time.Second)},
	{reason: bpf.ReasonOwnerDown, name: "permitted peer", frame: of(d4, nil), set: both(permit(relay4, peer4, time.Now().Add(time.Hour)), age(29*time.Second)), s1: true},
	{reason: bpf.ReasonOwnerDown, name: "flow has ended", frame: of(u4, nil), set: both(with(up(4, 4), endLease), age(29*time.Second))},
	// The sockets go with the process, before its heartbeat is stale.
	{reason: bpf.ReasonOwnerDown, name: "no socket", frame: of(d4.to("198.18.1.1:24004"), nil), set: closed(addr("198.18.1.1:24004"), relay.PortLearning), s1: true},
	{reason: bpf.ReasonOwnerDown, name: "no socket, IPv6", frame: of(d6.to("[fd00:0:0:2::1]:24004"), nil), set: closed(addr("[fd00:0:0:2::1]:24004"), relay.PortLearning), s1: true},
	{reason: bpf.ReasonOwnerDown, name: "no socket on a listener", frame: of(stun.to("198.18.0.1:3479"), nil), set: closed(addr("198.18.0.1:3479"), relay.PortListener)},
	// What only the process could send on would meet a closed port.
	{reason: bpf.ReasonOwnerDown, name: "flow is changing", frame: of(u4, nil), set: both(with(up(4, 4), kill), age(2*time.Second))},
	{reason: bpf.ReasonOwnerDown, name: "bad ChannelData", frame: of(u4, put16(udp4+8+2, 21)), set: age(2 * time.Second)},
	{reason: bpf.ReasonOwnerDown, name: "too big", frame: of(bigger(down(4, 4), 1469), nil), set: both(with(down(4, 4), nil), age(2*time.Second)), s1: true},
	{reason: bpf.ReasonOwnerDown, name: "no next hop", frame: of(d4, nil), set: both(withUnknownHop, age(2*time.Second)), s1: true},
	{reason: bpf.ReasonOwnerDown, name: "no headroom", frame: of(d4, nil), set: both(with(down(4, 4), nil), age(2*time.Second)), s1: true, meta: 216},

	{reason: bpf.ReasonNotTurn, name: "empty", frame: of(stunOf(0), nil)},
	{reason: bpf.ReasonNotTurn, name: "short", frame: of(stunOf(19), nil)},
	{reason: bpf.ReasonNotTurn, name: "no cookie", frame: of(stun, put8(udp4+8+4, 0x22))},
	{reason: bpf.ReasonNotTurn, name: "another length", frame: of(stun, put16(udp4+8+2, 4))},
	{reason: bpf.ReasonNotTurn, name: "media", frame: of(stun, put8(udp4+8, 0x80))},
	{reason: bpf.ReasonNotTurn, name: "IPv6", frame: of(channelled(u6, 0), nil)},

	{reason: bpf.ReasonCrowd, name: "more than a source's share", frame: of(stun, nil), set: crowded(true)},
	{reason: bpf.ReasonCrowd, name: "a channel without a flow", frame: of(u4, nil), set: crowded(true)},
	{reason: bpf.ReasonCrowd, name: "IPv6", frame: of(u6, nil), set: crowded(true)},
	{reason: bpf.ReasonControl, name: "a source's share", frame: of(stun, nil), set: crowded(false)},
	{reason: bpf.ReasonForwarded, name: "a flow in a crowd", frame: of(u4, nil), set: both(with(up(4, 4), nil), crowded(true))},

	// ME-02: RTCP on RTP's port, where the other end has it on another.
	{reason: bpf.ReasonControl, name: "RTCP of a flow that leaves it", frame: of(saying(d4, rtcp), nil), set: with(split(4), nil), s1: true},
	{reason: bpf.ReasonControl, name: "RTCP over IPv6 of a flow that leaves it", frame: of(saying(d6, rtcp), nil), set: with(split(6), nil), s1: true},
	{reason: bpf.ReasonForwarded, name: "RTCP of a flow that takes it", frame: of(saying(d4, rtcp), nil), set: with(down(4, 4), nil), s1: true},
	{reason: bpf.ReasonForwarded, name: "RTP of a flow that leaves RTCP", frame: of(saying(d4, rtpPayload(1, 1, 1, 4)), nil), set: with(split(4), nil), s1: true},
	{reason: bpf.ReasonForwarded, name: "one byte in a flow that leaves RTCP", frame: of(saying(d4, []byte{0x80}), nil), set: with(split(4), nil), s1: true},
	{reason: bpf.ReasonOwnerDown, name: "RTCP of a flow that leaves it", frame: of(saying(d4, rtcp), nil), set: both(with(split(4), nil), age(2*time.Second)), s1: true},

	{reason: bpf.ReasonPoliced, name: "over the rate", frame: of(bigger(policed(8), 900), nil), set: with(policed(8), use(900)), s1: true},
	{reason: bpf.ReasonOverGrant, name: "over the call's rate", frame: of(bigger(policed(8), 900), nil), set: inGroup(8, 900), s1: true},

	{reason: bpf.ReasonHopLimit, name: "1", frame: of(hops(u4, 1), nil), set: with(up(4, 4), nil)},
	{reason: bpf.ReasonHopLimit, name: "0", frame: of(hops(u4, 0), nil), set: with(up(4, 4), nil)},
	{reason: bpf.ReasonHopLimit, name: "IPv6", frame: of(hops(u6, 1), nil), set: with(up(6, 4), nil)},

	{reason: bpf.ReasonNoDevice, name: "interface is gone", frame: of(u4, nil), set: with(up(4, 4), loseDevice)},

	// A flow goes on while its lease lasts, with or without a process.
	{reason: bpf.ReasonForwarded, name: "without owner", frame: of(u4, nil), set: both(with(up(4, 4), nil), age(29*time.Second))},
	{reason: bpf.ReasonForwarded, name: "without owner for longer than a lease", frame: of(u4, nil), set: both(with(up(4, 4), nil), age(31*time.Second))},
}

// rtcp is an empty receiver report (RFC 3550 section 6.4.2).
var rtcp = []byte{0x80, 201, 0, 1, 0, 0, 0, 7}

// split is a flow that leaves RTCP to the process.
func split(family int) relay.Flow {
	f := down(family, family)
	f.SplitRTCP = true
	return f
}

// saying is a datagram with another payload.
func saying(d datagram, payload []byte) datagram {
	d.payload = payload
	return d
}
