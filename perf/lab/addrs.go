package lab

import "net/netip"

// Each network is a /24 and a /64. The node has host number 1.
const (
	maxAddrs   = 100
	nodeHost   = 1
	clientHost = 2
	peerHost   = 2
	// peerHostShared is the first peer's where client and peer share a network.
	peerHostShared = 130
)

// Addrs are the addresses of one role.
type Addrs struct {
	V4, V6 []netip.Addr
}

// all returns the addresses with the prefix lengths of their networks.
func (a Addrs) all() []netip.Prefix {
	var ps []netip.Prefix
	for _, v4 := range a.V4 {
		ps = append(ps, netip.PrefixFrom(v4, 24))
	}
	for _, v6 := range a.V6 {
		ps = append(ps, netip.PrefixFrom(v6, 64))
	}
	return ps
}

// addrs returns n addresses of a network from a host number on. IPv6 addresses
// show the host number in decimal digits: fd00:0:0:1::130.
func addrs(network uint8, host, n int) Addrs {
	var a Addrs
	for h := host; h < host+n; h++ {
		a.V4 = append(a.V4, netip.AddrFrom4([4]byte{198, 18, network, byte(h)}))
		a.V6 = append(a.V6, netip.AddrFrom16([16]byte{
			0: 0xfd, 7: network + 1,
			14: byte(h / 100), 15: byte(h/10%10<<4 | h%10),
		}))
	}
	return a
}
