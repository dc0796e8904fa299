package member

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strconv"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/mesh"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/wire"
)

var (
	_ mesh.Handler = ear{}
	_ Mesh         = (*mesh.Mesh)(nil)
)

// ear is what the connections are told to.
type ear struct{ m *Member }

// Handler returns what the connections are told to.
func (m *Member) Handler() mesh.Handler { return ear{m} }

// Names of what a hello has besides: how its sender stands to the configuration.
const (
	extraActing     = "acting"
	extraGeneration = "generation"
	extraAuthor     = "author"
)

// Hello is what this node says of itself now. It may be asked before Run.
func (m *Member) Hello() wire.Hello {
	h := *m.hello.Load()
	h.Maintenance = m.maintenance.Load()
	return h
}

// say makes the hello anew, and has it sent where it has changed.
func (m *Member) say() {
	h := m.sayings()
	if old := m.hello.Load(); old != nil && reflect.DeepEqual(*old, h) {
		return
	}
	m.hello.Store(&h)
	if m.mesh != nil {
		m.mesh.Say()
	}
}

func (m *Member) sayings() wire.Hello {
	reign := m.revisions.Has().Reign
	h := wire.Hello{
		ID: m.cfg.Self, Incarnation: m.incarnation, Name: m.cfg.Name, Cluster: m.clusterID(), Settings: m.own, SIPTLS: m.cfg.SIPTLS,
		Extra: map[string]string{
			extraActing: strconv.FormatBool(m.revisions.Acting()), extraGeneration: text(reign.Generation), extraAuthor: string(reign.Author),
		},
	}
	m.bring(h.Extra)
	return h
}

// clusterID is of the cluster that this node has joined; empty: none.
func (m *Member) clusterID() string {
	if m.membership == nil {
		return ""
	}
	return m.membership.Stored().Cluster
}

// reignOf reads how a peer stands to the configuration.
func reignOf(h wire.Hello) (acting bool, r revisions.Reign) {
	generation, _ := strconv.ParseUint(h.Extra[extraGeneration], 10, 64) // 0: it has none
	return h.Extra[extraActing] == "true", revisions.Reign{Generation: generation, Author: cluster.ID(h.Extra[extraAuthor])}
}

// Connected implements mesh.Handler.
func (e ear) Connected(p mesh.Peer) {
	acting, reign := reignOf(p.Hello)
	e.m.inbox.meet(&contact{
		id: p.ID, entry: p.Address, addr: p.Addr.Addr(), key: p.Key, incarnation: p.Hello.Incarnation, number: p.Hello.Number, name: p.Hello.Name,
		cluster: p.Hello.Cluster, acting: acting, reign: reign, brings: brought(p.Hello.Extra), settings: p.Hello.Settings, sipTLS: p.Hello.SIPTLS, maintenance: p.Hello.Maintenance,
	})
}

// Received implements mesh.Handler.
func (e ear) Received(p mesh.Peer, message any) {
	e.m.inbox.receive(received{p.ID, message})
}

// Closed implements mesh.Handler.
func (e ear) Closed(p mesh.Peer, _ error) { e.m.inbox.post(closed{p.ID}) }

// Failed implements mesh.Handler.
func (e ear) Failed(address string, why error) { e.m.inbox.post(failed{address, why}) }

// Certificate implements mesh.Handler.
func (e ear) Certificate(address, fault string) {
	e.m.inbox.post(liveness.Certificate{Address: address, Fault: fault})
}

// Raft implements mesh.Handler.
func (e ear) Raft(_ mesh.Peer, conn net.Conn) { e.m.agreement.Accept(conn) }

// errNoRequest says that nobody answers requests of a name.
var errNoRequest = errors.New("this node does not know the request: it runs other software")

// Request implements mesh.Handler: only who has properly joined is answered, but for its way in (CL-02).
func (e ear) Request(ctx context.Context, p mesh.Peer, name string, body []byte) ([]byte, error) {
	if name == requestJoin {
		return e.m.admit(ctx, p.ID, body)
	}
	h := e.m.handlers[name]
	if h == nil {
		return nil, fmt.Errorf("%q: %w", name, errNoRequest)
	}
	if _, ok := e.m.Peer(p.ID); !ok {
		return nil, fmt.Errorf("%q: %w", name, ErrUnknownPeer)
	}
	return h(ctx, p.ID, body)
}
