package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

func nodeDegraded(s *Snapshot) []Finding {
	if s.Running == nil {
		return nil
	}
	var found []Finding
	for _, d := range s.Running.Status.Degraded {
		found = append(found, finding("node", Warning, d, ""))
	}
	if len(found) == 0 {
		return []Finding{fine("node", "works as configured, path="+s.Running.Status.Path)}
	}
	return found
}

func socketDrops(s *Snapshot) []Finding {
	if s.Running == nil {
		return nil
	}
	var all, now uint64
	var where []string
	for _, u := range s.UDP {
		all, now = all+u.Drops, now+u.Now
		if len(where) < 4 {
			where = append(where, fmt.Sprintf("%d at %s", u.Drops, u.Local))
		}
	}
	if all == 0 {
		return []Finding{fine("sockets", "no datagram was dropped at a socket")}
	}
	severity, when := Note, "and none while doctor looked"
	if now > 0 {
		severity, when = Warning, fmt.Sprintf("%d of them while doctor looked", now)
	}
	return []Finding{finding("sockets", severity, fmt.Sprintf("%d datagrams were dropped at full sockets since the start, %s (%s)", all, when, strings.Join(where, ", ")),
		"see xdp-native and socket-buffers; `turnpike dataplane drops` tells what reaches the process and why")}
}

// relayAddress judges the address that clients are told: before a start that of the node
// file, later what a client really was told.
func relayAddress(s *Snapshot) []Finding {
	if !s.Node.TURN.Mode {
		return nil
	}
	told, how := s.told()
	if len(told) == 0 {
		return nil // there is no interface, or no relay: said already
	}
	var found []Finding
	nat := s.Node.Interfaces.StaticNAT()
	for _, a := range told {
		if f, ok := s.outsideSays(a); ok {
			found = append(found, f)
			continue
		}
		switch {
		case nat.IsValid() && a == nat:
			found = append(found, fine("turn", fmt.Sprintf("%s %s, the static NAT's address", how, a)))
		case a.IsLoopback():
			found = append(found, finding("turn", Note, fmt.Sprintf("%s %s: only this machine reaches it", how, a), "name another interface"))
		case a.Is4() && (a.IsPrivate() || sharedSpace.Contains(a)) && !nat.IsValid():
			found = append(found, finding("turn", Warning, fmt.Sprintf("%s %s, which the internet does not reach", how, a),
				"write the address that the internet sees into interfaces.external.static_nat; `turnpike doctor --stun SERVER` asks for it"))
		default:
			found = append(found, fine("turn", fmt.Sprintf("%s %s", how, a)))
		}
	}
	return append(found, s.contradicted()...)
}

// sharedSpace is behind the NATs of providers (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// told returns the addresses that clients are or will be told.
func (s *Snapshot) told() (addrs []netip.Addr, how string) {
	if t := s.Told; t != nil && t.Relay.IsValid() {
		return []netip.Addr{t.Relay.Addr().Unmap()}, "a client was told"
	}
	return s.expected(), "clients will be told"
}

// expected is what the node file and the interfaces say: the static NAT's address, or
// the relay interface's first of each family.
func (s *Snapshot) expected() []netip.Addr {
	var addrs []netip.Addr
	nat := s.Node.Interfaces.StaticNAT()
	for _, i := range s.Interfaces {
		if i.Name != s.Node.Interfaces.Relay() {
			continue
		}
		for _, p := range i.Addresses {
			a := p.Addr()
			if nat.IsValid() && nat.Is4() == a.Is4() {
				a = nat
			}
			if !slices.ContainsFunc(addrs, func(b netip.Addr) bool { return b.Is4() == a.Is4() }) {
				addrs = append(addrs, a)
			}
		}
	}
	return addrs
}

// outsideSays compares with what a STUN server elsewhere saw.
func (s *Snapshot) outsideSays(told netip.Addr) (Finding, bool) {
	o := s.Outside
	if o == nil || o.Err != "" || o.Mapped.Is4() != told.Is4() {
		return Finding{}, false
	}
	if o.Mapped == told {
		return fine("turn", fmt.Sprintf("clients are told %s, and that is what %s sees", told, o.Server)), true
	}
	return finding("turn", Problem, fmt.Sprintf("clients are told %s, but %s sees %s", told, o.Server, o.Mapped),
		fmt.Sprintf("write interfaces.external.static_nat: %s, have the NAT let the relay ports through, and start the node again", o.Mapped)), true
}

// contradicted compares what a client was told with the configuration.
func (s *Snapshot) contradicted() []Finding {
	if s.Told == nil || !s.Told.Relay.IsValid() || slices.Contains(s.expected(), s.Told.Relay.Addr().Unmap()) {
		return nil
	}
	return []Finding{finding("turn", Problem, fmt.Sprintf("a client was told %s; by the node file and the interfaces it should be %s", s.Told.Relay.Addr(), joined(s.expected())),
		"the file or the addresses changed after the start: start the node again")}
}

func joined(addrs []netip.Addr) string {
	var texts []string
	for _, a := range addrs {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, " or ")
}

func relayEcho(s *Snapshot) []Finding {
	var found []Finding
	if o := s.Outside; o != nil && o.Err != "" {
		found = append(found, finding("turn", Warning, fmt.Sprintf("STUN server %s: %s", o.Server, o.Err), "name another server, or see whether UDP gets out by the relay interface"))
	}
	t := s.Told
	switch {
	case t == nil:
	case t.Err != "":
		found = append(found, finding("turn", Problem, t.Err, "see `turnpike status` and the node's log"))
	case t.Received < t.Sent:
		found = append(found, finding("turn", Problem, fmt.Sprintf("of %d packets through the relay %s, %d came", t.Sent, t.Relay, t.Received), "see `turnpike dataplane drops`"))
	default:
		found = append(found, fine("turn", fmt.Sprintf("%d packets came through the relay %s, which %s gave", t.Received, t.Relay, t.Server)))
	}
	return found
}

func notLookedAt(s *Snapshot) []Finding {
	var found []Finding
	for _, m := range s.Missed {
		found = append(found, finding(m.What, Note, "could not be looked at: "+m.Why, "run doctor as root"))
	}
	return found
}
