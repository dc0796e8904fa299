package flood

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/lab"
)

// wire is the link that a flood comes by.
type wire struct {
	link     gen.Link
	src, dst net.HardwareAddr
}

func (t Target) fromClients() wire {
	return wire{
		link: gen.Link{Host: t.Lab.Client, Name: "c0"},
		src:  t.Lab.Client.Link("c0").MAC, dst: t.Lab.Node.Link("s0").MAC,
	}
}

func (t Target) fromPeers() wire {
	return wire{
		link: gen.Link{Host: t.Lab.Peer, Name: "p0"},
		src:  t.Lab.Peer.Link("p0").MAC, dst: t.Lab.Node.Link("s1").MAC,
	}
}

func (w wire) ethernet(kind layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: w.src, DstMAC: w.dst, EthernetType: kind}
}

func ipv4(src, dst netip.Addr, protocol layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{
		Version: 4, IHL: 5, TTL: 64, Protocol: protocol,
		SrcIP: src.AsSlice(), DstIP: dst.AsSlice(),
	}
}

// udp is a frame with a UDP datagram.
func (w wire) udp(src, dst netip.AddrPort, payload []byte) (gen.Raw, error) {
	ip := ipv4(src.Addr(), dst.Addr(), layers.IPProtocolUDP)
	u := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
	if err := u.SetNetworkLayerForChecksum(ip); err != nil {
		return gen.Raw{}, err
	}
	return w.frame(w.ethernet(layers.EthernetTypeIPv4), ip, u, gopacket.Payload(payload))
}

func (w wire) frame(parts ...gopacket.SerializableLayer) (gen.Raw, error) {
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, parts...); err != nil {
		return gen.Raw{}, fmt.Errorf("write a frame: %w", err)
	}
	return gen.Raw{Link: w.link, Bytes: buf.Bytes()}, nil
}

// many makes n frames.
func many(n int, one func(i int) (gen.Raw, error)) ([]gen.Raw, error) {
	frames := make([]gen.Raw, 0, n)
	for i := range n {
		f, err := one(i)
		if err != nil {
			return nil, err
		}
		frames = append(frames, f)
	}
	return frames, nil
}

// forgeries is how many sources a flood of forged ones has.
const forgeries = 16384

// Forged is the network that forged sources are of. The node needs a route to it by the
// client, as an edge has one to everywhere.
var Forged = netip.MustParsePrefix("10.0.0.0/8")

// forged is the i-th source: they differ in many bits, as forged ones do.
func forged(i int) netip.AddrPort {
	h := uint32(i+1) * 2654435761
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(h >> 24), byte(h >> 16), byte(h >> 8)}), 1024+uint16(h>>4&0x7fff))
}

// RouteForged gives the node its route to forged sources.
func RouteForged(l *lab.Lab) error { return routeBy(l.Node, "s0", Forged, l.ClientAddrs.V4[0]) }
