// Package places turns a target of the dial plan into the places that a request is sent
// to, one after the other until one answers.
//
// It exists because a target says who is meant and a request needs to know where: which
// of a zone's peers over which transport, over which of the flows that a phone has
// opened (RFC 5626), by which proxies in between (RFC 3327), which servers of a domain
// (RFC 3263). It also says with which of our addresses the place is reached, which is
// what decides whether media has to be relayed.
package places

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/neighbours"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// ErrNowhere means that the target cannot be reached at the moment: its registration has
// gone, or no peer of the zone has an address.
var ErrNowhere = errors.New("there is nowhere to send the request to")

// MaxPlaces bounds the places of one target.
const MaxPlaces = 16

// Place is somewhere a request for a target can be sent.
type Place struct {
	URI    message.URI       // Request-URI
	Routes []message.Address // Route headers, none of them ours
	Hop    transport.Hop
	// Zone is the target's: the Local Zone for a registration.
	Zone *zones.Zone
	// Subzone is the one that the endpoint is registered in.
	Subzone string
	// Side is our address there: what the place reaches us at.
	Side netip.Addr
	// NAT is where the endpoint's signalling comes from, when media may be learnt from that
	// address too (zones[].nat, default_subzone.nat); otherwise invalid.
	NAT netip.Addr
	// Nearby says that the place is reached on the internal side.
	Nearby bool
	// Peer is the peer of the cluster that the place is, by its index; 0: none. It is asked for
	// Endpoints of who has the name; none: all of them.
	Peer      uint8
	Endpoints []uint64
}

// Bindings are the registrations of this node (control/registrations.Table).
type Bindings interface {
	// Flows returns a registration and the other flows of its endpoint, best first.
	Flows(id uint64) []*registrations.Binding
}

// Connections are what registrations came over (the registrar).
type Connections interface {
	// Conn returns the connection that Binding.Flow names, nil when it has gone.
	Conn(flow uint64) *loop.Conn
}

// Neighbours know how SIP goes to zones (neighbours.Neighbours).
type Neighbours interface {
	Settings(z *zones.Zone) neighbours.Settings
	// Hops returns where a peer of a zone is, nil while its name has no known address.
	Hops(z *zones.Zone, peer int) []transport.Hop
}

// Peers are the other nodes of the cluster (peers.Table).
type Peers interface {
	// Hop returns where calls for a peer go; false: it is lost, or takes none.
	Hop(index uint8) (transport.Hop, bool)
}

// Locator finds the servers of a domain (locate.Resolver).
type Locator interface {
	Find(ctx context.Context, uri message.URI) ([]transport.Hop, error)
}

// Ways know which of our addresses leads somewhere (transport.Transport).
type Ways interface {
	Local(h transport.Hop) (netip.AddrPort, error)
}

// Poster runs functions on the goroutine that asked (shard.Shard).
type Poster interface {
	Post(f func()) bool
}

// Config is what a Finder asks.
type Config struct {
	Bindings    Bindings
	Connections Connections
	Neighbours  Neighbours
	Locator     Locator
	Ways        Ways
	Peers       Peers // nil: the node is in no cluster
	// Internal says whether an address of ours is on the internal side; Own whether an
	// address is ours at all. NAT says whether media of endpoints of a subzone may be learnt
	// from where their signalling comes from.
	Internal, Own func(netip.Addr) bool
	NAT           func(subzone string) bool
	Timeout       time.Duration // of asking name servers: 10 s
}

// Finder finds places. It may be used by any number of goroutines.
type Finder struct {
	Config
	ctx context.Context
}

// New returns a finder. Searches end with ctx.
func New(ctx context.Context, c Config) *Finder {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	return &Finder{Config: c, ctx: ctx}
}

// Find calls done with the places of a target, first choice first, or with an error. Where
// no name server has to be asked, done is called before Find returns; otherwise it is
// posted to on, which is the shard of whoever asks. t may change when Find returns.
func (f *Finder) Find(on Poster, t *dialplan.Target, done func([]Place, error)) {
	drafts, err := f.drafts(t)
	switch {
	case err != nil:
		done(nil, err)
	case !slices.ContainsFunc(drafts, draft.waits):
		done(f.finish(f.ctx, drafts))
	default:
		go f.later(on, drafts, done)
	}
}

func (f *Finder) drafts(t *dialplan.Target) ([]draft, error) {
	switch t.Kind {
	case dialplan.ToZone:
		return f.zone(t)
	case dialplan.ToBinding:
		return f.binding(t)
	case dialplan.ToAddress:
		return f.address(t)
	case dialplan.ToDNS:
		return f.domain(t)
	}
	return nil, ErrNowhere
}
