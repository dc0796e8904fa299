// Package loop carries signalling: it owns the sockets, cuts streams into messages, and
// holds off whoever sends too much, too slowly or too often. It knows neither SIP nor
// H.323; a Framer says where a message ends, and a Handler gets it whole.
//
// It exists so that everything the wire can do to a socket is bounded in one place
// before a parser sees a byte: connections in all and of a source, the time to complete
// a message, what waits to be sent to a slow reader, handshakes under way, requests a
// second of a source. Streams run on a few gnet loops without a goroutine each; TLS is
// crypto/tls on the same loops, with only the handshake on a goroutine of its own.
//
// Connections are accepted here and handed to gnet, not by gnet: a gnet acceptor ends
// the whole engine when the process is out of descriptors, ours waits until there are
// some.
package loop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// Transport is how messages travel.
type Transport uint8

// The transports.
const (
	UDP Transport = iota
	TCP
	TLS
)

var transportNames = [...]string{"udp", "tcp", "tls"}

// String returns the transport's name in lower case.
func (t Transport) String() string { return transportNames[t] }

// Source is where a message came from. Conn is nil for UDP.
type Source struct {
	Transport     Transport
	Local, Remote netip.AddrPort
	Conn          *Conn
	// OverRate: the source of a stream sends more than it may. A datagram of such a source
	// is dropped before; of a stream nothing can be, so that it is for the handler to refuse.
	OverRate bool
}

// Handler gets what comes in. Its methods run on the loops: they must not block.
type Handler interface {
	// Message is one whole message. data is valid until it returns.
	Message(from Source, data []byte)
	// Closed is called once for each connection that Message or Dial has shown.
	Closed(c *Conn)
}

// Frame says what begins at the start of a stream's bytes. The zero value: nothing
// whole yet.
type Frame struct {
	Skip  int    // bytes in front that are no message
	Size  int    // bytes of the message behind them; 0: none
	Reply []byte // what the other side is sent at once, as an answer to a keep-alive
}

// Framer finds messages in one stream. It may remember how far it has looked: it is
// asked again with the same bytes and more behind them, until what it found is taken.
type Framer interface {
	Next(b []byte) (Frame, error)
}

// Config says what to listen on and for whom.
type Config struct {
	UDP, TCP, TLS []netip.AddrPort // each address is bound by itself: never the unspecified one
	ServerTLS     *tls.Config      // for TLS
	NewFramer     func() Framer
	Handler       Handler
	Limits        Limits
	DialPorts     Ports // local ports of dialled connections
	Loops         int   // 0: one for each CPU
	// Panicked is told of a message that the handler panicked at; may be nil.
	Panicked func(from Source, data []byte, reason any)
}

// Loop is the sockets of one protocol.
type Loop struct {
	cfg     Config
	admit   *admission
	rates   *rates
	stats   counters
	streams *gnet.Client
	udp     *udpEngine

	shake    chan struct{} // a token for each handshake under way
	ready    chan struct{}
	nextPort atomic.Uint32

	mu        sync.Mutex
	conns     map[*Conn]struct{}
	byKey     map[connKey]*Conn
	listeners []*listener
	dials     sync.WaitGroup
	closing   bool
}

// New binds the streams' addresses, and fails if one cannot be had. Nothing is read
// before Run.
func New(cfg Config) (*Loop, error) {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Loops == 0 {
		cfg.Loops = runtime.NumCPU()
	}
	l := &Loop{
		cfg:   cfg,
		admit: newAdmission(cfg.Limits),
		rates: newRates(cfg.Limits),
		shake: make(chan struct{}, cfg.Limits.Handshakes),
		ready: make(chan struct{}),
		conns: make(map[*Conn]struct{}),
		byKey: make(map[connKey]*Conn),
	}
	l.udp = newUDP(l)
	if err := l.bind(); err != nil {
		l.Drain()
		return nil, err
	}
	return l, nil
}

