package labtest

import (
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
)

// Ports of FreePort: below those that the system gives to whoever asks for any (32768 on),
// and apart from what nodes relay at.
const (
	firstPort = 10_000
	portCount = 10_000
)

// nextPort is where this process looks next. Processes begin in different places, as
// several packages are tested at a time.
var nextPort atomic.Uint32

func init() { nextPort.Store(uint32(os.Getpid()) * 97) }

// FreePort returns an address of a local host whose port is free for UDP and TCP. No port
// comes twice before all others have.
func FreePort(t testing.TB, host string) netip.AddrPort {
	t.Helper()
	addr := netip.MustParseAddr(host)
	for range portCount {
		at := netip.AddrPortFrom(addr, uint16(firstPort+nextPort.Add(1)%portCount))
		if free(at) {
			return at
		}
	}
	t.Fatalf("no port of %s is free", host)
	return netip.AddrPort{}
}

func free(at netip.AddrPort) bool {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return false
	}
	defer func() { _ = l.Close() }()
	p, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return false
	}
	_ = p.Close()
	return true
}
