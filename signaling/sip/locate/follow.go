package locate

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// place is a host and port that a transport is spoken at.
type place struct {
	host      string
	port      uint16
	transport loop.Transport
}

// follow asks what a plan says.
func (r *Resolver) follow(ctx context.Context, p plan) ([]transport.Hop, error) {
	if p.address.IsValid() {
		if !r.using.Load().reaches(p.address) {
			return nil, ErrNotFound
		}
		return []transport.Hop{hop(p.fallback, netip.AddrPortFrom(p.address, p.port), p.host)}, nil
	}
	places, err := r.services(ctx, p)
	if err != nil {
		return nil, err
	}
	if places == nil { // RFC 3263 section 4.2: no SRV records, the host itself
		places = []place{{p.host, p.port, p.fallback}}
	}
	return r.hops(ctx, p.host, places)
}

// services asks for the SRV records of a plan, all services at once. Nil: there are none.
func (r *Resolver) services(ctx context.Context, p plan) ([]place, error) {
	found := make([][]place, len(p.services))
	errs := make([]error, len(p.services))
	var wait sync.WaitGroup
	for i, s := range p.services {
		wait.Go(func() { found[i], errs[i] = r.service(ctx, s, p.host) })
	}
	wait.Wait()
	var all []place
	refused := false
	for i := range found {
		all = append(all, found[i]...)
		refused = refused || errors.Is(errs[i], errNotOffered)
	}
	switch {
	case len(all) > 0:
		return all[:min(len(all), MaxHops)], nil
	case refused: // the domain says that it has no such service (RFC 2782)
		return nil, ErrNotFound
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	return nil, nil
}

var errNotOffered = errors.New("the domain says that it does not offer the service")

// service returns the places that one service's SRV records name, in the order of
// RFC 2782.
func (r *Resolver) service(ctx context.Context, s service, host string) ([]place, error) {
	records, err := r.srv(ctx, s.prefix+host)
	if err != nil {
		return nil, err
	}
	if len(records) == 1 && records[0].target == "." {
		return nil, errNotOffered
	}
	var out []place
	for _, rec := range order(records, r.random) {
		out = append(out, place{rec.target, rec.port, s.transport})
	}
	return out, nil
}

// hops looks the hosts of places up, all at once, and keeps their order.
func (r *Resolver) hops(ctx context.Context, domain string, places []place) ([]transport.Hop, error) {
	found := make([][]netip.Addr, len(places))
	errs := make([]error, len(places))
	var wait sync.WaitGroup
	for i, p := range places {
		wait.Go(func() { found[i], errs[i] = r.addresses(ctx, p.host) })
	}
	wait.Wait()
	var out []transport.Hop
	for i, p := range places {
		for _, a := range found[i] {
			if len(out) < MaxHops {
				out = append(out, hop(p.transport, netip.AddrPortFrom(a, p.port), domain))
			}
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	for _, err := range errs {
		if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	return nil, ErrNotFound
}

func hop(t loop.Transport, at netip.AddrPort, domain string) transport.Hop {
	h := transport.Hop{Transport: t, Remote: at}
	if t == loop.TLS {
		h.Name = strings.ToLower(strings.TrimSuffix(domain, "."))
	}
	return h
}
