// Package transport carries SIP messages over the loop's sockets: it says which connection
// a message takes, opens those that are missing, and answers by itself what is too broken
// to be anybody's request.
//
// It exists so that transactions see hops and messages, and never a socket, a dial or a
// certificate. Nothing here blocks: a connection that has to be opened first is opened
// beside, and what waits for it is bounded.
package transport

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"hash/maphash"
	"net/netip"
	"sync"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// Hop is where a message goes next.
type Hop struct {
	Transport loop.Transport
	Remote    netip.AddrPort
	Local     netip.Addr // ours; invalid: by route
	Conn      *loop.Conn // taken while it is open
	Name      string     // TLS: domain that is verified (RFC 5922); empty: none is
	Only      bool       // this connection or none: a flow (RFC 5626)
	// Key is the SHA-256 of the public key that the other end must have: it is a peer of the cluster,
	// whether that lives or not by the time something is sent. Zero: anybody's. Where a peer that lives
	// is at the address by then, that peer's key counts.
	Key [sha256.Size]byte
}

// Config says what to listen on and who gets what comes in.
type Config struct {
	UDP, TCP, TLS []netip.AddrPort // each an address of the node and a port
	// Certificate is the node's, asked for at each handshake so that it can be reloaded. nil:
	// there is no TLS to listen on, and nothing is shown to those we connect to.
	Certificate func() (*tls.Certificate, error)
	// Roots are who is believed about others, asked for at each handshake; nil, or returning
	// nil: those of the system.
	Roots func() *x509.CertPool
	// AskClients lets those who connect show a certificate. A wrong one does not keep them
	// out: PeerNames says what it is good for.
	AskClients bool
	// Pinned returns the key (SHA-256 of the public key) that whoever listens at an address must
	// show, whatever its certificate says; false: nobody's. May be nil.
	Pinned    func(at netip.AddrPort) (key [sha256.Size]byte, pinned bool)
	Limits    loop.Limits
	DialPorts loop.Ports
	Scanners  []string // parts of User-Agent that are dropped, in lower case; nil: Scanners()
	Product   string   // Server of the answers given here; empty: none

	// Receive gets each good message, on the loop: it must not block.
	Receive func(src loop.Source, m *message.Message)
	// Closed is told of the end of each connection that Receive may have shown; may be nil.
	Closed func(*loop.Conn)
	// Panicked is told of a message that Receive panicked at; may be nil.
	Panicked func(src loop.Source, data []byte, reason any)
}

// Transport is the node's SIP sockets.
type Transport struct {
	cfg    Config
	loop   *loop.Loop
	listen [3][]netip.AddrPort // by loop.Transport
	routes routes
	stats  counters
	seed   maphash.Seed // of the tags of stateless answers

	names sync.Map // *loop.Conn → []string: what PeerNames found

	mu     sync.Mutex
	ctx    context.Context // of Run; nil before
	ended  bool
	queues map[queueKey]*queue
	dials  sync.WaitGroup
	idle   idle
	noTCP  refusals
}

// Why a message is not sent.
var (
	ErrEnded   = errors.New("the SIP transport is not running")
	ErrFlow    = errors.New("the flow is closed") // RFC 5626 section 5.3: the answer is 430
	ErrBusy    = errors.New("too many messages wait for a connection")
	ErrNowhere = errors.New("the next hop has no address")
	// ErrKey says that somebody else listens where a peer of the cluster did.
	ErrKey = errors.New("the other side has another key than the peer of the cluster at that address")
)

// New binds the addresses, and fails if one cannot be had.
func New(cfg Config) (*Transport, error) {
	if cfg.Scanners == nil {
		cfg.Scanners = Scanners()
	}
	t := &Transport{
		cfg: cfg, seed: maphash.MakeSeed(), queues: make(map[queueKey]*queue),
		listen: [3][]netip.AddrPort{loop.UDP: cfg.UDP, loop.TCP: cfg.TCP, loop.TLS: cfg.TLS},
	}
	var server *tls.Config
	if cfg.Certificate != nil {
		server = t.serverTLS()
	}
	l, err := loop.New(loop.Config{
		UDP: cfg.UDP, TCP: cfg.TCP, TLS: cfg.TLS, ServerTLS: server,
		NewFramer: func() loop.Framer { return &message.Framer{} },
		Handler:   receiver{t}, Limits: cfg.Limits, DialPorts: cfg.DialPorts, Panicked: cfg.Panicked,
	})
	if err != nil {
		return nil, err
	}
	t.loop = l
	return t, nil
}

// Run carries messages until ctx ends.
func (t *Transport) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	t.mu.Lock()
	t.ctx = ctx
	t.mu.Unlock()
	var tidy sync.WaitGroup
	tidy.Go(func() { t.closeUnused(ctx) })
	err := t.loop.Run(ctx)
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	cancel()
	t.dials.Wait()
	tidy.Wait()
	return err
}

// Listening is closed when messages come in from everywhere.
func (t *Transport) Listening() <-chan struct{} { return t.loop.Listening() }

// Drain takes no more connections. Those there go on, and UDP does.
func (t *Transport) Drain() { t.loop.Drain() }
