// Package top shows what a node relays now: packet and bit rates by path, interface and
// relay, how packets are spread over receive queues, and why packets are lost.
//
// It exists because the fast path is invisible to tcpdump and to every tool that asks
// sockets. A rate is the difference of two samples that the node gives for the asking;
// the packet path is not touched, except by the timing of the XDP program, which is only
// switched on by hand and says on screen what it costs. Rates, Update and View are pure
// functions, so that what an operator sees is held by golden files.
package top

import (
	"cmp"
	"slices"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/dataplane/relay"
)

// Rates is what happened between two samples, per second.
type Rates struct {
	At         time.Time
	Paths      []PathRate
	Interfaces []InterfaceRate
	Reasons    []ReasonRate // those that happened, the most frequent first
	Relays     []RelayRate
	Program    Runs
}

// Rate is packets and bits per second.
type Rate struct{ Packets, Bits float64 }

// PathRate is what all relays carried by one path; bits are of UDP payload.
type PathRate struct {
	Path     relay.Path
	Up, Down Rate
	Policed  float64
}

// Both is what was carried in both directions.
func (p PathRate) Both() float64 { return p.Up.Packets + p.Down.Packets }

// InterfaceRate is what one interface carried; bits are of whole frames.
type InterfaceRate struct {
	Name, Path, Mode  string
	Receive, Transmit Rate
	Dropped           float64
	Over              string    // what Spread is by: queues or cpus
	Spread            []float64 // packets per second of each
}

// Imbalance is how many times the average the busiest queue has; 0: nothing came.
func (i InterfaceRate) Imbalance() float64 {
	var most, all float64
	for _, n := range i.Spread {
		most, all = max(most, n), all+n
	}
	if all == 0 {
		return 0
	}
	return most * float64(len(i.Spread)) / all
}

// ReasonRate is how many packets left the relay, or were lost outside it, for one reason.
type ReasonRate struct {
	Path, Reason, Verdict string
	PerSecond             float64
}

// RelayRate is what one relay carried; bits are of UDP payload.
type RelayRate struct {
	ID                            uint64
	User, Transport, Client, Path string
	Up, Down                      Rate
	Lost                          float64 // percent of the RTP packets that senders numbered
	HasRTP                        bool
}

// Packets is what went in both directions.
func (r RelayRate) Packets() float64 { return r.Up.Packets + r.Down.Packets }

// Bits is what went in both directions.
func (r RelayRate) Bits() float64 { return r.Up.Bits + r.Down.Bits }

// Runs is how the XDP program ran while the kernel timed it.
type Runs struct {
	PerSecond   float64
	Nanoseconds float64 // of one run
}

// Share is the share of one CPU that the program took.
func (r Runs) Share() float64 { return r.PerSecond * r.Nanoseconds / 1e9 }

// Between works out what happened between two samples. What counts less than before began
// anew; it has no rate this time.
func Between(from, to api.Traffic) Rates {
	s := span(max(to.At.Sub(from.At).Seconds(), 0.001))
	return Rates{
		At:         to.At,
		Paths:      s.paths(from, to),
		Interfaces: s.interfaces(from, to),
		Reasons:    s.reasons(from, to),
		Relays:     s.relays(from, to),
		Program:    s.runs(from.Program, to.Program),
	}
}

// span is the seconds between two samples.
type span float64

func (s span) rate(from, to uint64) float64 { return float64(to-min(from, to)) / float64(s) }

func (s span) carried(from, to relay.Carried) Rate {
	return Rate{s.rate(from.Packets, to.Packets), 8 * s.rate(from.Bytes, to.Bytes)}
}

func (s span) paths(from, to api.Traffic) []PathRate {
	type key struct {
		path      relay.Path
		direction string
	}
	before := map[key]relay.Carried{}
	for _, p := range from.Paths {
		before[key{p.Path, p.Direction}] = p.Carried
	}
	byPath := map[relay.Path]*PathRate{}
	var order []relay.Path
	for _, p := range to.Paths {
		r := byPath[p.Path]
		if r == nil {
			r = &PathRate{Path: p.Path}
			byPath[p.Path], order = r, append(order, p.Path)
		}
		was := before[key{p.Path, p.Direction}]
		if p.Direction == relay.Up.String() {
			r.Up = s.carried(was, p.Carried)
		} else {
			r.Down = s.carried(was, p.Carried)
		}
		r.Policed += s.rate(was.Policed, p.Policed)
	}
	list := make([]PathRate, len(order))
	for i, p := range order {
		list[i] = *byPath[p]
	}
	return list
}

