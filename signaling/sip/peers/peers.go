// Package peers is the other nodes of this node's cluster as SIP sees them: where each of them
// takes calls, by which key it is known, and what one peer tells another about a request.
//
// It exists because a cluster is one Local Zone (RG-01): what a peer passes on has been looked at
// already, and is looked at no further than for who is registered here. To believe that of a
// stranger would open the node, so a peer is who shows the key that it has proved to the cluster,
// from the address where the cluster reaches it, and nobody else; and what it says of a caller is
// read from nobody else either.
package peers

import (
	"crypto/sha256"
	"net/netip"
	"slices"
	"sync/atomic"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// Key is the SHA-256 of a public key (its SubjectPublicKeyInfo).
type Key [sha256.Size]byte

// Peer is another node of the cluster that lives.
type Peer struct {
	Index uint8 // in the list of peers, from 1
	Name  string
	Addr  netip.AddrPort // where it takes SIP over TLS; invalid or port 0: nowhere
	Key   Key
	// Maintenance: it takes no new calls (RG-08).
	Maintenance bool
	// Life numbers its process: what another one was asked it does not know.
	Life uint64
}

// reached says whether calls can be sent to the peer.
func (p *Peer) reached() bool {
	return p.Addr.IsValid() && p.Addr.Port() != 0 && p.Key != Key{} && !p.Maintenance
}

// Table is the peers at the moment. A node of its own has an empty one. Methods may be called by
// any number of goroutines.
type Table struct {
	own  netip.Addr // that peers know this node by; invalid: by route
	now  atomic.Pointer[[]Peer]
	were atomic.Pointer[[]Peer] // when this node ran last
	lost atomic.Pointer[func(was Peer, back bool)]
}

// New returns a table without peers. own is the address that they know this node by, invalid or
// unspecified where the route to each decides.
func New(own netip.Addr) *Table {
	t := &Table{}
	if own.IsValid() && !own.IsUnspecified() {
		t.own = own
	}
	t.now.Store(&[]Peer{})
	t.were.Store(&[]Peer{})
	return t
}

// Set puts other peers in force: those that live. Whoever watches is told of those that do not any
// more. One that has only another place in the list is not lost, nor one in maintenance: what rings
// there goes on.
func (t *Table) Set(list []Peer) {
	next := slices.Clone(list)
	for i := range next {
		next[i].Addr = netip.AddrPortFrom(next[i].Addr.Addr().Unmap(), next[i].Addr.Port())
	}
	before := *t.now.Swap(&next)
	told := t.lost.Load()
	if told == nil {
		return
	}
	for _, was := range before {
		at := slices.IndexFunc(next, func(now Peer) bool { return now.Addr == was.Addr && now.Key == was.Key })
		if at < 0 || next[at].Life != was.Life {
			(*told)(was, at >= 0)
		}
	}
}

// Know takes the peers that this node had when it ran last, and has not heard yet: what they pass on is a peer's
// already, though nothing is sent to them. They go on meanwhile, and would be asked for passwords like anybody.
func (t *Table) Know(list []Peer) {
	list = slices.Clone(list)
	t.were.Store(&list)
}

// Lost sets who is told of a peer, as it was, that is lost, or has another address or key; or that is back already,
// with another process, which knows nothing of what it was asked.
func (t *Table) Lost(told func(was Peer, back bool)) { t.lost.Store(&told) }

// List returns the peers.
func (t *Table) List() []Peer { return slices.Clone(*t.now.Load()) }

func (t *Table) at(index uint8) *Peer {
	list := *t.now.Load()
	for i := range list {
		if list[i].Index == index {
			return &list[i]
		}
	}
	return nil
}

// Hop returns where calls for a peer go; false: it is lost, in maintenance, or takes no SIP
// (RG-04, RG-08).
func (t *Table) Hop(index uint8) (transport.Hop, bool) {
	p := t.at(index)
	if p == nil || !p.reached() {
		return transport.Hop{}, false
	}
	h := transport.Hop{Transport: loop.TLS, Remote: p.Addr, Key: p.Key}
	if t.own.IsValid() && t.own.Is4() == p.Addr.Addr().Is4() {
		h.Local = t.own
	}
	return h, true
}

// Pinned returns the key that whoever listens at an address must have (transport.Config.Pinned);
// false: no peer is there.
func (t *Table) Pinned(at netip.AddrPort) (key [sha256.Size]byte, pinned bool) {
	for _, p := range *t.now.Load() {
		if p.Addr == at && p.Key != (Key{}) {
			return p.Key, true
		}
	}
	return key, false
}

// From returns which peer a message comes from: over TLS, from the peer's address, from who has the
// peer's key. 0: from none. Answers to a peer go to it and to nobody else from then on.
func (t *Table) From(src loop.Source) uint8 {
	if src.Transport != loop.TLS || src.Conn == nil {
		return 0
	}
	for _, list := range []*[]Peer{t.now.Load(), t.were.Load()} {
		for i := range *list {
			if p := &(*list)[i]; p.sent(src) {
				src.Conn.Bind()
				return p.Index
			}
		}
	}
	return 0
}

// sent says whether a message over TLS comes from the peer.
func (p *Peer) sent(src loop.Source) bool {
	return p.Addr.Addr().Unmap() == src.Remote.Addr().Unmap() && p.Key != (Key{}) && Key(src.Conn.Key()) == p.Key
}
