package gen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Flow is one stream of RTP packets as its sender puts them on the wire.
type Flow struct {
	SrcMAC, DstMAC net.HardwareAddr
	Src, Dst       netip.AddrPort
	Channel        uint16 // TURN channel number; 0: the RTP packet is the UDP payload
	ID             uint32 // comes back from the counter; also in the SSRC
}

// Magic marks a generated packet: big endian, right after the RTP header, and
// before the flow's ID and the time of sending (CLOCK_MONOTONIC, host order).
const Magic = 0x54504b45 // "TPKE"

// MinPayload and MaxPayload bound the RTP packet, header included.
const (
	MinPayload = 64
	MaxPayload = 1200
)

// layout is where things lie in each frame of a generator.
type layout struct {
	v6      bool
	channel bool
	payload int
}

const (
	ethLen, ipv4Len, ipv6Len, udpLen = 14, 20, 40, 8

	channelLen = 4
	rtpLen     = 12
	headLen    = 8 * 12 // HEAD_WORDS
)

func (l layout) udp() int {
	if l.v6 {
		return ethLen + ipv6Len
	}
	return ethLen + ipv4Len
}

func (l layout) rtp() int {
	if l.channel {
		return l.udp() + udpLen + channelLen
	}
	return l.udp() + udpLen
}

func (l layout) frame() int { return l.rtp() + l.payload }

// layoutOf returns what all flows have in common: frames of one run have one length.
func layoutOf(flows []Flow, payload int) (layout, error) {
	if payload < MinPayload || payload > MaxPayload {
		return layout{}, fmt.Errorf("payload of %d bytes: must be %d to %d", payload, MinPayload, MaxPayload)
	}
	if len(flows) == 0 || len(flows) > MaxFlows {
		return layout{}, fmt.Errorf("%d flows: must be 1 to %d", len(flows), MaxFlows)
	}
	first := layout{v6: flows[0].Src.Addr().Is6(), channel: flows[0].Channel != 0, payload: payload}
	for _, f := range flows {
		if f.Src.Addr().Is6() != first.v6 || f.Dst.Addr().Is6() != first.v6 || (f.Channel != 0) != first.channel {
			return layout{}, errors.New("flows of one generator must share the family, and all or none have a channel")
		}
		if len(f.SrcMAC) != 6 || len(f.DstMAC) != 6 {
			return layout{}, fmt.Errorf("flow %d has no link addresses", f.ID)
		}
	}
	return first, nil
}

// template makes the part of a flow's frames that stays the same.
func (l layout) template(f Flow) genFlow {
	frame := make([]byte, max(l.frame(), headLen))
	copy(frame, f.DstMAC)
	copy(frame[6:], f.SrcMAC)
	sum := l.network(frame, f)
	l.transport(frame, f)
	var t genFlow
	for i := range t.Head {
		t.Head[i] = binary.NativeEndian.Uint64(frame[8*i:])
	}
	t.Sum = sum + sum16(frame[l.udp():l.frame()])
	return t
}

// network writes the Ethernet type and the IP header and returns the sum of the
// pseudo header.
func (l layout) network(frame []byte, f Flow) uint64 {
	length := uint16(l.frame() - l.udp())
	src, dst := f.Src.Addr().AsSlice(), f.Dst.Addr().AsSlice()
	ip := frame[ethLen:l.udp()]
	if l.v6 {
		binary.BigEndian.PutUint16(frame[12:], 0x86dd)
		ip[0] = 6 << 4
		binary.BigEndian.PutUint16(ip[4:], length)
		ip[6], ip[7] = 17, 64
		copy(ip[8:], src)
		copy(ip[24:], dst)
	} else {
		binary.BigEndian.PutUint16(frame[12:], 0x0800)
		ip[0] = 4<<4 | 5
		binary.BigEndian.PutUint16(ip[2:], ipv4Len+length)
		ip[6] = 0x40 // DF
		ip[8], ip[9] = 64, 17
		copy(ip[12:], src)
		copy(ip[16:], dst)
		binary.NativeEndian.PutUint16(ip[10:], ^fold(sum16(ip)))
	}
	return sum16(src) + sum16(dst) + sum16([]byte{0, 17, byte(length >> 8), byte(length)})
}

// transport writes UDP header, channel header, RTP header and stamp.
func (l layout) transport(frame []byte, f Flow) {
	udp := frame[l.udp():]
	binary.BigEndian.PutUint16(udp, f.Src.Port())
	binary.BigEndian.PutUint16(udp[2:], f.Dst.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(l.frame()-l.udp()))
	if l.channel {
		binary.BigEndian.PutUint16(udp[udpLen:], f.Channel)
		binary.BigEndian.PutUint16(udp[udpLen+2:], uint16(l.payload))
	}
	rtp := frame[l.rtp():]
	rtp[0], rtp[1] = 2<<6, 0 // version 2, PCMU
	binary.BigEndian.PutUint32(rtp[8:], f.ID+1)
	binary.BigEndian.PutUint32(rtp[rtpLen:], Magic)
	binary.BigEndian.PutUint32(rtp[rtpLen+4:], f.ID)
}

// sum16 is the sum of 16-bit words in host order, as the program adds them.
func sum16(b []byte) (sum uint64) {
	for ; len(b) > 1; b = b[2:] {
		sum += uint64(binary.NativeEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint64(binary.NativeEndian.Uint16([]byte{b[0], 0}))
	}
	return sum
}

func fold(sum uint64) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
