package flood

import (
	"net"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"turnpike.dev/turnpike/perf/gen"
)

// fragments are first fragments to the server's port: each waits in the system for the
// rest.
func fragments(t Target) ([]gen.Raw, error) {
	w := t.fromClients()
	return many(forgeries, func(i int) (gen.Raw, error) {
		from := forged(i)
		ip := ipv4(from.Addr(), t.Server.Addr(), layers.IPProtocolUDP)
		ip.Id, ip.Flags = uint16(i), layers.IPv4MoreFragments
		u := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(t.Server.Port())}
		if err := u.SetNetworkLayerForChecksum(ip); err != nil {
			return gen.Raw{}, err
		}
		return w.frame(w.ethernet(layers.EthernetTypeIPv4), ip, u, gopacket.Payload(make([]byte, 64)))
	})
}

func tagged(t Target) ([]gen.Raw, error) {
	w := t.fromClients()
	return many(4096, func(i int) (gen.Raw, error) {
		from := forged(i)
		ip := ipv4(from.Addr(), t.Server.Addr(), layers.IPProtocolUDP)
		u := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(t.Server.Port())}
		if err := u.SetNetworkLayerForChecksum(ip); err != nil {
			return gen.Raw{}, err
		}
		tag := &layers.Dot1Q{VLANIdentifier: uint16(1 + i%4094), Type: layers.EthernetTypeIPv4}
		return w.frame(w.ethernet(layers.EthernetTypeDot1Q), tag, ip, u, gopacket.Payload(media(i)))
	})
}

func echoes(t Target) ([]gen.Raw, error) {
	w := t.fromClients()
	return many(1024, func(i int) (gen.Raw, error) {
		echo := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), Id: uint16(i), Seq: 1}
		return w.frame(w.ethernet(layers.EthernetTypeIPv4), ipv4(t.Attackers[0], t.Server.Addr(), layers.IPProtocolICMPv4),
			echo, gopacket.Payload(make([]byte, 32)))
	})
}

// arps change the link addresses of a hundred neighbours that are nobody's.
func arps(t Target) ([]gen.Raw, error) {
	w := t.fromClients()
	return many(4096, func(i int) (gen.Raw, error) {
		mac := net.HardwareAddr{2, 0xaa, 0, 0, byte(i >> 8), byte(i)}
		sender := netip.AddrFrom4([4]byte{198, 18, 0, byte(150 + i%100)})
		eth := &layers.Ethernet{SrcMAC: mac, DstMAC: net.HardwareAddr{255, 255, 255, 255, 255, 255}, EthernetType: layers.EthernetTypeARP}
		return w.frame(eth, &layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
			Operation: layers.ARPRequest, SourceHwAddress: mac, SourceProtAddress: sender.AsSlice(),
			DstHwAddress: make([]byte, 6), DstProtAddress: t.Server.Addr().AsSlice(),
		})
	})
}

func syns(t Target) ([]gen.Raw, error) {
	w := t.fromClients()
	return many(forgeries, func(i int) (gen.Raw, error) {
		from := forged(i)
		ip := ipv4(from.Addr(), t.Server.Addr(), layers.IPProtocolTCP)
		tcp := &layers.TCP{
			SrcPort: layers.TCPPort(from.Port()), DstPort: layers.TCPPort(t.Server.Port()),
			Seq: uint32(i) << 8, SYN: true, Window: 64240,
		}
		if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
			return gen.Raw{}, err
		}
		return w.frame(w.ethernet(layers.EthernetTypeIPv4), ip, tcp)
	})
}
