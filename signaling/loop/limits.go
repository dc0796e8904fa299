package loop

import (
	"net/netip"
	"sync"
	"time"
)

// Limits bounds what the wire may do. Zero fields have the defaults of their comment.
type Limits struct {
	Message      int           // bytes of a message: 64 KiB
	Complete     time.Duration // from a message's first byte to its last: 5 s
	Handshake    time.Duration // of TLS, and of a dialled connection: 5 s
	Handshakes   int           // under way at a time: 1000
	Idle         time.Duration // without a message, unless the connection is kept: 30 s
	Connections  int           // in all: 10,000
	PerSource    int           // connections of one address (IPv6: of one /64): 200
	Outbound     int           // bytes that wait for a slow reader: 1 MiB
	Rate         int           // messages a second of one source: 1000; a datagram over it is dropped, a message of a stream marked
	Burst        int           // messages at once of one source: 2 × Rate
	RatedSources int           // sources that are counted apart: 65,536
}

func (l Limits) withDefaults() Limits {
	put(&l.Message, 64<<10)
	put(&l.Complete, 5*time.Second)
	put(&l.Handshake, 5*time.Second)
	put(&l.Handshakes, 1000)
	put(&l.Idle, 30*time.Second)
	put(&l.Connections, 10_000)
	put(&l.PerSource, 200)
	put(&l.Outbound, 1<<20)
	put(&l.Rate, 1000)
	put(&l.Burst, 2*l.Rate)
	put(&l.RatedSources, 1<<16)
	return l
}

func put[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// origin is what counts as one source: an address, or the /64 that one IPv6 site has.
func origin(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is4() {
		return a
	}
	p, _ := a.WithZone("").Prefix(64) // 64 is a valid length
	return p.Addr()
}

// admission counts connections, in all and by source.
type admission struct {
	limits Limits

	mu     sync.Mutex
	all    int
	source map[netip.Addr]int
}

func newAdmission(l Limits) *admission {
	return &admission{limits: l, source: make(map[netip.Addr]int)}
}

// take counts one more connection, or says why there may not be one.
func (a *admission) take(from netip.Addr) error {
	from = origin(from)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all >= a.limits.Connections {
		return ErrTooMany
	}
	if a.source[from] >= a.limits.PerSource {
		return ErrTooManyOfSource
	}
	a.all++
	a.source[from]++
	return nil
}

func (a *admission) give(from netip.Addr) {
	from = origin(from)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all--
	if a.source[from]--; a.source[from] == 0 {
		delete(a.source, from)
	}
}

func (a *admission) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all
}
