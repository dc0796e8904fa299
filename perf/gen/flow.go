package gen

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"turnpike.dev/turnpike/perf/lab"
)

// Link is a sender's interface.
type Link struct {
	Host *lab.Host
	Name string
}

// MaxLinks is how many links one generator sends by at most.
const MaxLinks = 16

// Flow is one stream of RTP packets as its sender puts them on the wire.
type Flow struct {
	Link           Link
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

// layout is where things lie in the frames of a flow.
type layout struct {
	udp, rtp, frame int
}

const (
	ethLen, ipv4Len, ipv6Len, udpLen = 14, 20, 40, 8

	channelLen = 4
	rtpLen     = 12
	headLen    = 8 * 12 // HEAD_WORDS
)

// headers is a layout of nothing but headers.
func headers(f Flow) layout {
	l := layout{udp: ethLen + ipv4Len}
	if f.Src.Addr().Is6() {
		l.udp = ethLen + ipv6Len
	}
	l.rtp = l.udp + udpLen
	if f.Channel != 0 {
		l.rtp += channelLen
	}
	return l
}

// frameOf returns how long the frames of a generator are: all have one length, so
// flows with shorter headers have longer packets.
func frameOf(flows []Flow, payload int) (int, error) {
	if payload < MinPayload || payload > MaxPayload {
		return 0, fmt.Errorf("payload of %d bytes: must be %d to %d", payload, MinPayload, MaxPayload)
	}
	if len(flows) == 0 || len(flows) > MaxFlows {
		return 0, fmt.Errorf("%d flows: must be 1 to %d", len(flows), MaxFlows)
	}
	longest := 0
	for _, f := range flows {
		if f.Src.Addr().Is6() != f.Dst.Addr().Is6() {
			return 0, fmt.Errorf("flow %d has two families", f.ID)
		}
		if len(f.SrcMAC) != 6 || len(f.DstMAC) != 6 {
			return 0, fmt.Errorf("flow %d has no link addresses", f.ID)
		}
		longest = max(longest, headers(f).rtp)
	}
	return longest + payload, nil
}

// template makes the part of a flow's frames that stays the same.
func template(f Flow, frameLen int, link uint32) genFlow {
	l := headers(f)
	l.frame = frameLen
	frame := make([]byte, max(frameLen, headLen))
	copy(frame, f.DstMAC)
	copy(frame[6:], f.SrcMAC)
	sum := l.network(frame, f)
	l.transport(frame, f)
	t := genFlow{Udp: uint16(l.udp), Rtp: uint16(l.rtp), Link: link}
	for i := range t.Head {
		t.Head[i] = binary.NativeEndian.Uint64(frame[8*i:])
	}
	t.Sum = sum + sum16(frame[l.udp:l.frame])
	return t
}

// network writes the Ethernet type and the IP header and returns the sum of the
// pseudo header.
func (l layout) network(frame []byte, f Flow) uint64 {
	length := uint16(l.frame - l.udp)
	src, dst := f.Src.Addr().AsSlice(), f.Dst.Addr().AsSlice()
	ip := frame[ethLen:l.udp]
	if f.Src.Addr().Is6() {
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
	udp := frame[l.udp:]
	binary.BigEndian.PutUint16(udp, f.Src.Port())
	binary.BigEndian.PutUint16(udp[2:], f.Dst.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(l.frame-l.udp))
	if f.Channel != 0 {
		binary.BigEndian.PutUint16(udp[udpLen:], f.Channel)
		binary.BigEndian.PutUint16(udp[udpLen+2:], uint16(l.frame-l.rtp))
	}
	rtp := frame[l.rtp:]
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
