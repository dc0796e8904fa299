package turn

import (
	"net/netip"

	"turnpike.dev/turnpike/dataplane/relay"
)

var (
	loopbackPeer = netip.MustParseAddrPort("127.0.0.1:5000")
	relayedPeer  = netip.MustParseAddrPort("198.51.100.77:5000")
	metaNone     = relay.Meta{}
)

func only4(c *Config) { c.RelayAddrs = c.RelayAddrs[:1] }
func only6(c *Config) { c.RelayAddrs = c.RelayAddrs[1:] }

func withPort(a netip.AddrPort, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), port)
}
