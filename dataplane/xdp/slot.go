package xdp

import (
	"encoding/binary"
	"net/netip"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

const (
	minDepth   = time.Second
	maxDepth   = time.Hour
	nsPerSec   = 1_000_000_000
	costShift  = 10 // byte_cost is nanoseconds times 1024
	ipv6Header = 6 << 28

	channelHeader = 4
)

// swap16 turns a number into network order, as the program keeps it.
func swap16(n uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], n)
	return binary.NativeEndian.Uint16(b[:])
}

func swap32(n uint32) uint32 {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return binary.NativeEndian.Uint32(b[:])
}

func encodeKey(k relay.Key) bpf.RelayFlowKey {
	return bpf.RelayFlowKey{
		Local:      k.Local.Addr().As16(),
		Remote:     k.Remote.Addr().As16(),
		LocalPort:  swap16(k.Local.Port()),
		RemotePort: swap16(k.Remote.Port()),
		Channel:    swap16(k.Channel),
	}
}

// encodeFlow fills in what the program does with the flow's packets, next hop aside.
func encodeFlow(f relay.Flow) (bpf.RelaySlot, bpf.RelaySlot6) {
	key := encodeKey(f.Key)
	s6 := bpf.RelaySlot6{
		Local: key.Local, Remote: key.Remote,
		Src: f.Out.Src.Addr().As16(), Dst: f.Out.Dst.Addr().As16(),
		FlowLabel: swap32(ipv6Header | flowLabel(f.Out)),
	}
	s := bpf.RelaySlot{
		Tag:      tagOf(&key, f.Key.Local.Addr().Is6()),
		Sport:    swap16(f.Out.Src.Port()),
		Dport:    swap16(f.Out.Dst.Port()),
		Channel:  swap16(f.Out.Channel),
		Src4:     binary.NativeEndian.Uint32(s6.Src[12:]),
		Dst4:     binary.NativeEndian.Uint32(s6.Dst[12:]),
		UdpDelta: udpDelta(f),
		IpBase:   ipBase(f.Out),
		RtpMult:  rtpMult(f.ClockHz),
	}
	s.Flags, s.Growth = flagsOf(f)
	s.ByteCost, s.Depth = policer(f)
	return s, s6
}

// leaseShift is LEASE_SHIFT in bpf/layout.h: a slot's lease is in steps of 17 ms.
const leaseShift = 24

// encodeLease keeps a lease within what the program can compare with now: a year or so
// before and after.
func encodeLease(t time.Time) uint32 {
	const most = 1 << 30
	now := int64(monotonic() >> leaseShift)
	steps := int64(toMonotonic(t)>>leaseShift) - now
	return uint32(now + min(max(steps, -most), most))
}

// flagsOf says what is done to the headers, and by how much they grow.
func flagsOf(f relay.Flow) (flags uint8, growth int8) {
	const ipv6Longer = 20
	if f.Key.Local.Addr().Is6() {
		flags |= uint8(bpf.RelaySlotFlagsIN_IPV6)
		growth -= ipv6Longer
	}
	if f.Out.Dst.Addr().Is6() {
		flags |= uint8(bpf.RelaySlotFlagsOUT_IPV6)
		growth += ipv6Longer
	}
	if f.Key.Channel != 0 {
		flags |= uint8(bpf.RelaySlotFlagsSTRIP_CHANNEL)
		growth -= channelHeader
	}
	if f.Out.Channel != 0 {
		flags |= uint8(bpf.RelaySlotFlagsADD_CHANNEL)
		growth += channelHeader
	}
	if f.SplitRTCP {
		flags |= uint8(bpf.RelaySlotFlagsSPLIT_RTCP)
	}
	return flags, growth
}

// policer gives the cost of a byte in nanoseconds times 1024, and the depth in 1024 ns.
func policer(f relay.Flow) (cost, depth uint32) {
	if f.RateKbps == 0 {
		return 0, 0
	}
	return byteCost(f.RateKbps), encodeDepth(f.Depth)
}

// byteCost is the nearest cost to a rate.
func byteCost(kbps uint32) uint32 {
	rate := uint64(kbps)
	perByte := (uint64(8*nsPerSec/1000)<<costShift + rate/2) / rate
	return uint32(min(perByte, 1<<32-1))
}

func encodeDepth(d time.Duration) uint32 {
	return uint32((min(max(d, minDepth), maxDepth) + 1<<10 - 1) >> 10)
}

// rtpMult is RTP clock units in 1024 ns, times 2^22.
func rtpMult(hz uint32) uint32 {
	return uint32(uint64(hz) << 32 / nsPerSec)
}

// udpDelta is what the flow always changes in the UDP checksum: addresses and ports of
// the pseudo header and the header, the channel numbers, and the two UDP lengths as far
// as a channel header makes them longer or shorter.
func udpDelta(f relay.Flow) uint16 {
	was := sumAddrs(f.Key.Remote, f.Key.Local) + uint32(swap16(f.Key.Channel))
	is := sumAddrs(f.Out.Src, f.Out.Dst) + uint32(swap16(f.Out.Channel))
	if f.Key.Channel != 0 {
		was += 2 * uint32(swap16(channelHeader))
	}
	if f.Out.Channel != 0 {
		is += 2 * uint32(swap16(channelHeader))
	}
	return fold(uint32(^fold(was)) + is)
}

// ipBase is the constant part of the IPv4 header's checksum: version and header
// length, protocol, addresses.
func ipBase(o relay.Out) uint16 {
	if o.Dst.Addr().Is6() {
		return 0
	}
	const versionIHL, protocolUDP = 0x4500, 17
	return fold(sumAddr(o.Src.Addr()) + sumAddr(o.Dst.Addr()) +
		uint32(swap16(versionIHL)) + uint32(swap16(protocolUDP)))
}

func sumAddrs(a, b netip.AddrPort) uint32 {
	return sumAddr(a.Addr()) + sumAddr(b.Addr()) + uint32(swap16(a.Port())) + uint32(swap16(b.Port()))
}

func sumAddr(a netip.Addr) uint32 {
	var sum uint32
	b := a.AsSlice()
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.NativeEndian.Uint16(b[i:]))
	}
	return sum
}

func fold(sum uint32) uint16 {
	sum = sum&0xffff + sum>>16
	sum = sum&0xffff + sum>>16
	return uint16(sum)
}

// flowLabel makes a label from the 5-tuple, as RFC 8656 section 14 and RFC 6437 want.
func flowLabel(o relay.Out) uint32 {
	h := uint32(2166136261)
	mix := func(b []byte) {
		for _, c := range b {
			h = (h ^ uint32(c)) * 16777619
		}
	}
	src, _ := o.Src.MarshalBinary()
	dst, _ := o.Dst.MarshalBinary()
	mix(src)
	mix(dst)
	return (h ^ h>>20) & 0xfffff
}
