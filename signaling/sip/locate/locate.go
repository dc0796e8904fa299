// Package locate finds where a request for a SIP URI goes: the addresses of a domain's
// servers, with port and transport, in the order in which they are tried (RFC 3263).
//
// It exists because the system's resolver does not tell how long an answer holds, is
// not bound to the name servers that the node is configured with (dns.servers), and
// blocks whoever asks twice for a name that nobody answers for. Here every question is
// asked once at a time, answers and refusals are kept for as long as they say but
// within bounds, and a flood of names that do not exist costs a bounded number of
// questions.
//
// NAPTR (RFC 3263 section 4.1) is optional there and not asked for: the SRV records
// that it would lead to are asked for directly, TLS before TCP before UDP. The
// parameter maddr is not followed: it would let whoever wrote a URI choose the host
// that policy did not see.
package locate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// MaxHops is how many places one search gives: a caller does not wait for more.
const MaxHops = 16

// Why nothing was found.
var (
	ErrNotFound    = errors.New("the name has no address")
	ErrUnavailable = errors.New("no name server answers")
	ErrBusy        = errors.New("too many names are being looked up")
	ErrTransport   = errors.New("the URI asks for a transport that is not spoken")
)

// Config is what a Resolver asks and for whom.
type Config struct {
	// Servers are the name servers, each tried after those before it (dns.servers); empty:
	// those of resolv.conf(5).
	Servers []netip.AddrPort
	// Search are domains in which names without a dot are tried (dns.search).
	Search []string
	// IPv4 and IPv6 say which families the node's sides have: other addresses cannot be
	// reached. Neither: both are taken.
	IPv4, IPv6 bool
	Limits     Limits
	// Random returns a number below n, for the weights of RFC 2782; nil: a good one.
	Random func(n int) int
	Now    func() time.Time // nil: time.Now
	// Hosts is a file in the manner of hosts(5) that is looked at before name servers;
	// empty: /etc/hosts.
	Hosts string
}

// Limits bounds what looking up may cost. Zero fields have the defaults of their comment.
type Limits struct {
	Query    time.Duration // wait for one answer of one server: 2 s
	Lookup   time.Duration // wait for one question, all servers together: 8 s
	Cached   int           // answers that are kept: 4096
	InFlight int           // questions under way: 256
	MinTTL   time.Duration // an answer holds at least: 5 s
	MaxTTL   time.Duration // and at most: 1 h
	Negative time.Duration // that there is none, at most: 60 s
	Failure  time.Duration // that nobody answered: 5 s
}

func (l Limits) filled() Limits {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&l.Query, 2*time.Second)
	set(&l.Lookup, 8*time.Second)
	set(&l.MinTTL, 5*time.Second)
	set(&l.MaxTTL, time.Hour)
	set(&l.Negative, time.Minute)
	set(&l.Failure, 5*time.Second)
	if l.Cached == 0 {
		l.Cached = 4096
	}
	if l.InFlight == 0 {
		l.InFlight = 256
	}
	return l
}

// Resolver finds hops. It may be used by any number of goroutines.
type Resolver struct {
	limits Limits
	random func(n int) int
	now    func() time.Time

	using atomic.Pointer[surroundings]

	mu      sync.Mutex
	entries map[question]*entry
	flying  int
}

// New returns a resolver with an empty cache.
func New(c Config) *Resolver {
	r := &Resolver{limits: c.Limits.filled(), random: c.Random, now: c.Now, entries: map[question]*entry{}}
	if r.random == nil {
		r.random = rand.IntN
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.Use(c)
	return r
}

// Use changes servers, search domains, families and hosts, and forgets what was known.
func (r *Resolver) Use(c Config) {
	r.using.Store(newSurroundings(c))
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.entries)
}

// Find returns where a request for a URI goes, first choice first (RFC 3263 section 4),
// at most MaxHops places. Of a place that is reached over TLS, Name is the URI's domain,
// which its certificate has to show (RFC 5922 section 4): it was not the name server's
// to say. It blocks while name servers are asked.
func (r *Resolver) Find(ctx context.Context, uri message.URI) ([]transport.Hop, error) {
	plan, err := planFor(uri)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", uri.Host, err)
	}
	hops, err := r.follow(ctx, plan)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", uri.Host, err)
	}
	return hops, nil
}

// Addresses returns the addresses of a host, or the address that it is.
func (r *Resolver) Addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, ok := numeric(host); ok {
		return []netip.Addr{a}, nil
	}
	addrs, err := r.addresses(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	return addrs, nil
}
