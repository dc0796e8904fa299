package peers

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"turnpike.dev/turnpike/perf/lab"
)

// SIPOptions make a node do what Kamailio and rtpengine do.
type SIPOptions struct {
	// Accounts are u0, u1, ... of Domain, all with Password.
	Accounts int
	// Registrations is how many there may be; 0: as many as the platform has.
	Registrations int
	// TLS listens with a certificate that the node makes for itself.
	TLS bool
	// More is further YAML, a section a line.
	More string
}

// Account is the name of an account.
func Account(i int) string { return fmt.Sprintf("u%d", i) }

// yaml are the sections of the node file: a registrar, and calls from the client's
// address to the peer.
func (o *SIPOptions) yaml(l *lab.Lab) string {
	if o == nil {
		return ""
	}
	tls := "off"
	if o.TLS {
		tls = fmt.Sprint(TLSPort)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "sip: {mode: on, udp: %d, tcp: %d, tls: %s}\ndomains: [%s]\n", SIPPort, SIPPort, tls, Domain)
	if o.Registrations > 0 {
		fmt.Fprintf(&b, "registrations: {max: %d}\n", o.Registrations)
	}
	b.WriteString("accounts:\n")
	for i := range max(o.Accounts, 1) {
		fmt.Fprintf(&b, "- {name: %s, password: %s}\n", Account(i), Password)
	}
	fmt.Fprintf(&b, `zones:
- {name: out, type: neighbour, protocol: sip, peers: [%q], monitor: off}
- {name: in, type: neighbour, protocol: sip, peers: [%q], monitor: off}
search_rules:
- {name: out, priority: 100, pattern: {type: any}, target: out}
- {name: local, priority: 50, pattern: {type: any}, target: local}
%s`, netip.AddrPortFrom(l.PeerAddrs.V4[0], CalleePort), netip.AddrPortFrom(l.ClientAddrs.V4[0], CallerPort), o.More)
	return b.String()
}

// TurnpikeSIP starts a node that registers and calls, as Kamailio does, and returns when
// it answers.
func TurnpikeSIP(ctx context.Context, l *lab.Lab, binary string, o Options) (*Server, error) {
	s, err := TurnpikeWith(ctx, l, binary, o)
	if err != nil {
		return nil, err
	}
	near, _ := nodeAddrs(l)
	s.Name, s.Listen = "turnpike", []netip.AddrPort{netip.AddrPortFrom(near, SIPPort)}
	if err := s.answeringSIP(ctx, l.Client, s.Listen[0]); err != nil {
		return nil, s.failed(err)
	}
	return s, nil
}
