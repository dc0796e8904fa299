package turn

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// ErrNoAllocation is returned for an id that no allocation has.
var ErrNoAllocation = errors.New("no such allocation: see relay list for those there are")

// Allocation is one allocation as it stands.
type Allocation struct {
	ID        uint64         `json:"id"`
	User      string         `json:"user"`
	Transport Transport      `json:"transport"`
	Client    netip.AddrPort `json:"client"`
	Server    netip.AddrPort `json:"server"`
	Created   time.Time      `json:"created"`
	Relays    []Relay        `json:"relays"` // two of a dual allocation
}

// Relay is a relayed address of an allocation.
type Relay struct {
	Relay       netip.AddrPort `json:"relay"`
	Public      netip.AddrPort `json:"public"`
	Expires     time.Time      `json:"expires"`
	Permissions []Permission   `json:"permissions"`
	Channels    []Channel      `json:"channels"`
}

// Permission is a peer address that may be relayed to and from.
type Permission struct {
	Peer    netip.Addr `json:"peer"`
	Expires time.Time  `json:"expires"`
}

// Channel is a channel binding.
type Channel struct {
	Number  uint16         `json:"number"`
	Peer    netip.AddrPort `json:"peer"`
	Expires time.Time      `json:"expires"`
	// PairID names its pair in the table; Installed tells whether there is one.
	PairID    relay.ID `json:"pair_id"`
	Installed bool     `json:"installed"`
}

// Allocations returns every allocation, oldest first.
func (s *Server) Allocations() []Allocation {
	now := time.Now()
	s.mu.Lock()
	list := make([]Allocation, 0, len(s.allocations))
	for _, a := range s.allocations {
		if a.live(now) {
			list = append(list, s.snapshot(a, now))
		}
	}
	s.mu.Unlock()
	slices.SortFunc(list, func(a, b Allocation) int { return int(int64(a.ID) - int64(b.ID)) })
	return list
}

func (s *Server) snapshot(a *allocation, now time.Time) Allocation {
	out := Allocation{
		ID: a.id, User: a.account.name, Transport: a.tuple.transport,
		Client: a.tuple.client, Server: a.tuple.server, Created: a.created,
	}
	for _, x := range a.relays {
		if x == nil || !now.Before(x.expires) {
			continue
		}
		r := Relay{Relay: x.local, Public: s.public(x.local), Expires: x.expires}
		for _, p := range x.permissions {
			if now.Before(p.expires) {
				r.Permissions = append(r.Permissions, Permission{Peer: p.peer, Expires: p.expires})
			}
		}
		for _, c := range x.channels {
			if c.live(now) {
				r.Channels = append(r.Channels, Channel{
					Number: c.number, Peer: c.peer, Expires: c.expires, PairID: c.pair, Installed: c.installed,
				})
			}
		}
		out.Relays = append(out.Relays, r)
	}
	return out
}

// fields are what an event says of an allocation.
func (a *allocation) fields() []any {
	kv := []any{
		"Allocation", a.id, "User", a.account.name, "Transport", string(a.tuple.transport),
		"Client", a.tuple.client.String(), "Server", a.tuple.server.String(),
	}
	for _, x := range a.relays {
		if x != nil {
			kv = append(kv, "Relay", x.local.String())
		}
	}
	return kv
}

// Kill ends an allocation at once. Its client is told nothing and gets 437 from now
// on; the connection of a TCP or TLS client is closed.
func (s *Server) Kill(id uint64) error {
	s.mu.Lock()
	defer s.unlock()
	a := s.byID[id]
	if a == nil {
		return ErrNoAllocation
	}
	s.cut(a, "killed")
	return nil
}

// cut ends an allocation and the connection it is on.
func (s *Server) cut(a *allocation, why string) {
	if a.conn != nil {
		a.conn.close()
	}
	s.end(a, why)
}

// Drain refuses new allocations with 508 while it is on; those there are go on.
func (s *Server) Drain(on bool) {
	s.mu.Lock()
	defer s.unlock()
	if s.draining != on {
		s.event("TURN drain changed", "Detail", map[bool]string{true: "on", false: "off"}[on])
	}
	s.draining = on
}

// Draining reports whether new allocations are refused.
func (s *Server) Draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// SetUsers replaces users and shared secrets. Allocations of those who are no longer
// among them end at once, in the table too. A changed password ends nothing: the
// next request has to know it.
func (s *Server) SetUsers(users map[string]string, secrets []string) {
	c := newCredentials(s.cfg.Realm, users, secrets, s.cfg.NonceKey)
	s.creds.Store(c)
	s.mu.Lock()
	defer s.unlock()
	for _, a := range s.allocations {
		if !c.holds(a.account) {
			s.cut(a, "user revoked")
		}
	}
}

// SetDeny replaces the deny list and ends permissions that it no longer allows.
func (s *Server) SetDeny(deny []netip.Prefix) {
	s.mu.Lock()
	defer s.unlock()
	s.policy = newPeerPolicy(&s.cfg, deny)
	now := time.Now()
	for _, a := range s.allocations {
		if s.forbidRefused(a, now) {
			s.settle(a, "", now)
		}
	}
}

// forbidRefused ends the permissions of peers that are refused now.
func (s *Server) forbidRefused(a *allocation, now time.Time) (changed bool) {
	for _, x := range a.relays {
		if x == nil {
			continue
		}
		for i := len(x.permissions) - 1; i >= 0; i-- {
			if !s.mayPermit(netip.AddrPortFrom(x.permissions[i].peer, 0)) {
				s.forbid(a, x, i, now)
				changed = true
			}
		}
	}
	return changed
}
