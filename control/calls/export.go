package calls

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"

	"turnpike.dev/turnpike/dataplane/capture/pcapng"
)

// Ends of the Ethernet that a capture is shown on. Both are locally administered.
var (
	nodeMAC   = []byte{2, 0, 0, 0, 0, 1}
	remoteMAC = []byte{2, 0, 0, 0, 0, 2}
)

const (
	etherV4, etherV6 = 0x0800, 0x86dd
	protocolUDP      = 17
	hopLimit         = 64
	// maxUDP is what fits into a datagram over IPv4.
	maxUDP = 65507
)

// WritePCAP writes the messages of a ladder as a capture file that Wireshark reads. Each
// is one datagram, also those that came over TCP or TLS: what was decrypted or put
// together has no packets of its own any more. A comment says what it came by.
func WritePCAP(w io.Writer, l Ladder, application string) error {
	pw, err := pcapng.NewWriter(w, pcapng.Section{
		Application: application,
		Comment:     fmt.Sprintf("messages of call %s; headers below SIP are made up", l.Call.Serial),
	})
	if err != nil {
		return err
	}
	number, err := pw.AddInterface(pcapng.Interface{Name: "signalling", Description: "messages of one call"})
	if err != nil {
		return err
	}
	for _, m := range l.Messages {
		frame := frameOf(m)
		p := pcapng.Packet{Interface: number, Time: m.At, Length: len(frame), Data: frame, Direction: pcapng.Inbound, Plain: true}
		if m.Sent {
			p.Direction = pcapng.Outbound
		}
		p.Comment = []byte("over " + m.Transport)
		if m.Cut > 0 {
			p.Comment = fmt.Appendf(p.Comment, ", %d bytes more", m.Cut)
		}
		if err := pw.WritePacket(&p); err != nil {
			return err
		}
	}
	return nil
}

// frameOf puts a message into a datagram with the addresses that it went between.
func frameOf(m Message) []byte {
	src, dst, from, to := m.Remote, m.Local, remoteMAC, nodeMAC
	if m.Sent {
		src, dst, from, to = dst, src, to, from
	}
	data := m.Data[:min(len(m.Data), maxUDP)]
	frame := append(append(make([]byte, 0, 14+40+8+len(data)), to...), from...)
	a, b := src.Addr().Unmap(), dst.Addr().Unmap()
	if a.Is4() && b.Is4() {
		frame = binary.BigEndian.AppendUint16(frame, etherV4)
		frame = appendIPv4(frame, a, b, 8+len(data))
	} else {
		a, b = in6(a), in6(b)
		frame = binary.BigEndian.AppendUint16(frame, etherV6)
		frame = appendIPv6(frame, a, b, 8+len(data))
	}
	return appendUDP(frame, netip.AddrPortFrom(a, src.Port()), netip.AddrPortFrom(b, dst.Port()), data)
}

// in6 returns an address as IPv6 has it; one that is not known is the unspecified one.
func in6(a netip.Addr) netip.Addr {
	if !a.IsValid() {
		return netip.IPv6Unspecified()
	}
	return netip.AddrFrom16(a.As16())
}

// appendIPv4 appends a header (RFC 791 section 3.1).
func appendIPv4(b []byte, src, dst netip.Addr, length int) []byte {
	at := len(b)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(20+length))
	b = append(b, 0, 0, 0x40, 0, hopLimit, protocolUDP, 0, 0) // don't fragment
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	binary.BigEndian.PutUint16(b[at+10:], ^fold(sum(0, b[at:])))
	return b
}

// appendIPv6 appends a header (RFC 8200 section 3).
func appendIPv6(b []byte, src, dst netip.Addr, length int) []byte {
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, protocolUDP, hopLimit)
	return append(append(b, src.AsSlice()...), dst.AsSlice()...)
}

// appendUDP appends a datagram with its checksum (RFC 768, RFC 8200 section 8.1).
func appendUDP(b []byte, src, dst netip.AddrPort, data []byte) []byte {
	at, length := len(b), uint16(8+len(data))
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint16(b, length)
	b = append(b, 0, 0)
	b = append(b, data...)
	s := sum(uint32(protocolUDP)+uint32(length), src.Addr().AsSlice())
	s = sum(sum(s, dst.Addr().AsSlice()), b[at:])
	check := ^fold(s)
	if check == 0 {
		check = 0xffff // 0 means that there is none
	}
	binary.BigEndian.PutUint16(b[at+6:], check)
	return b
}

// sum adds 16-bit words (RFC 1071).
func sum(s uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
