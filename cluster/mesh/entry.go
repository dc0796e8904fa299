package mesh

import (
	"context"
	"crypto/x509"
	"net/netip"
	"slices"
	"sync/atomic"

	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/wire"
)

// maxLines bounds the connections with one entry, in both directions.
const maxLines = 48

// entry is another node's line of the list.
type entry struct {
	address string
	wake    chan struct{} // dial now
	came    chan struct{} // who was not reached has dialled this node
	look    chan struct{} // resolve now
	asks    chan struct{} // requests of the peer that are being answered, and
	wants   chan struct{} // those of this node
	rows    *queue
	bulk    *queue
	traffic [wire.Recovery + 1]traffic
	checked atomic.Pointer[string] // what was last told of the certificate

	// Guarded by Mesh.mu.
	ctx    context.Context // nil: the mesh does not run
	cancel context.CancelCauseFunc
	addrs  []netip.Addr
	mapped bool  // addrs is from the mapping
	turn   int   // which of addrs is dialled next
	known  *Peer // who it was when it was last greeted
	lines  []*line
	chain  []*x509.Certificate // what it showed last, of the key that is trusted
	stands int                 // lines of stream Rows
}

func newEntry(address string) *entry {
	e := &entry{
		address: address,
		wake:    make(chan struct{}, 1), came: make(chan struct{}, 1), look: make(chan struct{}, 1), asks: make(chan struct{}, 2*maxRequests), wants: make(chan struct{}, maxRequests),
		rows: newQueue(smallQueue), bulk: newQueue(bulkQueue),
	}
	if a, err := netip.ParseAddr(address); err == nil {
		e.addrs = []netip.Addr{plain(a)} // it need not be looked up before it may knock
	}
	return e
}

// hurry wakes who waits for the next try.
func (e *entry) hurry() {
	for _, c := range []chan struct{}{e.look, e.wake} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// met notes that the peer has dialled: then it can be dialled as well.
func (e *entry) met() {
	select {
	case e.came <- struct{}{}:
	default:
	}
}

// end ends all that is done for an entry. Mesh.mu is held.
func (e *entry) end(why error) {
	if e.cancel != nil {
		e.cancel(why)
	}
	for _, l := range e.lines {
		if l.stream != wire.Rows || l.accepted { // those that this node sends on are emptied first
			l.shut(why)
		}
	}
}

// shut closes all connections. Mesh.mu is held.
func (e *entry) shut(why error) {
	for _, l := range e.lines {
		l.shut(why)
	}
}

// queueOf returns the queue that a message waits in.
func (e *entry) queueOf(message any) *queue {
	switch message.(type) {
	case rows.Part, revisions.Push:
		return e.bulk
	}
	return e.rows
}

// add takes a connection into the entry, and in the place of an older one on which the same is sent.
func (m *Mesh) add(l *line) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := l.entry
	if e.ctx == nil || e.ctx.Err() != nil {
		return errGone
	}
	if e.mapped && !slices.Contains(e.addrs, l.peer.Addr.Addr()) {
		return errMapped
	}
	if l.stream == wire.Rows || l.stream == wire.Bulk {
		for _, o := range slices.Clone(e.lines) {
			if o.stream == l.stream && o.accepted == l.accepted {
				o.shut(errReplaced)
			}
		}
	}
	if len(e.lines) >= maxLines {
		return ErrBusy
	}
	e.lines = append(e.lines, l)
	l.raw.to(&e.traffic[l.stream])
	if l.stream == wire.Recovery {
		return nil // it may be anybody yet
	}
	if k := e.known; k != nil && k.ID == l.peer.ID && l.peer.Hello.Before(k.Hello) {
		l.peer.Hello = k.Hello // it was said on another connection since: this greeting took longer
	}
	p := l.peer
	e.known, e.chain = &p, l.ConnectionState().PeerCertificates
	if l.stream == wire.Rows {
		e.stands++
	}
	return nil
}

// remove takes it out again.
func (m *Mesh) remove(l *line) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := l.entry
	i := slices.Index(e.lines, l)
	if i < 0 {
		return
	}
	e.lines = slices.Delete(e.lines, i, i+1)
	if l.stream == wire.Rows {
		e.stands--
	}
}
