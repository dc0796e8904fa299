package agreement_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/membership"
)

// latency is half a round trip of what must be supported (CL-09).
const latency = 40 * time.Millisecond

// rig is some peers in this process, with TLS over loopback between them and a line that takes its time.
type rig struct {
	t     *testing.T
	cert  tls.Certificate
	peers map[cluster.ID]*peer
}

type peer struct {
	*agreement.Agreement
	rig      *rig
	cfg      agreement.Config
	listener net.Listener
	cut      atomic.Bool
	serving  sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	heard []agreement.Applied
}

func newRig(t *testing.T, ids ...cluster.ID) *rig {
	r := &rig{t: t, cert: certificate(t), peers: map[cluster.ID]*peer{}}
	for _, id := range ids {
		p := &peer{rig: r}
		p.cfg = agreement.Config{
			Self: id, Dir: t.TempDir(), Dial: func(ctx context.Context, to cluster.ID) (net.Conn, error) { return r.dial(ctx, p, to) },
			Boot: func() time.Duration { return time.Since(began) }, Applied: p.applied,
		}
		r.peers[id] = p
		p.open()
		p.listen()
	}
	t.Cleanup(r.close)
	return r
}

func certificate(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (p *peer) open() {
	a, err := agreement.Open(p.cfg)
	if err != nil {
		p.rig.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Agreement = a
}

func (p *peer) applied(a agreement.Applied) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = append(p.heard, a)
}

func (p *peer) listen() {
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{p.rig.cert}})
	if err != nil {
		p.rig.t.Fatal(err)
	}
	p.listener = l
	p.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if p.cut.Load() {
				c.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, c)
			a := p.Agreement
			p.mu.Unlock()
			a.Accept(slow(c))
		}
	})
}

func (r *rig) dial(ctx context.Context, from *peer, to cluster.ID) (net.Conn, error) {
	p := r.peers[to]
	if p == nil || p.cut.Load() || from.cut.Load() {
		return nil, errors.New("cut off")
	}
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	c, err := d.DialContext(ctx, "tcp", p.listener.Addr().String())
	if err != nil {
		return nil, err
	}
	from.mu.Lock()
	from.conns = append(from.conns, c)
	from.mu.Unlock()
	return slow(c), nil
}

// sever cuts a peer off, or lets it be reached again.
func (p *peer) sever(cut bool) {
	p.cut.Store(cut)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (r *rig) close() {
	for _, p := range r.peers {
		if err := p.Close(); err != nil {
			r.t.Error(err)
		}
		p.listener.Close()
		p.sever(true)
		p.serving.Wait()
	}
}

// until waits for what is so in the end.
func (r *rig) until(what string, is func() bool) {
	r.t.Helper()
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for end := time.After(30 * time.Second); !is(); {
		select {
		case <-every.C:
		case <-end:
			for id, p := range r.peers {
				r.t.Logf("%s: %+v", id, p.State())
			}
			r.t.Fatalf("not so: %s", what)
		}
	}
}

func (p *peer) step(how membership.How, id string, earlier ...string) {
	p.rig.t.Helper()
	w := membership.Write{Stored: membership.Stored{Cluster: id, Earlier: earlier}, How: how, Address: string(p.cfg.Self)}
	if err := p.Write(w); err != nil {
		p.rig.t.Fatal(err)
	}
}

// form makes a cluster of the peers, led by the first.
func (r *rig) form(id string, first cluster.ID, others ...cluster.ID) {
	r.t.Helper()
	r.peers[first].step(membership.Found, id)
	r.until("it leads", func() bool { return r.peers[first].State().Leads })
	for i, other := range others {
		r.peers[other].step(membership.Join, id)
		if err := r.peers[first].Add(other, string(other)); err != nil {
			r.t.Fatal(err)
		}
		r.until("one more votes", func() bool { return len(r.peers[other].State().Agreed.Voters) == i+2 })
	}
}

// leader is who leads, of those that are not cut off.
func (r *rig) leader() *peer {
	for _, p := range r.peers {
		if !p.cut.Load() && p.State().Leads {
			return p
		}
	}
	return nil
}

func amount(p *peer, name ledger.Resource) uint32 {
	t, _ := p.Table()
	return t.Totals[name].Amount
}

func total(name ledger.Resource, n uint32) ledger.Entry {
	return ledger.Entry{Resource: name, Total: &ledger.Total{Amount: n}}
}

// slowly is a connection whose bytes are under way for a while.
type slowly struct {
	net.Conn
	queue chan late
	once  sync.Once
	end   chan struct{}
}

type late struct {
	at   time.Time
	data []byte
}

func slow(c net.Conn) net.Conn {
	s := &slowly{Conn: c, queue: make(chan late, 1024), end: make(chan struct{})}
	go s.carry()
	return s
}

func (s *slowly) carry() {
	for {
		select {
		case <-s.end:
			return
		case l := <-s.queue:
			time.Sleep(time.Until(l.at)) // the line's, not the test's
			if _, err := s.Conn.Write(l.data); err != nil {
				s.Close()
				return
			}
		}
	}
}

func (s *slowly) Write(p []byte) (int, error) {
	select {
	case <-s.end:
		return 0, net.ErrClosed
	case s.queue <- late{time.Now().Add(latency), slices.Clone(p)}:
		return len(p), nil
	}
}

func (s *slowly) Close() error {
	s.once.Do(func() { close(s.end) })
	return s.Conn.Close()
}
