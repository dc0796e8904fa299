// Package routing is the dial plan of a running node: it turns configuration into what
// control/zones and control/dialplan decide with, keeps the one that is in force, and
// answers an operator who asks where a call would go and why.
//
// It exists so that configuration and decisions stay apart: neither of the two knows
// the other's types. A change of configuration makes a new snapshot beside the running
// one; if that fails, the old one stays.
package routing

import (
	"errors"
	"net/netip"
	"sync/atomic"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/trace"
	"turnpike.dev/turnpike/control/zones"
)

// Snapshot is all that is decided with. It never changes.
type Snapshot struct {
	Zones   *zones.Directory
	Members *zones.Members
	Plan    *dialplan.Plan
}

// Surroundings are what decisions need and configuration does not say.
type Surroundings struct {
	Own      []netip.Addr            // this node's addresses
	Resolved map[string][]netip.Addr // of peers that are names
}

// Compile makes a snapshot, or returns everything that is wrong, each with the rule's
// name. With an old snapshot, what did not change is not compiled anew.
func Compile(n *config.Node, s Surroundings, old *Snapshot) (*Snapshot, error) {
	dir, err := zones.Compile(zonesOf(n, s))
	if err != nil {
		return nil, err
	}
	next := &Snapshot{Zones: dir}
	var memberErr, planErr error
	next.Members, memberErr = zones.CompileMembers(membersOf(n))
	if old == nil {
		next.Plan, planErr = dialplan.Compile(planOf(n, s, dir))
	} else {
		next.Plan, planErr = old.Plan.Change(planOf(n, s, dir))
	}
	if err := errors.Join(memberErr, planErr); err != nil {
		return nil, err
	}
	return next, nil
}

// Router is the snapshot in force, with what it asks at the moment of a call. It may
// be used by any number of goroutines.
type Router struct {
	now     atomic.Pointer[Snapshot]
	network atomic.Pointer[dialplan.Network]
}

// New returns a router for a configuration.
func New(n *config.Node, s Surroundings) (*Router, error) {
	r := &Router{}
	r.network.Store(&dialplan.Network{})
	return r, r.Change(n, s)
}

// Change puts a configuration in force. Where that is not possible it changes nothing.
// Changes come one after the other.
func (r *Router) Change(n *config.Node, s Surroundings) error {
	next, err := Compile(n, s, r.now.Load())
	if err != nil {
		return err
	}
	r.now.Store(next)
	return nil
}

// Connect gives the router registrations and the health of zones, when they are there.
func (r *Router) Connect(n dialplan.Network) { r.network.Store(&n) }

// Snapshot returns what is in force. A call that asks several times keeps one.
func (r *Router) Snapshot() *Snapshot { return r.now.Load() }

// Locate fills out with the targets of a request, by the snapshot in force.
func (r *Router) Locate(req *dialplan.Request, out *dialplan.Result, t *trace.Trace) {
	r.now.Load().Plan.Locate(req, *r.network.Load(), out, t)
}

// Register says whether an endpoint may register, and into which subzone.
func (r *Router) Register(e zones.Endpoint, t *trace.Trace) zones.Admission {
	return r.now.Load().Members.Register(e, t)
}
