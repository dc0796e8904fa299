package mesh

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"turnpike.dev/turnpike/cluster/wire"
)

// ringEvery is how often a datagram is sent to a port until one comes back.
const ringEvery = 200 * time.Millisecond

// maxFailed is after how many faults in a row a doorbell falls silent: they do not end by themselves.
const maxFailed = 16

// errNoEcho is why a UDP port is told not to be reached.
var errNoEcho = errors.New("no datagram comes back: a firewall between drops them")

// doorbell is the UDP port that peers use besides (CL-08), open while somebody asks whether it
// can be reached: it sends back what has the token of a question, and nothing else. Whoever has
// the port for good closes the doorbell by having it; then nobody is told anything of it.
type doorbell struct {
	at netip.AddrPort // port 0: there is none

	mu     sync.Mutex
	conn   *net.UDPConn // nil: it is shut
	tokens map[wire.Token]int
	done   chan struct{}
}

// open lets datagrams with the token come back until shut is called; false: somebody else has the port.
func (d *doorbell) open(token wire.Token) (shut func(), open bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at.Port() == 0 {
		return func() {}, false
	}
	if d.conn == nil {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(d.at))
		if err != nil {
			return func() {}, false
		}
		d.conn, d.tokens, d.done = conn, map[wire.Token]int{}, make(chan struct{})
		go d.answer(conn, d.done)
	}
	d.tokens[token]++
	return func() { d.shut(token) }, true
}

func (d *doorbell) shut(token wire.Token) {
	d.mu.Lock()
	if d.tokens[token]--; d.tokens[token] == 0 {
		delete(d.tokens, token)
	}
	var done chan struct{}
	if len(d.tokens) == 0 {
		_ = d.conn.Close()
		d.conn, done = nil, d.done
	}
	d.mu.Unlock()
	if done != nil {
		<-done
	}
}

func (d *doorbell) answer(conn *net.UDPConn, done chan struct{}) {
	defer close(done)
	var buf [2 * len(wire.Token{})]byte
	for failed := 0; failed < maxFailed; {
		n, from, err := conn.ReadFromUDPAddrPort(buf[:])
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			failed++
			continue
		}
		failed = 0
		if n == len(wire.Token{}) && d.knows(wire.Token(buf[:n])) {
			_, _ = conn.WriteToUDPAddrPort(buf[:n], from) // who rings does it again
		}
	}
}

func (d *doorbell) knows(token wire.Token) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tokens[token] > 0
}

func newToken() (t wire.Token) {
	_, _ = rand.Read(t[:]) // never fails (crypto/rand)
	return t
}

// ringer tries a UDP port by ringing until the token comes back. The datagrams come from another port than the
// doorbell's: a firewall must not take them for answers.
func (m *Mesh) ringer(token wire.Token) try {
	return func(ctx context.Context, at netip.AddrPort) error { return m.ring(ctx, at, token) }
}

func (m *Mesh) ring(ctx context.Context, at netip.AddrPort, token wire.Token) error {
	d := net.Dialer{}
	if m.cfg.Local.IsValid() && !m.cfg.Local.IsUnspecified() {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(m.cfg.Local, 0))
	}
	conn, err := d.DialContext(ctx, "udp", at.String())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var buf [2 * len(token)]byte
	for ctx.Err() == nil {
		if _, err := conn.Write(token[:]); err != nil {
			return err // ICMP says that nobody is there, or may be reached
		}
		_ = conn.SetReadDeadline(time.Now().Add(ringEvery))
		n, err := conn.Read(buf[:])
		if err == nil && n == len(token) && wire.Token(buf[:n]) == token {
			return nil
		}
		if t, ok := errors.AsType[net.Error](err); err != nil && (!ok || !t.Timeout()) {
			return err
		}
	}
	return errNoEcho
}
