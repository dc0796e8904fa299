package occupancy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/resources"
)

// Question is what a call would be like (CheckBandwidth, facts A1.5).
type Question struct {
	Node1     string `json:"node1" minLength:"1" maxLength:"50" doc:"Subzone or zone of the caller."`
	Node2     string `json:"node2" minLength:"1" maxLength:"50" doc:"Subzone or zone of who is called."`
	Kbps      uint32 `json:"kbps,omitempty" maximum:"100000000" doc:"What the call asks for; left out: the configured default."`
	Traversal bool   `json:"traversal,omitempty" doc:"Whether its media passes the node."`
}

// Result is what becomes of a call.
type Result string

// Results.
const (
	Granted     Result = "granted"     // it has what it asks for
	Downspeeded Result = "downspeeded" // it has less
	Refused     Result = "refused"
)

// Answer is what the call would get, and by which way.
type Answer struct {
	Result Result `json:"result"`
	Asked  uint32 `json:"asked_kbps"`
	Kbps   uint32 `json:"kbps" doc:"What the call would have; 0 when it is refused."`
	Reason string `json:"reason,omitempty" doc:"Why it is refused, in the words that callers get."`
	At     string `json:"at,omitempty" doc:"The object that decided, where the call would not have what it asks for."`
	Detail string `json:"detail,omitempty" doc:"What about the object decided."`
	// AtOnce is set where peers share something on the way.
	AtOnce *uint32  `json:"at_once_kbps,omitempty" doc:"What this node has for it without peers; where that is less, the call waits for what they have idle."`
	Nodes  []string `json:"nodes" doc:"Subzones and zones in the order of the route."`
	Links  []string `json:"links" doc:"Between them."`
	Tolls  []Toll   `json:"tolls" doc:"What the call would count on."`
}

// Toll is an object that the call would count on.
type Toll struct {
	Object  Object  `json:"object" doc:"As it is now, without the call."`
	Times   int     `json:"times" doc:"How often it counts there."`
	Left    *uint64 `json:"left_kbps,omitempty" doc:"What calls may still take there, without asking peers."`
	Cluster *uint64 `json:"cluster_left_kbps,omitempty" doc:"What the cluster has left of it, where peers share it: a call waits for that."`
	// Limit is the one of the object's limits of one call that is for this call.
	Limit *int `json:"limit_kbps,omitempty" doc:"What one such call may have there."`
}

// ErrNode means that a question names a subzone or zone that is not there.
var ErrNode = errors.New("there is no such subzone or zone")

// Check says what a call would get. It changes nothing.
func Check(s Source, n *config.Node, q Question) (Answer, error) {
	for _, name := range []string{q.Node1, q.Node2} {
		if err := known(n, name); err != nil {
			return Answer{}, err
		}
	}
	asked := cmp.Or(q.Kbps, uint32(n.Bandwidth.DefaultKbps))
	got, err := s.Check(q.Node1, q.Node2, asked, q.Traversal)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrNode, err)
	}
	a := Answer{Result: Granted, Asked: asked, Kbps: got.Kbps, At: got.At, Nodes: list(got.Nodes), Links: list(got.Links), Tolls: []Toll{}}
	if got.Why == resources.NoWay {
		a.Result, a.Reason, a.At, a.Detail = Refused, got.Why.String(), "", noWay(q)
		return a, nil
	}
	a.tolls(Objects(s, n, Unmeasured{}), got, q)
	switch {
	case got.Why != 0:
		a.Result, a.Reason = Refused, got.Why.String()
	case got.Kbps < asked:
		a.Result = Downspeeded
	}
	if a.Result != Granted {
		a.Detail = a.detail(got.Why)
	}
	return a, nil
}

// list keeps an empty list from being null.
func list(names []string) []string { return append([]string{}, names...) }

func noWay(q Question) string {
	if q.Traversal {
		return fmt.Sprintf("from %s by %s to %s", q.Node1, config.TraversalSubzoneName, q.Node2)
	}
	return fmt.Sprintf("from %s to %s without %s, which only calls pass whose media passes the node", q.Node1, q.Node2, config.TraversalSubzoneName)
}

func (a *Answer) tolls(all []Object, got resources.CheckResult, q Question) {
	for n, c := range got.Charges {
		i := slices.IndexFunc(all, func(o Object) bool { return o.Kind == c.Kind.String() && o.Name == c.Name })
		if i < 0 {
			continue // it has gone meanwhile
		}
		t := Toll{Object: all[i], Times: c.Times, Limit: all[i].PerCallKbps}
		if c.Kind == bandwidth.AtSubzone && q.Node1 == c.Name && q.Node2 == c.Name && c.Name != config.TraversalSubzoneName {
			t.Limit = all[i].WithinKbps
		}
		t.left(got.Left[n])
		if got.Left[n].Shared {
			a.AtOnce = &got.AtOnce
		}
		a.Tolls = append(a.Tolls, t)
	}
}

func (t *Toll) left(l resources.Left) {
	if !l.Limited {
		return
	}
	here, cluster := uint64(l.Here), uint64(l.Cluster)
	if t.Left = &here; l.Shared {
		t.Cluster = &cluster
	}
}

// most is what a call can get there, and whose that is.
func (t *Toll) most() (kbps uint64, where string) {
	if t.Cluster != nil {
		return *t.Cluster, " in the cluster"
	}
	return *t.Left, ""
}

// detail says which limit of the object that decided was too low.
func (a *Answer) detail(why resources.Why) string {
	i := slices.IndexFunc(a.Tolls, func(t Toll) bool { return t.Object.String() == a.At })
	if i < 0 {
		return ""
	}
	t := a.Tolls[i]
	ofOne := why == resources.OverPerCall || why == 0 && t.Limit != nil && uint32(*t.Limit) == a.Kbps
	switch {
	case ofOne && t.Limit != nil && *t.Limit == 0:
		return fmt.Sprintf("%s admits no such call", a.At)
	case t.Object.TotalKbps != nil && *t.Object.TotalKbps == 0:
		return fmt.Sprintf("%s admits no call at all", a.At)
	case ofOne && t.Limit != nil:
		return fmt.Sprintf("%s allows one call %d kbit/s", a.At, *t.Limit)
	case t.Left == nil:
		return ""
	}
	left, where := t.most()
	text := fmt.Sprintf("%s has %d kbit/s left%s", a.At, left, where)
	if t.Times > 1 {
		text += fmt.Sprintf(", and the call counts there %d times", t.Times)
	}
	return text
}
