package routing

import (
	"fmt"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/trace"
	"turnpike.dev/turnpike/control/zones"
)

// Question asks where a call would go (xCommand Locate).
type Question struct {
	Alias string `json:"alias"`
	// Source is the zone or subzone that the call comes from; empty: the Local Zone.
	Source        string `json:"source_zone,omitempty"`
	Protocol      string `json:"protocol,omitempty"` // sip or h323; empty: sip
	HopCount      int    `json:"hop_count"`
	Authenticated bool   `json:"authenticated"`
	Caller        string `json:"source_alias,omitempty"`
}

// Answer is where the call would go, and why.
type Answer struct {
	Found   bool         `json:"found"`
	Reason  string       `json:"reason"`
	Rule    string       `json:"rule,omitempty"` // of call policy, that denied it
	Targets []Target     `json:"targets"`
	Steps   []trace.Step `json:"steps"`
	Lost    int          `json:"steps_left_out,omitempty"`
}

// Target is a place that would be tried. Those of one group are tried at once.
type Target struct {
	Group       int      `json:"group"`
	Kind        string   `json:"kind"`
	Zone        string   `json:"zone"`
	Alias       string   `json:"alias"`
	Protocol    string   `json:"protocol"`
	Interworked bool     `json:"interworked"`
	Rule        string   `json:"rule,omitempty"`
	Priority    int      `json:"priority,omitempty"`
	HopCount    int      `json:"hop_count"`
	Peers       []string `json:"peers,omitempty"` // best first
	Contact     string   `json:"contact,omitempty"`
	Peer        int      `json:"peer,omitempty"` // of the cluster, that holds the registration
}

// ZoneSummary is a zone and how it is.
type ZoneSummary struct {
	Name     string        `json:"name"`
	Type     string        `json:"type"`
	Protocol string        `json:"protocol"`
	Status   string        `json:"status"`
	HopCount int           `json:"hop_count,omitempty"`
	Calls    int           `json:"calls"` // that run, with an end in it
	Peers    []PeerSummary `json:"peers,omitempty"`
}

// PeerSummary is a peer of a zone and how it is.
type PeerSummary struct {
	Address string `json:"address"`
	Status  string `json:"status"`         // active, silent, checking or maintenance
	Free    *int   `json:"free,omitempty"` // media sessions, where it tells
}

// Ask answers a question by the snapshot in force.
func (r *Router) Ask(q Question) (Answer, error) {
	return r.now.Load().Ask(q, *r.network.Load())
}

// Ask answers a question by this snapshot.
func (s *Snapshot) Ask(q Question, network dialplan.Network) (Answer, error) {
	req, err := s.request(q)
	if err != nil {
		return Answer{}, err
	}
	var out dialplan.Result
	var t trace.Trace
	s.Plan.Locate(&req, network, &out, &t)
	a := Answer{
		Found: len(out.Targets) > 0, Reason: out.Reason.String(), Rule: out.Rule,
		Targets: []Target{}, Steps: t.Steps(), Lost: t.Lost(),
	}
	for i := range out.Targets {
		a.Targets = append(a.Targets, summary(&out.Targets[i]))
	}
	return a, nil
}

func (s *Snapshot) request(q Question) (dialplan.Request, error) {
	req := dialplan.Request{Protocol: dialplan.SIP, HopCount: q.HopCount, Authenticated: q.Authenticated}
	switch q.Protocol {
	case "", "sip":
	case "h323":
		req.Protocol = dialplan.H323
	default:
		return req, fmt.Errorf("protocol %q: want sip or h323", q.Protocol)
	}
	if q.HopCount < 0 || q.HopCount > zones.MaxHops {
		return req, fmt.Errorf("hop count %d: want 0 to %d", q.HopCount, zones.MaxHops)
	}
	var err error
	if req.Alias, err = alias.Parse(q.Alias); err != nil {
		return req, fmt.Errorf("alias %q: %w", q.Alias, err)
	}
	if q.Caller != "" {
		if req.Caller, err = alias.Parse(q.Caller); err != nil {
			return req, fmt.Errorf("source alias %q: %w", q.Caller, err)
		}
	}
	req.Zone = s.Zones.Local()
	switch z := s.Zones.ByName(q.Source); {
	case q.Source == "":
	case z != nil:
		req.Zone = z
	case s.Members.Has(q.Source):
		req.Subzone = q.Source
	default:
		return req, fmt.Errorf("there is no zone or subzone %q: see `turnpike zone list`", q.Source)
	}
	return req, nil
}

func summary(t *dialplan.Target) Target {
	out := Target{
		Group: t.Group, Kind: t.Kind.String(), Zone: t.Zone.Name, Alias: t.Alias.String(), Protocol: t.Protocol.String(),
		Interworked: t.Interworked, Rule: t.Rule, Priority: t.Priority, HopCount: t.HopCount, Peers: t.PeerNames(),
	}
	switch t.Kind {
	case dialplan.ToBinding:
		out.Contact, out.Peer = t.Binding.Contact, int(t.Binding.Peer)
	case dialplan.ToAddress:
		out.Contact = t.Address.String()
	}
	return out
}

// Summaries lists the zones with how they are: the Local and the Default Zone first.
func (r *Router) Summaries() []ZoneSummary {
	s, health := r.now.Load(), r.network.Load().Health
	out := []ZoneSummary{zoneSummary(s.Zones.Local(), health), zoneSummary(s.Zones.Default(), health)}
	list := s.Zones.Zones()
	for i := range list {
		out = append(out, zoneSummary(&list[i], health))
	}
	return out
}

func zoneSummary(z *zones.Zone, health zones.Health) ZoneSummary {
	out := ZoneSummary{Name: z.Name, Type: z.Type.String(), Protocol: "both", Status: zones.Status(z, health), HopCount: z.HopCount}
	switch {
	case !z.H323:
		out.Protocol = "sip"
	case !z.SIP:
		out.Protocol = "h323"
	}
	for i, p := range z.Peers {
		out.Peers = append(out.Peers, peerSummary(p, zones.StateOf(z, health, i)))
	}
	return out
}

func peerSummary(p zones.Peer, s zones.PeerState) PeerSummary {
	out := PeerSummary{Address: p.String(), Status: "active"}
	switch {
	case s.Silent:
		out.Status = "silent"
	case s.Checking:
		out.Status = "checking"
	case s.Maintenance:
		out.Status = "maintenance"
	}
	if s.Known {
		out.Free = &s.Free
	}
	return out
}
