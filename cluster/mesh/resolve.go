package mesh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/cluster/wire"
)

// Times of resolving. A peer whose address has changed is dialled and listened to after the first at most.
const (
	resolveEvery = 15 * time.Second
	resolveTime  = 5 * time.Second
	maxAddrs     = 16
)

// resolving keeps the addresses of an entry, and looks at its certificate again: it may have expired.
func (m *Mesh) resolving(ctx context.Context, e *entry) {
	tick := time.NewTicker(resolveEvery)
	defer tick.Stop()
	for {
		m.resolve(ctx, e)
		m.judgeAgain(e)
		m.showAgain(e)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-e.look:
		}
	}
}

// resolve finds what an entry stands for now. What it stood for holds on while DNS is silent.
func (m *Mesh) resolve(ctx context.Context, e *entry) {
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	addrs, mapped, err := m.lookup(ctx, e.address)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, now := m.mapping[strings.ToLower(e.address)]; err == nil && now == mapped { // else List has been here meanwhile
		e.stand(addrs, mapped)
	}
}

var errMapped = errors.New("the address mapping says another address")

// stand takes what an entry stands for. Of one that is mapped the presenting address has to be the one of the mapping
// (CL-07). Mesh.mu is held.
func (e *entry) stand(addrs []netip.Addr, mapped bool) {
	e.addrs, e.mapped = addrs, mapped
	for _, l := range e.lines {
		if mapped && !slices.Contains(addrs, l.peer.Addr.Addr()) {
			l.shut(errMapped)
		}
	}
}

// lookup asks the entry itself, the mapping, and then DNS (CL-07).
func (m *Mesh) lookup(ctx context.Context, address string) (addrs []netip.Addr, mapped bool, err error) {
	if a, err := netip.ParseAddr(address); err == nil {
		return []netip.Addr{plain(a)}, false, nil
	}
	m.mu.Lock()
	a, ok := m.mapping[strings.ToLower(address)]
	m.mu.Unlock()
	if ok {
		return []netip.Addr{a}, true, nil
	}
	all, err := m.cfg.Resolve(ctx, address)
	for _, a := range all {
		a = plain(a)
		if a.Is4() == m.cfg.Local.Is4() && len(addrs) < maxAddrs && !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("%s: %w: %w", address, err, ErrResolve)
	case len(addrs) == 0:
		return nil, false, fmt.Errorf("%s has no address of the cluster's IP version: %w", address, ErrResolve)
	}
	return addrs, false, nil
}

// target returns where to dial next: each address of an entry in turn.
func (m *Mesh) target(ctx context.Context, e *entry) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	addrs, _, err := m.lookup(ctx, e.address)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && !e.mapped {
		e.addrs = addrs
	}
	if len(e.addrs) == 0 {
		return netip.Addr{}, err
	}
	e.turn++
	return e.addrs[e.turn%len(e.addrs)], nil
}

// candidates are the entries that stand for an address.
func (m *Mesh) candidates(from netip.Addr) []*entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*entry
	for _, e := range m.entries {
		if slices.Contains(e.addrs, from) {
			out = append(out, e)
		}
	}
	return out
}

// CheckCertificates looks at the certificates of all connections that stand again: the trust list, a
// revocation list, the clock or this node's own certificate has changed. It is done by itself every 15 s.
func (m *Mesh) CheckCertificates() {
	m.mu.Lock()
	entries := slices.Clone(m.entries)
	m.mu.Unlock()
	for _, e := range entries {
		m.judgeAgain(e)
		m.showAgain(e)
	}
}

// judgeAgain looks at the certificate of a connection that stands.
func (m *Mesh) judgeAgain(e *entry) {
	m.mu.Lock()
	chain := e.chain
	connected := slices.ContainsFunc(e.lines, func(l *line) bool { return l.stream != wire.Recovery })
	m.mu.Unlock()
	if len(chain) == 0 || !connected {
		return
	}
	fault := m.fault(e.address, chain)
	m.tellCertificate(e, fault)
	if m.cfg.Enforce && fault != "" {
		m.mu.Lock()
		defer m.mu.Unlock()
		e.shut(fmt.Errorf("%s: %w", fault, ErrCertificate))
	}
}

var errRenewed = errors.New("this node has another certificate now")

// showAgain has connections made anew on which this node has shown a certificate that it had before: so the peers
// see what the new one is like, while it can still be changed (CL-05).
func (m *Mesh) showAgain(e *entry) {
	now := m.cfg.Certificate()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range e.lines {
		if (l.stream == wire.Rows || l.stream == wire.Bulk) && !bytes.Equal(l.shown.Certificate[0], now.Certificate[0]) {
			l.shut(errRenewed)
		}
	}
}