func (l *Loop) bind() error {
	for _, at := range slices.Concat(l.cfg.UDP, l.cfg.TCP, l.cfg.TLS) {
		if at.Addr().IsUnspecified() || at.Port() == 0 {
			return fmt.Errorf("listen for signalling on %s: want one of the node's addresses and a port", at)
		}
	}
	for _, at := range l.cfg.TCP {
		if err := l.listen(at, nil); err != nil {
			return err
		}
	}
	if len(l.cfg.TLS) > 0 && l.cfg.ServerTLS == nil {
		return errors.New("listen for signalling over TLS: there is no certificate")
	}
	for _, at := range l.cfg.TLS {
		if err := l.listen(at, l.cfg.ServerTLS); err != nil {
			return err
		}
	}
	return nil
}

// Listening is closed when messages come in from everywhere.
func (l *Loop) Listening() <-chan struct{} { return l.ready }

// Run carries messages until ctx ends, and closes everything then.
func (l *Loop) Run(ctx context.Context) error {
	streams, err := gnet.NewClient(&streamEvents{loop: l},
		gnet.WithNumEventLoop(l.cfg.Loops), gnet.WithTCPNoDelay(gnet.TCPNoDelay), gnet.WithLogger(quiet{}))
	if err == nil {
		err = streams.Start()
	}
	if err != nil {
		l.Drain()
		return fmt.Errorf("start the signalling loops: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	l.streams = streams
	l.mu.Unlock()

	failed := make(chan error, 1)
	var datagrams, accepting sync.WaitGroup
	datagrams.Go(func() { failed <- l.udp.run() })
	for _, ln := range l.listeners {
		accepting.Go(func() { l.accept(ctx, ln) })
	}
	accepting.Go(func() { l.sweep(ctx) })
	select {
	case <-l.udp.ready:
		close(l.ready)
		if err = l.untilEnd(ctx, failed); err != nil {
			err = fmt.Errorf("receive signalling over UDP: %w", err)
		}
	case err = <-failed:
		err = fmt.Errorf("receive signalling over UDP: %w", err)
	}

	// Nobody may hand a connection to loops that have stopped.
	l.Drain()
	cancel()
	accepting.Wait()
	l.dials.Wait()
	l.closeAll()
	err = errors.Join(err, l.udp.stop(), streams.Stop())
	datagrams.Wait()
	return err
}

// untilEnd waits for the end, or for UDP to fail; without UDP addresses it ends at once,
// and that is no failure.
func (l *Loop) untilEnd(ctx context.Context, failed <-chan error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			if err != nil || len(l.cfg.UDP) > 0 {
				return errors.Join(err, errors.New("gnet ended"))
			}
			failed = nil
		}
	}
}

// Drain takes no more connections. Those there go on, and UDP does.
func (l *Loop) Drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	for _, ln := range l.listeners {
		_ = ln.Close() // or is closed already
	}
}

func (l *Loop) closeAll() {
	l.mu.Lock()
	all := make([]*Conn, 0, len(l.conns))
	for c := range l.conns {
		all = append(all, c)
	}
	l.mu.Unlock()
	for _, c := range all {
		c.CloseFor(ErrEnding)
	}
}

// sweepEvery is how exactly times are kept that only rude peers meet.
const sweepEvery = 250 * time.Millisecond

// sweep closes connections that take too long: to complete a message, to shake hands,
// or idle beyond what is allowed to somebody unknown.
func (l *Loop) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			l.rates.forget(now)
			for _, c := range l.late(now) {
				c.CloseFor(c.lateFor(now, l.cfg.Limits))
			}
		}
	}
}

func (l *Loop) late(now time.Time) []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	var late []*Conn
	for c := range l.conns {
		if c.lateFor(now, l.cfg.Limits) != nil {
			late = append(late, c)
		}
	}
	return late
}

// quiet: what gnet logs is either ours to log or nobody's.
type quiet struct{}

func (quiet) Debugf(string, ...any) {}
func (quiet) Infof(string, ...any)  {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(string, ...any) {}
