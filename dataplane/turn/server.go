package turn

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// Server is a TURN server. Make one with New, let it take over with Restore what an
// earlier process left, then Run it.
type Server struct {
	cfg     Config
	table   relay.Table
	gate    relay.Gate
	sockets relay.Sockets
	log     Logger

	nonces     *nonces
	creds      atomic.Pointer[credentials]
	answers    answerLimiter
	guesses    guessLimiter
	arrivals   answerLimiter // of TCP and TLS connections
	relayAddrs [families]RelayAddr
	buffers    bufferPool
	requests   sync.Pool
	stats      counters
	mono       func() int64 // CLOCK_MONOTONIC
	listeners  atomic.Pointer[map[netip.AddrPort]relay.Socket]
	listening  chan struct{}
	woken      chan struct{}

	mu           sync.Mutex // guards what follows; see unlock
	closed       bool
	draining     bool
	policy       *peerPolicy
	ports        [families]*ports
	allocations  map[fiveTuple]*allocation
	byID         map[uint64]*allocation
	nextID       uint64 // the last one used
	held         map[string]int
	relays       int
	perPort      map[uint16]int
	reservations map[reservationToken]*reservation
	reserved     []*reservation
	turned       turned
	wakes        wakeHeap
	sleepsUntil  time.Time
	journal      *journal
	streams      map[*stream]struct{}
	guests       *guests
	warnings     map[string]*warning // by event name, which are few

	// What unlock does outside the lock.
	closing []closing
	events  []event
}

// closing is a socket to close, and the port that is free after that.
type closing struct {
	sock  relay.Socket
	local netip.AddrPort // zero: no port of ours
}

// New returns a server that holds nothing and listens nowhere yet.
func New(cfg Config, table relay.Table, gate relay.Gate, sockets relay.Sockets, log Logger) (*Server, error) {
	if err := cfg.prepare(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, table: table, gate: gate, sockets: sockets, log: log,
		nonces:       newNonces(cfg.NonceKey),
		answers:      answerLimiter{newLimiter(answerBurst, answerPerSecond)},
		guesses:      guessLimiter{newLimiter(guessBurst, guessPerSecond)},
		arrivals:     answerLimiter{newLimiter(arrivalBurst, arrivalPerSecond)},
		guests:       newGuests(cfg.GuestsPerSource),
		listening:    make(chan struct{}),
		mono:         monotonic,
		woken:        make(chan struct{}, 1),
		policy:       newPeerPolicy(&cfg, cfg.Deny),
		allocations:  make(map[fiveTuple]*allocation),
		byID:         make(map[uint64]*allocation),
		held:         make(map[string]int),
		perPort:      make(map[uint16]int),
		reservations: make(map[reservationToken]*reservation),
		streams:      make(map[*stream]struct{}),
		warnings:     make(map[string]*warning),
	}
	s.requests.New = func() any { return newRequest() }
	s.creds.Store(newCredentials(cfg.Realm, cfg.Users, cfg.Secrets, cfg.NonceKey))
	s.listeners.Store(&map[netip.AddrPort]relay.Socket{})
	for _, r := range cfg.RelayAddrs {
		f := familyOf(r.Local)
		s.relayAddrs[f] = r
		s.ports[f] = newPorts(cfg.PortMin, cfg.PortMax)
	}
	return s, nil
}

// Listening is closed when Run has opened everything it listens on.
func (s *Server) Listening() <-chan struct{} { return s.listening }

// Run listens and serves until ctx ends, or returns why it cannot listen. At the end
// sockets are closed, but the flows of UDP clients stay in the table and the journal
// stays on disk: media goes on under lease until the next process takes over.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer s.shut()
	defer cancel()
	if err := s.openJournal(); err != nil {
		return err
	}
	if err := s.listen(ctx, &running); err != nil {
		return err
	}
	close(s.listening)
	s.runTimer(ctx)
	return nil
}

// shut closes sockets and connections. Allocations over TCP and TLS end, as they
// cannot be taken over.
func (s *Server) shut() {
	s.mu.Lock()
	for t := range s.streams {
		t.close()
	}
	for _, a := range s.allocations {
		if a.conn != nil {
			s.end(a, "server stops")
			continue
		}
		for _, x := range a.relays {
			if x != nil {
				s.closing = append(s.closing, closing{sock: x.sock})
			}
		}
	}
	for _, r := range s.reservations {
		s.release(r.relayed)
	}
	for _, l := range *s.listeners.Load() {
		s.closing = append(s.closing, closing{sock: l})
	}
	s.closed = true
	s.closeJournal()
	s.unlock()
}

// unlock releases the mutex and then does what must not be done under it: closing
// a socket waits for its handler, which may wait for the mutex.
func (s *Server) unlock() {
	closing, events := s.closing, s.events
	s.closing, s.events = nil, nil
	s.mu.Unlock()
	for _, c := range closing {
		if err := c.sock.Close(); err != nil {
			s.log.Event("TURN socket not closed", "Local", c.sock.Local().String(), "Detail", err.Error())
		}
	}
	if len(closing) > 0 {
		s.freePorts(closing)
	}
	for _, e := range events {
		s.log.Event(e.name, e.kv...)
	}
}

func (s *Server) freePorts(closed []closing) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range closed {
		if c.local.IsValid() {
			s.putPort(c.local, now)
		}
	}
}

func (s *Server) putPort(local netip.AddrPort, now time.Time) {
	if p := s.ports[familyOf(local.Addr())]; p != nil {
		p.put(local.Port(), now)
	}
}

// failed reports an error of the data plane that the client need not know of.
func (s *Server) failed(err error, what string, local netip.AddrPort) {
	if err != nil {
		s.warn("TURN data plane error", "Relay", local.String(), "Detail", what+": "+err.Error())
	}
}

// public is how clients are shown an address: a relay's by the one it has outside
// of static NAT.
func (s *Server) public(a netip.AddrPort) netip.AddrPort {
	r := s.relayAddrs[familyOf(a.Addr())]
	if a.Addr() == r.Local && a.Port() >= s.cfg.PortMin && a.Port() <= s.cfg.PortMax {
		return netip.AddrPortFrom(r.Public, a.Port())
	}
	return a
}

// local is the reverse of public, for peers that clients name: two clients of this
// node that know each other's relay by its public address meet at the local one.
func (s *Server) local(a netip.AddrPort) netip.AddrPort {
	a = relay.Canonical(a)
	if r := s.relayAddrs[familyOf(a.Addr())]; r.Local.IsValid() && a.Addr() == r.Public {
		return netip.AddrPortFrom(r.Local, a.Port())
	}
	return a
}

func (s *Server) mayPermit(peer netip.AddrPort) bool { return s.policy.mayPermit(peer) }
func (s *Server) maySend(peer netip.AddrPort) bool   { return s.policy.maySend(peer) }
