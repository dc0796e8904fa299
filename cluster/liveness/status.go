package liveness

import (
	"fmt"
	"net/netip"
	"time"

	"turnpike.dev/turnpike/cluster"
)

// Status is a line of the table of peers, in the order of the list (CL-17).
type Status struct {
	Index       int // from 1
	Address     string
	Peer        cluster.ID // empty: it was never heard
	Incarnation cluster.Incarnation
	Own         bool
	Life        State
	Name        string
	Resolved    string
	RTT         time.Duration
	// Why says why it could not be reached.
	Why string
	// Also is the entry that is the same node (alarm 20003): this one is not listened to; empty: none is.
	Also string
	// Checked: the certificate was seen, and Fault says what is wrong with it.
	Checked bool
	Fault   string
}

// State returns the state in the words of facts A7.3.
func (s Status) State() string {
	switch {
	case s.Own:
		return "This system"
	case s.Life == Active || s.Life == Suspect:
		if _, err := netip.ParseAddr(s.Address); err == nil || s.Resolved == "" {
			return fmt.Sprintf("Active as %s", s.Name)
		}
		return fmt.Sprintf("Active as %s (Resolved '%s' as '%s')", s.Name, s.Address, s.Resolved)
	case s.Life == Lost || s.Why != "":
		return "Failed"
	}
	return "Unknown"
}

// Certificate returns what there is to say of the certificate, in the words of facts A7.3; empty: it
// was not seen yet.
func (s Status) Certificate() string {
	switch {
	case !s.Checked:
		return ""
	case s.Fault != "":
		return fmt.Sprintf("Invalid (%s)", s.Fault)
	}
	return "Valid"
}

// Status returns the table of peers.
func (c *Core) Status() []Status {
	out := make([]Status, 0, len(c.entries))
	for i, n := range c.entries {
		s := Status{Index: i + 1, Address: n.address, Own: i == c.own, Checked: n.checked, Fault: n.certificate, Why: n.failed, Peer: n.id, Name: n.name, Resolved: n.resolved, Also: n.also}
		if s.Own {
			s.Peer, s.Incarnation = c.self, c.incarnation
		} else if p := c.peers[n.id]; p != nil {
			s.Life, s.RTT, s.Incarnation = p.state, p.rtt, p.incarnation
		}
		out = append(out, s)
	}
	return out
}

// State returns what is thought of a peer.
func (c *Core) State(id cluster.ID) State {
	if p := c.peers[id]; p != nil {
		return p.state
	}
	return Unknown
}
