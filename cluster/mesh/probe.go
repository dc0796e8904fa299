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
	"time"

	"turnpike.dev/turnpike/cluster/wire"
)

// Bounds of probes.
const (
	probeTime = 10 * time.Second
	tryTime   = 2 * time.Second
	maxProbes = 4 // connections of stream Recovery with one entry
)

// Probe is what was found of an entry by asking it on its recovery port (CL-19).
type Probe struct {
	wire.Probe
	Address string
	Addr    netip.Addr
	RTT     time.Duration
	Key     [32]byte
	Pinned  bool   // it shows the key that is pinned
	Fault   string // of its certificate, as Enforce sees it
	// There says which of its ports cannot be reached from here, Here which of this node's from there, and why (20021).
	There, Here map[uint16]string
	// ThereUDP and HereUDP say the same of the UDP port that peers use besides; of one that somebody has
	// for good, or that the other end has not, nothing is said.
	ThereUDP, HereUDP map[uint16]string
	// NAT is the address that it sees this node at, where that is another than this node's.
	NAT string
}

// Probe asks an entry what it is, joined or not, and tries the ports in both directions. A mesh that does not run
// opens its own ports for that time. The address need not be in the list.
func (m *Mesh) Probe(ctx context.Context, address string) (Probe, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTime, errors.New("it does not answer in time"))
	defer cancel()
	defer m.openDoors()()
	e := newEntry(address)
	out := Probe{Address: address}
	addr, err := m.target(ctx, e)
	if err != nil {
		return out, err
	}
	out.Addr = addr
	out.There = closed(tryPorts(ctx, addr, []uint16{m.cfg.RecoveryPort, m.cfg.Port}, m.connect))
	start := time.Now()
	l, err := m.open(ctx, e, wire.Recovery)
	if err != nil {
		return out, err
	}
	defer l.shut(errEnding)
	out.RTT = time.Since(start) / 3 // TCP, TLS and the welcome are a round trip each
	err = l.within(ctx, func() error { return m.question(ctx, l, &out) })
	if err != nil {
		return out, l.ended(err)
	}
	return out, nil
}

func (m *Mesh) question(ctx context.Context, l *line, out *Probe) error {
	q := wire.Question{Protocol: wire.Protocol, Ports: []uint16{m.cfg.RecoveryPort, m.cfg.Port}, Token: newToken()}
	shut, open := m.bell.open(q.Token)
	defer shut()
	if open {
		q.UDP = []uint16{m.cfg.UDPPort}
	}
	if err := l.write(q); err != nil {
		return err
	}
	message, err := l.read(wire.MaxFrame, probeTime)
	if err != nil {
		return err
	}
	p, ok := message.(wire.Probe)
	if !ok {
		return fmt.Errorf("%T instead of an answer: %w", message, ErrProtocol)
	}
	chain := l.ConnectionState().PeerCertificates
	out.Probe, out.Key, out.Fault = p, keyOf(chain[0]), m.fault(out.Address, chain)
	out.Pinned, _ = m.pins.has(out.Address, out.Key)
	out.Here, out.HereUDP = closed(p.Ports), closed(p.UDP)
	out.ThereUDP = closed(tryPorts(ctx, out.Addr, p.Bells, m.ringer(q.Token)))
	if seen, err := netip.ParseAddr(p.Seen); err == nil && m.cfg.Local.IsValid() && !m.cfg.Local.IsUnspecified() && seen != m.cfg.Local {
		out.NAT = p.Seen
	}
	return nil
}

// closed leaves only the ports that cannot be reached.
func closed(all map[uint16]string) map[uint16]string {
	out := make(map[uint16]string)
	for port, why := range all {
		if why != "" {
			out[port] = why
		}
	}
	return out
}

// openDoors opens the node's ports while nobody else has them, so that it can be tried whether they are reached.
func (m *Mesh) openDoors() (shut func()) {
	var doors []net.Listener
	var work sync.WaitGroup
	for _, port := range []uint16{m.cfg.Port, m.cfg.RecoveryPort} {
		door, err := m.listen(netip.AddrPortFrom(m.cfg.Local, port))
		if err != nil {
			continue // the mesh runs, or who has the port is found by who tries it
		}
		doors = append(doors, door)
		work.Go(func() {
			for c, err := door.Accept(); err == nil; c, err = door.Accept() {
				_ = c.Close() // it is open: that was the question
			}
		})
	}
	return func() {
		closeAll(doors)
		work.Wait()
	}
}

// try says why a port cannot be reached; nil: it can.
type try func(ctx context.Context, at netip.AddrPort) error

// tryPorts says of each port why it cannot be reached; empty: it can. They are tried all at once.
func tryPorts(ctx context.Context, at netip.Addr, ports []uint16, how try) map[uint16]string {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	out := make(map[uint16]string, len(ports))
	var mu sync.Mutex
	var work sync.WaitGroup
	for _, port := range ports {
		work.Go(func() {
			why := ""
			if err := how(ctx, netip.AddrPortFrom(at, port)); err != nil {
				why = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			out[port] = why
		})
	}
	work.Wait()
	return out
}

// connect tries a TCP port.
func (m *Mesh) connect(ctx context.Context, at netip.AddrPort) error {
	c, err := m.dial(ctx, at)
	if err == nil {
		_ = c.Close() // it is open: that was the question
	}
	return err
}

// recover answers on the recovery port: joined or not, to entries of the list only.
func (m *Mesh) recover(ctx context.Context, l *line) {
	defer l.shut(errEnding)
	if m.lines(l.entry, wire.Recovery) > maxProbes {
		m.refuse(l.entry, l.peer.Addr, ErrBusy)
		return
	}
	message, err := l.read(wire.MaxFrame, greetTime)
	q, ok := message.(wire.Question)
	if err != nil || !ok {
		m.refuse(l.entry, l.peer.Addr, fmt.Errorf("no question comes: %w", ErrProtocol))
		return
	}
	var p wire.Probe
	if m.cfg.Probe != nil {
		p = m.cfg.Probe()
	}
	from := l.peer.Addr.Addr()
	p.Hello, p.Seen = m.cfg.Hello(), from.String()
	// Only ports of the cluster, and only of who asks: nobody can have others tried.
	low := func(port uint16) bool { return port < 1024 }
	var work sync.WaitGroup
	work.Go(func() { p.UDP = tryPorts(ctx, from, slices.DeleteFunc(q.UDP, low), m.ringer(q.Token)) })
	p.Ports = tryPorts(ctx, from, slices.DeleteFunc(q.Ports, low), m.connect)
	work.Wait()
	if shut, open := m.bell.open(q.Token); open {
		defer shut()
		p.Bells = []uint16{m.cfg.UDPPort}
	}
	if err := l.write(p); err != nil {
		m.cfg.Log.Warn("Cluster Question Not Answered", "Peer", l.entry.address, "Detail", strings.TrimSpace(err.Error()))
		return
	}
	_, _ = l.read(wire.MaxFrame, greetTime) // until the peer has read it and closes
}

func (m *Mesh) lines(e *entry, s wire.Stream) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, l := range e.lines {
		if l.stream == s {
			n++
		}
	}
	return n
}
