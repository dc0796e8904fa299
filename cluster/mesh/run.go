package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/wire"
)

// flushTime is how long the last messages may take when a node ends.
const flushTime = 200 * time.Millisecond

// Mesh is a node's connections with its peers. Its methods may be called at any time.
type Mesh struct {
	cfg     Config
	pins    *pins
	told    told // of the entries
	refused tally
	// strangers is what was told of those who are of no entry.
	strangers told
	waiting   gate
	bell      doorbell
	hellos    atomic.Uint64 // how often the hello has changed

	saying sync.Mutex // guards said; what a node says of itself is asked in it, so that a higher number is never older
	said   uint64

	work sync.WaitGroup // all goroutines of Run

	mu      sync.Mutex      // guards what follows, and what the entries say it guards; nobody waits in it
	ctx     context.Context // of Run; nil: it does not run
	entries []*entry        // without the own
	own     string
	mapping map[string]netip.Addr
}

// New returns a mesh that speaks to nobody until List says whom there is.
func New(cfg Config) (*Mesh, error) {
	p, err := openPins(cfg.Files, cfg.Dir)
	if err != nil {
		return nil, err
	}
	if cfg.Port == 0 {
		cfg.Port = DefaultPort
	}
	if cfg.RecoveryPort == 0 {
		cfg.RecoveryPort = DefaultRecoveryPort
	}
	cfg.Local = plain(cfg.Local)
	m := &Mesh{cfg: cfg, pins: p}
	m.bell.at = netip.AddrPortFrom(cfg.Local, cfg.UDPPort)
	return m, nil
}

// Run listens and keeps the connections until ctx ends.
func (m *Mesh) Run(outer context.Context) error {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(outer))
	defer m.work.Wait()
	defer context.AfterFunc(outer, func() { cancel(errEnding) })()
	defer cancel(errEnding)
	var doors []net.Listener
	for _, port := range []uint16{m.cfg.Port, m.cfg.RecoveryPort} {
		door, err := m.listen(netip.AddrPortFrom(m.cfg.Local, port))
		if err != nil {
			closeAll(doors)
			return fmt.Errorf("listen for peers: %w", err)
		}
		doors = append(doors, door)
	}
	m.start(ctx)
	m.work.Go(func() { m.writePins(ctx) })
	for i, door := range doors {
		m.work.Go(func() { m.accept(ctx, door, i == 1) })
	}
	<-ctx.Done()
	closeAll(doors)
	m.stop()
	return nil
}

func closeAll(doors []net.Listener) {
	for _, d := range doors {
		_ = d.Close() // it accepts nobody any more either way
	}
}

func (m *Mesh) start(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ctx = ctx
	for _, e := range m.entries {
		m.keep(e)
	}
}

// stop ends all entries.
func (m *Mesh) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ctx = nil
	for _, e := range m.entries {
		e.end(errEnding)
	}
}

var errEnding = errors.New("this node ends the connection")

// keep starts what an entry needs. m.mu is held, and the mesh runs.
func (m *Mesh) keep(e *entry) {
	ctx, cancel := context.WithCancelCause(m.ctx)
	e.ctx, e.cancel = ctx, cancel
	m.work.Go(func() { m.resolving(ctx, e) })
	m.work.Go(func() { m.sending(ctx, e) })
}

// List takes the list of peers as it is now. own is this node's index in it, from 0; -1: none.
// mapping answers for names before DNS does (CL-07); nil: it is off. The pin of an entry that has
// gone is dropped. It waits for nothing.
func (m *Mesh) List(addresses []string, own int, mapping map[string]netip.Addr) {
	m.mu.Lock()
	old := m.entries
	m.entries, m.own, m.mapping = nil, "", make(map[string]netip.Addr, len(mapping))
	for name, addr := range mapping {
		m.mapping[strings.ToLower(name)] = plain(addr)
	}
	var names []string
	for i, address := range addresses {
		name := strings.ToLower(address)
		if i == own {
			m.own = name
		}
		if address == "" || i == own || slices.Contains(names, name) {
			continue
		}
		names = append(names, name)
		m.entries = append(m.entries, m.entry(old, address))
	}
	gone := slices.DeleteFunc(slices.Clone(old), func(e *entry) bool { return slices.Contains(m.entries, e) })
	for _, e := range gone {
		e.end(errGone)
	}
	for _, e := range m.entries {
		if a, ok := m.mapping[strings.ToLower(e.address)]; ok {
			e.stand([]netip.Addr{a}, true)
		} else {
			e.mapped = false
		}
		e.hurry()
	}
	m.mu.Unlock()
	m.pins.retain(names)
}

var errGone = errors.New("the entry is not in the list of peers any more")

// entry returns the entry of an address, the one that there is or a new one. m.mu is held.
func (m *Mesh) entry(old []*entry, address string) *entry {
	for _, e := range old {
		if e.address == address {
			return e
		}
	}
	e := newEntry(address)
	if m.ctx != nil {
		m.keep(e)
	}
	return e
}

// find returns an entry of the list by its address or by who it is; nil: there is none.
func (m *Mesh) find(to string) *entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if strings.EqualFold(e.address, to) || e.known != nil && string(e.known.ID) == to {
			return e
		}
	}
	return nil
}

// SendEntry sends a message to an entry of the list. It says false where there is no connection, or
// its queue is full: then the message is thrown away.
func (m *Mesh) SendEntry(address string, message any) bool {
	e := m.find(address)
	return e != nil && e.queueOf(message).put(message)
}

// Send is SendEntry to the node that proved to be to.
func (m *Mesh) Send(to cluster.ID, message any) bool { return m.SendEntry(string(to), message) }

// Say tells all peers that the hello has changed.
func (m *Mesh) Say() {
	m.hellos.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		e.rows.greet()
	}
}

// says returns what this node says of itself now, numbered.
func (m *Mesh) says() wire.Hello {
	m.saying.Lock()
	defer m.saying.Unlock()
	h := m.cfg.Hello()
	m.said++
	h.Number = m.said
	return h
}

// hurryAll has all entries resolved anew.
func (m *Mesh) hurryAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		e.hurry()
	}
}

// Peer returns a peer that there is a connection with.
func (m *Mesh) Peer(id cluster.ID) (Peer, bool) {
	for _, p := range m.Peers() {
		if p.ID == id {
			return p, true
		}
	}
	return Peer{}, false
}

// Peers returns all of them, in the order of the list.
func (m *Mesh) Peers() []Peer {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Peer
	for _, e := range m.entries {
		if e.known != nil && e.stands > 0 {
			out = append(out, *e.known)
		}
	}
	return out
}

// Trust drops the pin of an entry, so that the key that it shows next is pinned (`cluster trust`).
func (m *Mesh) Trust(address string) error {
	e := m.find(address)
	if e == nil {
		return fmt.Errorf("%s is not an entry of the list of peers: see `turnpike cluster status`", address)
	}
	if err := m.pins.drop(e.address); err != nil {
		return err
	}
	m.cfg.Log.Event("Cluster Key Forgotten", "Peer", e.address)
	m.mu.Lock()
	defer m.mu.Unlock()
	e.shut(errors.New("its key is to be pinned anew"))
	e.hurry()
	return nil
}

// plain returns an address as it is compared.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
