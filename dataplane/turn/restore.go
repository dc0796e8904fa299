package turn

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"time"
)

// Restore takes over the allocations that the journal holds, with the time they
// have left, and returns how many. Call it before Run. Clients over UDP notice
// nothing; those over TCP and TLS were never in the journal.
//
// What cannot be taken over ends: its user or address is no longer configured, its
// time is over, or somebody else has its port.
func (s *Server) Restore() (int, error) {
	if s.cfg.JournalPath == "" {
		return 0, nil
	}
	c, err := loadJournal(s.cfg.JournalPath, bootID())
	if err != nil {
		return 0, err
	}
	if c.damaged > 0 {
		s.log.Event("TURN journal damaged", "Detail", fmt.Sprintf("%d lines left out", c.damaged))
	}
	s.mu.Lock()
	s.nextID = max(s.nextID, c.lastID)
	s.unlock()
	n := 0
	for _, id := range slices.Sorted(maps.Keys(c.records)) {
		if s.restoreOne(c.records[id]) {
			n++
		}
	}
	return n, s.openJournal()
}

func loadJournal(path, boot string) (contents, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return contents{}, nil
	}
	if err != nil {
		return contents{}, fmt.Errorf("turn: open journal: %w", err)
	}
	defer func() { _ = f.Close() }()
	c, err := readJournal(f, boot)
	if err != nil {
		return contents{}, fmt.Errorf("turn: read journal %s: %w", path, err)
	}
	return c, nil
}

// restoreOne takes over one allocation. The lock is held for one at a time: what
// arrives meanwhile for those that are back is served.
func (s *Server) restoreOne(r record) bool {
	s.mu.Lock()
	defer s.unlock()
	t := s.instant()
	a, why := s.revive(r, t)
	if why != "" {
		s.event("TURN allocation not taken over", "Allocation", r.ID, "User", r.User,
			"Client", r.Client.String(), "Detail", why)
		return false
	}
	s.enter(a, t.wall)
	s.known(a.tuple)
	for _, x := range a.relays {
		if x != nil {
			s.reinstall(a, x, t.wall)
		}
	}
	s.sleep(a, t.wall)
	return true
}

// revive makes the allocation of a record, with open ports, or says why not.
func (s *Server) revive(r record, t instant) (*allocation, string) {
	a := &allocation{
		id: r.ID, tuple: fiveTuple{server: r.Server, client: r.Client, transport: UDP},
		account: account{name: r.User, person: r.User, secret: r.Secret},
		granted: time.Duration(r.Granted) * time.Second, created: t.fromMono(r.Created),
	}
	copy(a.transaction[:], r.Transaction)
	if a.account.secret != "" {
		_, a.account.person, _ = parseTimeLimited(r.User)
	}
	switch {
	case !s.creds.Load().holds(a.account):
		return nil, "its user is gone"
	case !slices.Contains(s.cfg.Listen, r.Server):
		return nil, "the server no longer listens on its address"
	case s.allocations[a.tuple] != nil:
		return nil, "its client has another allocation"
	}
	why := "its time is over"
	for _, rr := range r.Relays {
		if t.fromMono(rr.Expires).After(t.wall) {
			if err := s.reviveRelay(a, rr, t); err != nil {
				why = err.Error()
			}
		}
	}
	if a.relays[ipv4] == nil && a.relays[ipv6] == nil {
		return nil, why
	}
	return a, ""
}

var (
	errRelayAddress = errors.New("its relay address is no longer configured")
	errRelayPort    = errors.New("its port is outside the relay range or taken")
)

// reviveRelay opens the port again and notes permissions and channels.
func (s *Server) reviveRelay(a *allocation, r relayRecord, t instant) error {
	f := familyOf(r.Local.Addr())
	if s.relayAddrs[f].Local != r.Local.Addr() || a.relays[f] != nil {
		return errRelayAddress
	}
	if !s.ports[f].take(r.Local.Port()) {
		return errRelayPort
	}
	x, err := s.bind(r.Local, a.tuple.server.Port(), s.cfg.Capacity.Keep)
	if err != nil {
		s.putPort(r.Local, t.wall)
		return err
	}
	x.owner, x.expires = a, t.fromMono(r.Expires)
	for _, p := range r.Permissions {
		end := t.fromMono(p.Expires)
		if end.After(t.wall) && s.mayPermit(netip.AddrPortFrom(p.Peer, 0)) {
			x.permissions = append(x.permissions, permission{peer: p.Peer, expires: end})
		}
	}
	for _, c := range r.Channels {
		x.channels = append(x.channels, channel{number: c.Number, peer: c.Peer, expires: t.fromMono(c.Expires)})
	}
	x.dropQuiet(t.wall)
	a.relays[f] = x
	return nil
}

// reinstall gives gate and table what the relayed address grants.
func (s *Server) reinstall(a *allocation, x *relayed, now time.Time) {
	for _, p := range x.permissions {
		s.failed(s.gate.Permit(x.local, p.peer, p.expires), "permit peer", x.local)
	}
	for i := range x.channels {
		if c := &x.channels[i]; s.maySend(c.peer) {
			s.syncPair(a, x, c, now)
		}
	}
}
