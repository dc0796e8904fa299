// Package occupancy is bandwidth as operators see it: what calls were granted of subzones,
// zones, links and pipes, what they really send, and what another call would get.
//
// It exists because the three come from different places. control/resources knows who was
// granted what, the data plane what each call sends, and configuration how the objects
// hang together; what counts is in control/bandwidth. Here they are put side by side, in
// types that commands, xStatus, the API and metrics share.
package occupancy

import (
	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/control/sharing"
)

// Source knows who was granted what; *resources.Resources is one.
type Source interface {
	Objects() []resources.ObjectUse
	Grants() []resources.GrantInfo
	Check(from, to string, kbps uint32, traversal bool) (resources.CheckResult, error)
}

var _ Source = (*resources.Resources)(nil)

// Meter knows what calls send. Measured is the larger of a call's two directions, in kbps
// of RTP payload: a grant is for each of them. known is false of a call that the node
// cannot measure, because its media does not pass it.
type Meter interface {
	Measured(serial string) (kbps uint32, known bool)
}

// Report is how much of everything is used.
type Report struct {
	DefaultKbps      int             `json:"default_kbps" doc:"What a call counts that asks for none."`
	DownspeedPerCall bool            `json:"downspeed_per_call"`
	DownspeedTotal   bool            `json:"downspeed_total"`
	Objects          []Object        `json:"objects" doc:"Subzones, zones, links and pipes."`
	Remarks          []config.Remark `json:"remarks,omitempty" doc:"What of the configuration is probably not meant."`
	Missing          []string        `json:"missing_links,omitempty" doc:"Shipped links that are not there."`
	Sharing          *sharing.Status `json:"sharing,omitempty" doc:"How this node shares totals with its peers."`
}

// Object is a subzone, zone, link or pipe with its limits and what calls use of it. A
// limit that is left out does not limit; one of 0 admits nothing.
type Object struct {
	Kind          string           `json:"kind" enum:"subzone,zone,link,pipe"`
	Name          string           `json:"name"`
	Calls         int              `json:"calls"`
	GrantedKbps   uint64           `json:"granted_kbps"`
	MeasuredKbps  uint64           `json:"measured_kbps" doc:"What the measured ones of its calls send now."`
	MeasuredCalls int              `json:"measured_calls" doc:"How many of its calls are measured: those whose media passes the node."`
	TotalKbps     *int             `json:"total_kbps,omitempty" doc:"Limit of all calls together."`
	PerCallKbps   *int             `json:"per_call_kbps,omitempty" doc:"Limit of one call; of a subzone, of one that enters or leaves it."`
	WithinKbps    *int             `json:"within_kbps,omitempty" doc:"Limit of one call between two endpoints of a subzone."`
	Ends          []string         `json:"ends,omitempty" doc:"What a link joins."`
	Pipes         []string         `json:"pipes,omitempty" doc:"What a link goes over."`
	Policing      bool             `json:"policing,omitempty" doc:"Whether calls over a pipe are held to their grants."`
	Refused       uint64           `json:"refused,omitempty" doc:"Calls that were refused for want of it, since the node's start."`
	Refusals      sharing.Refusals `json:"refusals,omitempty" doc:"By reason; docs/cluster.md says what each of them means, and what to do."`
	// Share is of a total that is limited, in kbps: how much of it this node has, and the cluster.
	*sharing.Share
}

// String names the object.
func (o Object) String() string { return o.Kind + " " + o.Name }

// Limited reports whether the object limits anything.
func (o Object) Limited() bool {
	return o.TotalKbps != nil || o.PerCallKbps != nil || o.WithinKbps != nil
}

// Percent is how much of the total is granted to calls, of all peers where they share it; false where there is none or
// it admits nothing.
func (o Object) Percent() (percent int, limited bool) {
	if o.TotalKbps == nil || *o.TotalKbps == 0 {
		return 0, false
	}
	if s := o.Share; s != nil && s.Shared() && s.Cluster.Total > 0 {
		return int(s.Cluster.Used * 100 / s.Cluster.Total), true
	}
	return int(o.GrantedKbps * 100 / uint64(*o.TotalKbps)), true
}

// Full reports whether a total is used up: the next call there is refused.
func (o Object) Full() bool {
	percent, limited := o.Percent()
	return limited && percent >= 100
}

// Of reports what is used, by what a node has, its configuration and what is measured.
func Of(s Source, n *config.Node, m Meter) Report {
	r := Report{
		DefaultKbps: n.Bandwidth.DefaultKbps, DownspeedPerCall: bool(n.Bandwidth.DownspeedPerCall), DownspeedTotal: bool(n.Bandwidth.DownspeedTotal),
		Objects: Objects(s, n, m), Remarks: config.Remarks(n),
	}
	for _, l := range config.MissingDefaultLinks(n) {
		r.Missing = append(r.Missing, l.Name)
	}
	return r
}

// Objects are those of a report, for who needs no more of it.
func Objects(s Source, n *config.Node, m Meter) []Object {
	all := s.Objects()
	links, policed := map[string]config.Link{}, map[string]bool{}
	for _, l := range n.Links {
		links[l.Name] = l
	}
	for _, p := range n.Pipes {
		policed[p.Name] = bool(p.Policing)
	}
	seen := measure(s.Grants(), m)
	out := make([]Object, len(all))
	for i, o := range all {
		at := seen[place{o.Kind, o.Name}]
		out[i] = Object{
			Kind: o.Kind.String(), Name: o.Name, Calls: o.Calls, GrantedKbps: o.GrantedKbps,
			MeasuredKbps: at.kbps, MeasuredCalls: at.calls,
			TotalKbps: bound(o.Total), PerCallKbps: bound(o.PerCall), WithinKbps: bound(o.Within),
		}
		switch o.Kind {
		case bandwidth.AtLink:
			out[i].Ends, out[i].Pipes = endsOf(links[o.Name])
		case bandwidth.AtPipe:
			out[i].Policing = policed[o.Name]
		}
	}
	return out
}

type place struct {
	kind bandwidth.Kind
	name string
}

type measured struct {
	kbps  uint64
	calls int
}

// measure adds up what calls send on each object that they cross, as often as they do.
func measure(grants []resources.GrantInfo, m Meter) map[place]measured {
	sum := map[place]measured{}
	for _, g := range grants {
		kbps, known := m.Measured(g.Serial)
		if !known {
			continue
		}
		for _, c := range g.Granted.Charges {
			at := sum[place{c.Kind, c.Name}]
			at.kbps += uint64(kbps) * uint64(c.Times)
			at.calls++
			sum[place{c.Kind, c.Name}] = at
		}
	}
	return sum
}

func endsOf(l config.Link) (ends, pipes []string) {
	if l.Name == "" {
		return nil, nil // it has gone meanwhile
	}
	for _, p := range []string{l.Pipe1, l.Pipe2} {
		if p != "" {
			pipes = append(pipes, p)
		}
	}
	return []string{l.Node1, l.Node2}, pipes
}

func bound(l bandwidth.Limit) *int {
	if !l.Limited {
		return nil
	}
	return &l.Kbps
}

// Unmeasured is a Meter that knows of no call.
type Unmeasured struct{}

// Measured implements Meter.
func (Unmeasured) Measured(string) (uint32, bool) { return 0, false }