func (s span) interfaces(from, to api.Traffic) []InterfaceRate {
	before := map[string]api.InterfaceTraffic{}
	for _, i := range from.Interfaces {
		before[i.Name] = i
	}
	list := make([]InterfaceRate, 0, len(to.Interfaces))
	for _, i := range to.Interfaces {
		was := before[i.Name]
		r := InterfaceRate{
			Name: i.Name, Path: i.Path, Mode: i.Mode, Over: i.Spread.Over,
			Receive:  Rate{s.rate(was.Receive.Packets, i.Receive.Packets), 8 * s.rate(was.Receive.Bytes, i.Receive.Bytes)},
			Transmit: Rate{s.rate(was.Transmit.Packets, i.Transmit.Packets), 8 * s.rate(was.Transmit.Bytes, i.Transmit.Bytes)},
			Dropped:  s.rate(was.Receive.Dropped, i.Receive.Dropped) + s.rate(was.Transmit.Dropped, i.Transmit.Dropped),
		}
		for q, n := range i.Spread.Packets {
			if was.Spread.Over == i.Spread.Over && q < len(was.Spread.Packets) {
				r.Spread = append(r.Spread, s.rate(was.Spread.Packets[q], n))
			} else {
				r.Spread = append(r.Spread, 0)
			}
		}
		list = append(list, r)
	}
	return list
}

func (s span) reasons(from, to api.Traffic) []ReasonRate {
	before := counted(from)
	var list []ReasonRate
	for key, n := range counted(to) {
		if r := s.rate(before[key], n); r > 0 {
			key.PerSecond = r
			list = append(list, key)
		}
	}
	slices.SortFunc(list, func(a, b ReasonRate) int {
		return cmp.Or(-cmp.Compare(a.PerSecond, b.PerSecond), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}

// counted puts the relay's reasons and the machine's losses together, each by itself as key.
func counted(t api.Traffic) map[ReasonRate]uint64 {
	counts := map[ReasonRate]uint64{}
	for _, r := range t.Reasons {
		if r.Verdict != "forward" {
			counts[ReasonRate{Path: r.Path, Reason: r.Reason, Verdict: r.Verdict}] += r.Packets
		}
	}
	for _, l := range t.Losses {
		key := ReasonRate{Path: "machine", Reason: l.Reason, Verdict: "drop"}
		if l.Late {
			key.Verdict = "late"
		}
		if l.Interface != "" {
			key.Reason += " " + l.Interface
		}
		counts[key] += l.Packets
	}
	return counts
}

func (s span) relays(from, to api.Traffic) []RelayRate {
	before := make(map[uint64]api.RelayTraffic, len(from.Relays))
	for _, r := range from.Relays {
		before[r.ID] = r
	}
	list := make([]RelayRate, 0, len(to.Relays))
	for _, r := range to.Relays {
		was := before[r.ID]
		one := RelayRate{
			ID: r.ID, User: r.User, Transport: r.Transport, Client: r.Client, Path: r.Path,
			Up: s.carried(was.Up, r.Up), Down: s.carried(was.Down, r.Down),
		}
		if expected := r.Expected - min(was.Expected, r.Expected); expected > 0 {
			came := min(r.Received-min(was.Received, r.Received), expected) // duplicates come too
			one.Lost, one.HasRTP = 100*float64(expected-came)/float64(expected), true
		}
		list = append(list, one)
	}
	return list
}

func (s span) runs(from, to *api.Runs) Runs {
	if from == nil || to == nil || from.ID != to.ID || to.Count <= from.Count {
		return Runs{}
	}
	runs := to.Count - from.Count
	return Runs{
		PerSecond:   float64(runs) / float64(s),
		Nanoseconds: float64(to.Nanoseconds-min(from.Nanoseconds, to.Nanoseconds)) / float64(runs),
	}
}
