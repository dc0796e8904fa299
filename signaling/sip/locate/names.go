package locate

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// srv returns the SRV records of a service.
func (r *Resolver) srv(ctx context.Context, name string) ([]record, error) {
	var err error
	for _, full := range r.using.Load().names(name, 2) {
		var a answer
		if a, err = r.ask(ctx, question{full, dns.TypeSRV}); err == nil {
			return a.records, nil
		}
	}
	return nil, orNotFound(err)
}

// addresses returns the addresses of a host that the node's sides reach, IPv6 before IPv4
// (RFC 6724 section 2.1).
func (r *Resolver) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	s := r.using.Load()
	if addrs := s.hosts[fold(host)]; len(addrs) > 0 {
		return s.reachable(addrs), nil
	}
	var err error
	for _, full := range s.names(host, 0) {
		var addrs []netip.Addr
		if addrs, err = r.bothFamilies(ctx, s, full); err == nil {
			return addrs, nil
		}
	}
	return nil, orNotFound(err)
}

// bothFamilies asks for the addresses of a whole name. Where one family's question fails
// and the other's does not, what is there is used.
func (r *Resolver) bothFamilies(ctx context.Context, s *surroundings, name string) ([]netip.Addr, error) {
	var six, four answer
	errSix, errFour := error(ErrNotFound), error(ErrNotFound)
	var wait sync.WaitGroup
	if s.ipv6 {
		wait.Go(func() { six, errSix = r.ask(ctx, question{name, dns.TypeAAAA}) })
	}
	if s.ipv4 {
		wait.Go(func() { four, errFour = r.ask(ctx, question{name, dns.TypeA}) })
	}
	wait.Wait()
	if all := append(append([]netip.Addr{}, six.addrs...), four.addrs...); len(all) > 0 {
		return all, nil
	}
	if !errors.Is(errSix, ErrNotFound) {
		return nil, errSix
	}
	return nil, errFour
}

func orNotFound(err error) error {
	if err == nil {
		return ErrNotFound
	}
	return err
}

func fold(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }
