package turn

import (
	"fmt"
	"time"
)

// openJournal starts a journal with what the server holds, if there is none open.
func (s *Server) openJournal() error {
	s.mu.Lock()
	defer s.unlock()
	if s.cfg.JournalPath == "" || s.journal != nil {
		return nil
	}
	return s.rewriteJournal()
}

// rewriteJournal replaces the journal by one with the live allocations only.
func (s *Server) rewriteJournal() error {
	t := s.instant()
	var owners []*allocation
	var records []record
	for _, a := range s.allocations {
		if a.conn == nil {
			owners, records = append(owners, a), append(records, a.record(t))
		}
	}
	j, sizes, err := createJournal(s.cfg.JournalPath, bootID(), s.nextID, records)
	if err != nil {
		return fmt.Errorf("turn: %w", err)
	}
	for i, a := range owners {
		a.logged = sizes[i]
	}
	if s.journal != nil {
		s.journal.close()
	}
	s.journal = j
	return nil
}

func (s *Server) closeJournal() {
	if s.journal != nil {
		s.journal.close()
		s.journal = nil
	}
}

// record journals the allocation as it stands. A journal that cannot be written does
// not stop the service; the operator is told that a restart would lose this.
func (s *Server) record(a *allocation) {
	if a.conn == nil {
		s.write(a, a.record(s.instant()))
	}
}

func (s *Server) recordGone(a *allocation) {
	if a.conn == nil {
		s.write(a, record{ID: a.id, Gone: true})
	}
}

func (s *Server) write(a *allocation, r record) {
	if s.journal == nil {
		return
	}
	n, err := s.journal.append(r)
	if err != nil {
		s.stats.journalErrors.Add(1)
		s.warn("TURN journal not written", "Detail", err.Error()+": free space, or a restart loses allocations")
		return
	}
	if r.Gone {
		n = 0
	}
	s.journal.live += n - a.logged
	a.logged = n
	if s.journal.bloated() {
		if err := s.rewriteJournal(); err != nil {
			s.stats.journalErrors.Add(1)
			s.warn("TURN journal not compacted", "Detail", err.Error())
			s.journal.live = s.journal.size // try again when it has grown as much once more
		}
	}
}

// record returns the allocation as the journal holds it.
func (a *allocation) record(t instant) record {
	r := record{
		ID: a.id, User: a.account.name, Secret: a.account.secret,
		Client: a.tuple.client, Server: a.tuple.server,
		Transaction: a.transaction[:], Granted: int64(a.granted / time.Second),
		Created: t.toMono(a.created),
	}
	for _, x := range a.relays {
		if x != nil {
			r.Relays = append(r.Relays, x.record(t))
		}
	}
	return r
}

func (x *relayed) record(t instant) relayRecord {
	r := relayRecord{Local: x.local, Expires: t.toMono(x.expires)}
	for _, p := range x.permissions {
		r.Permissions = append(r.Permissions, permissionRecord{Peer: p.peer, Expires: t.toMono(p.expires)})
	}
	for _, c := range x.channels {
		r.Channels = append(r.Channels, channelRecord{Number: c.number, Peer: c.peer, Expires: t.toMono(c.expires)})
	}
	return r
}
