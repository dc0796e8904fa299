package b2bua

import (
	"fmt"
	"sync"
	"time"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/licensing"
)

// configure gives the rig's node other things to have than it has by default: the zone
// "in" behind a pipe, and everything without limits.
func (r *rig) configure(change func(*config.Node)) {
	r.t.Helper()
	n := config.Default()
	n.System.Platform = config.PlatformLarge
	n.Zones = []config.Zone{{Name: "in", Type: config.ZoneNeighbour}, {Name: "out", Type: config.ZoneNeighbour}}
	n.Pipes = []config.Pipe{{Name: "line"}}
	n.Links = []config.Link{
		{Name: "1", Node1: config.DefaultSubzoneName, Node2: config.TraversalSubzoneName},
		{Name: "2", Node1: config.DefaultSubzoneName, Node2: config.DefaultZoneName},
		{Name: "3", Node1: config.TraversalSubzoneName, Node2: config.DefaultZoneName},
		{Name: "cluster", Node1: config.DefaultSubzoneName, Node2: config.ClusterSubzoneName},
		{Name: "inside", Node1: "in", Node2: config.TraversalSubzoneName, Pipe1: "line"},
		{Name: "direct", Node1: "in", Node2: config.DefaultSubzoneName, Pipe1: "line"},
		{Name: "outside", Node1: "out", Node2: config.TraversalSubzoneName},
		{Name: "from outside", Node1: "out", Node2: config.DefaultSubzoneName},
	}
	change(n)
	var err error
	if r.has == nil {
		r.has, err = resources.New(n, r.keys, resources.Deps{})
	} else {
		err = r.has.Change(n, r.keys)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// Admit makes the rig the Resources of its node, so that a test may change them.
func (r *rig) Admit(serial string, w resources.Want) (*resources.Grant, error) {
	return r.has.Admit(serial, w)
}

// Await waits for what the cluster lends, unless nobody is called.
func (r *rig) Await(w *resources.Waiter, of *resources.Shortage, again func()) bool {
	if r.deaf {
		again = func() {}
	}
	return r.has.Await(w, of, again)
}

// buckets are a relay's that polices nobody.
type buckets struct{ last relay.Group }

func (b *buckets) OpenGroup(string, uint32, time.Duration) (relay.Group, error) {
	b.last++
	return b.last, nil
}
func (b *buckets) SetGroup(relay.Group, uint32, time.Duration) error { return nil }
func (b *buckets) CloseGroup(relay.Group)                            {}
func (b *buckets) GroupStats(relay.Group) relay.GroupStats           { return relay.GroupStats{} }

// elsewhere is a call of somebody else's that crosses the pipe; kbps 0 is the default.
func elsewhere(kbps uint32) resources.Want {
	return resources.Want{Connected: true, Streams: 2, Ways: []resources.Way{{
		From: resources.Party{Node: config.DefaultZoneName, Party: licensing.Party{Stranger: true, SIP: true}},
		To:   resources.Party{Node: "in", Party: licensing.Party{SIP: true}}, Traversal: true, Asked: kbps,
	}}}
}

// occupy begins such a call.
func (r *rig) occupy(kbps uint32) *resources.Grant {
	r.t.Helper()
	g, err := r.has.Admit("another call", elsewhere(kbps))
	if err != nil {
		r.t.Fatal(err)
	}
	r.others = append(r.others, g)
	return g
}

// granted fails where any call has something.
func (r *rig) granted() {
	r.t.Helper()
	for _, g := range r.others {
		g.Release()
	}
	for _, g := range r.has.Grants() {
		r.t.Errorf("%s has still a grant: %+v", g.Serial, g.Granted)
	}
	for _, l := range r.has.Levels() {
		if l.Used != 0 {
			r.t.Errorf("%d of %s are in use", l.Used, l.Name)
		}
	}
	for _, o := range r.has.Objects() {
		if o.Calls != 0 || o.GrantedKbps != 0 {
			r.t.Errorf("%s %s has %d calls with %d kbps", o.Kind, o.Name, o.Calls, o.GrantedKbps)
		}
	}
}

// on is what is in use of an object.
func (r *rig) on(name string) uint64 {
	for _, o := range r.has.Objects() {
		if o.Name == name {
			return o.GrantedKbps
		}
	}
	return 0
}

// used is what is in use of a limit.
func (r *rig) used(level string) uint32 {
	for _, l := range r.has.Levels() {
		if l.Name == level {
			return l.Used
		}
	}
	return 0
}

// events keeps what the event log is told.
type events struct {
	mu  sync.Mutex
	all [][2]string
}

func (e *events) Event(event string, kv ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, [2]string{event, fmt.Sprint(kv...)})
}

// of returns the fields of all events of a name.
func (e *events) of(event string) (found []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.all {
		if a[0] == event {
			found = append(found, a[1])
		}
	}
	return found
}
