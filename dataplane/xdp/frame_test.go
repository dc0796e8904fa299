package xdp

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// datagram says what frame to build: what goes in, and what is expected to come out.
type datagram struct {
	macs     [12]byte // destination, source
	src, dst netip.AddrPort
	tos, ttl uint8
	df       bool   // IPv4
	id       uint16 // IPv4
	label    uint32 // IPv6: flow label
	channel  uint16 // 0: payload is not ChannelData
	payload  []byte
	padding  int    // zero bytes behind the ChannelData message
	trailer  []byte // behind the IP packet
	tags     []vlan // in front of the Ethernet type
	noCheck  bool   // no UDP checksum
}

// vlan is a VLAN tag.
type vlan struct{ typ, tci uint16 }

// defaultMACs are those of frames that come in.
var defaultMACs = [12]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}

func (d datagram) frame(t testing.TB) []byte {
	t.Helper()
	if len(d.tags) > 0 {
		untagged := d
		untagged.tags = nil
		return tagged(untagged.frame(t), d.tags...)
	}
	udp := &layers.UDP{SrcPort: layers.UDPPort(d.src.Port()), DstPort: layers.UDPPort(d.dst.Port())}
	eth := &layers.Ethernet{DstMAC: d.macs[:6], SrcMAC: d.macs[6:]}
	ip := d.ip(eth)
	if err := udp.SetNetworkLayerForChecksum(ip.(gopacket.NetworkLayer)); err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, eth, ip, udp, gopacket.Payload(d.message())); err != nil {
		t.Fatal(err)
	}
	// Without gopacket's filling up to 60 bytes.
	frame := buf.Bytes()[:d.udpAt()+8+len(d.message())]
	check := frame[d.udpAt()+6 : d.udpAt()+8]
	switch {
	case d.noCheck:
		clear(check)
	case check[0]|check[1] == 0: // gopacket does not know RFC 768's twin of zero
		check[0], check[1] = 0xff, 0xff
	}
	return append(frame, d.trailer...)
}

// tagged puts tags into a frame.
func tagged(frame []byte, tags ...vlan) []byte {
	whole := append([]byte{}, frame[:12]...)
	for _, tag := range tags {
		whole = binary.BigEndian.AppendUint16(whole, tag.typ)
		whole = binary.BigEndian.AppendUint16(whole, tag.tci)
	}
	return append(whole, frame[12:]...)
}

func (d datagram) ip(eth *layers.Ethernet) gopacket.SerializableLayer {
	if d.dst.Addr().Is6() {
		eth.EthernetType = layers.EthernetTypeIPv6
		return &layers.IPv6{
			Version: 6, TrafficClass: d.tos, FlowLabel: d.label, HopLimit: d.ttl, NextHeader: layers.IPProtocolUDP,
			SrcIP: d.src.Addr().AsSlice(), DstIP: d.dst.Addr().AsSlice(),
		}
	}
	eth.EthernetType = layers.EthernetTypeIPv4
	ip := &layers.IPv4{
		Version: 4, TOS: d.tos, TTL: d.ttl, Id: d.id, Protocol: layers.IPProtocolUDP,
		SrcIP: d.src.Addr().AsSlice(), DstIP: d.dst.Addr().AsSlice(),
	}
	if d.df {
		ip.Flags = layers.IPv4DontFragment
	}
	return ip
}

// message is the UDP payload.
func (d datagram) message() []byte {
	if d.channel == 0 {
		return d.payload
	}
	m := binary.BigEndian.AppendUint16(nil, d.channel)
	m = binary.BigEndian.AppendUint16(m, uint16(len(d.payload)))
	m = append(m, d.payload...)
	return append(m, make([]byte, d.padding)...)
}

// udpAt is where the UDP header stands in the frame.
func (d datagram) udpAt() int {
	link := 14 + 4*len(d.tags)
	if d.dst.Addr().Is6() {
		return link + 40
	}
	return link + 20
}

// payloadAt is where the payload stands, behind a ChannelData header.
func (d datagram) payloadAt() int {
	if d.channel != 0 {
		return d.udpAt() + 8 + 4
	}
	return d.udpAt() + 8
}

// tuned returns d with the last two bytes of an even payload such that the UDP
// checksum comes to want (0xffff means that the sum comes to zero).
func (d datagram) tuned(t testing.TB, want uint16) datagram {
	t.Helper()
	d.payload = append([]byte(nil), d.payload...)
	last := d.payload[len(d.payload)-2:]
	clear(last)
	was := binary.BigEndian.Uint16(d.frame(t)[d.udpAt()+6:])
	sum := uint32(was) + uint32(^want)
	binary.BigEndian.PutUint16(last, uint16(sum%0xffff))
	if got := binary.BigEndian.Uint16(d.frame(t)[d.udpAt()+6:]); got != want {
		t.Fatalf("tuning the checksum gave %#x, want %#x", got, want)
	}
	return d
}
