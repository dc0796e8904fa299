package peers

import (
	"context"
	"net/netip"

	"turnpike.dev/turnpike/perf/lab"
)

// Coturn starts coturn with two threads, and without what it does besides TURN over
// UDP.
func Coturn(ctx context.Context, l *lab.Lab) (*Server, error) { return CoturnWith(ctx, l) }

// CoturnWith is Coturn with more arguments.
func CoturnWith(ctx context.Context, l *lab.Lab, more ...string) (*Server, error) {
	near, far := nodeAddrs(l)
	s := &Server{Name: "coturn", Listen: []netip.AddrPort{netip.AddrPortFrom(near, Port)}}
	err := s.start(l.Node, "turnserver", append([]string{
		"-n", "--log-file", "stdout", "--simple-log",
		"-L", near.String(), "-E", far.String(), "-a", "-u", User + ":" + Password, "-r", Realm,
		"--no-tls", "--no-dtls", "--no-cli", "--min-port", "20000", "--max-port", "60000", "-m", "2",
	}, more...)...)
	if err != nil {
		return nil, s.failed(err)
	}
	if err := s.answering(ctx, l.Client, s.Listen[0]); err != nil {
		return nil, s.failed(err)
	}
	return s, nil
}

// nodeAddrs are the node's IPv4 addresses towards clients and towards peers.
func nodeAddrs(l *lab.Lab) (near, far netip.Addr) {
	links := l.Node.Links
	return links[0].Prefixes[0].Addr(), links[len(links)-1].Prefixes[0].Addr()
}
