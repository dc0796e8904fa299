package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/deploy/sipp/runner"
)

// The line between two sites in the demo, and the calls that fill it.
const (
	demoPipe   = "line"
	demoLine   = 2000 // kbit/s
	demoAsks   = 384
	demoAskers = 7 // five fit, the sixth gets what is left, the seventh nothing
	demoCheat  = 1 // the call that sends more than it was granted
	demoOver   = 4 // times as much
)

// demoSites are two sites, with media of calls between them by the node, over a line whose
// calls are held to what they were granted.
const demoSites = `sip: {mode: on, udp: 5060}
zones:
- {name: west, type: neighbour, protocol: sip, peers: ["198.18.0.2:5062"], monitor: off}
- {name: east, type: neighbour, protocol: sip, peers: ["198.18.1.2:5070"], monitor: off}
search_rules: [{name: east, pattern: {type: any}, target: east}]
pipes: [{name: line, total: {mode: limited, kbps: 2000}, policing: on}]
links:
- {name: DefaultSZtoTraversalSZ, node1: DefaultSubZone, node2: TraversalSubZone}
- {name: DefaultSZtoDefaultZ, node1: DefaultSubZone, node2: DefaultZone}
- {name: TraversalSZtoDefaultZ, node1: TraversalSubZone, node2: DefaultZone}
- {name: WestToTraversalSZ, node1: west, node2: TraversalSubZone, pipe1: line}
- {name: EastToTraversalSZ, node1: east, node2: TraversalSubZone}
`

// bandwidthReport is what became of calls that filled a line.
type bandwidthReport struct {
	Calls []demoAsker `json:"calls"`
	// Line is what the calls used of it, as the node told it while they talked.
	Line demoUse `json:"line"`
	// OffXDP are streams that the kernel did not carry, and why.
	OffXDP []string `json:"off_xdp,omitempty"`
	// Skipped are reasons why something was left out.
	Skipped []string `json:"skipped,omitempty"`
}

// demoAsker is one of the calls.
type demoAsker struct {
	Call      int `json:"call"`
	AskedKbps int `json:"asked_kbps"`
	// ToldKbps is what the callee was told that it may have.
	ToldKbps int `json:"told_kbps,omitempty"`
	// Status refused the call, with RetryAfter seconds and the code of a Warning.
	Status     int `json:"status,omitempty"`
	RetryAfter int `json:"retry_after,omitempty"`
	Warning    int `json:"warning,omitempty"`
	// SentKbps and CameKbps are payload in the time that was measured; Sent and Came
	// packets from the first to the last, of the caller and at the callee.
	SentKbps float64 `json:"sent_kbps,omitempty"`
	CameKbps float64 `json:"came_kbps,omitempty"`
	Sent     uint64  `json:"sent,omitempty"`
	Came     uint64  `json:"came,omitempty"`
	Cheats   bool    `json:"cheats,omitempty"`
}

// tolerance is how far from its grant, and from its grant with the margin, what comes of
// the cheating call may be.
const tolerance = 0.05

// good reports whether the calls got what they should have, and sent no more.
func (r bandwidthReport) good() bool {
	margin := config.Default().Bandwidth.PolicingMargin
	if len(r.Skipped) > 0 {
		return true
	}
	if len(r.Calls) != demoAskers {
		return false
	}
	if !r.Line.full() || len(r.OffXDP) > 0 {
		return false
	}
	left := demoLine
	for _, c := range r.Calls {
		want := min(demoAsks, left)
		left -= want
		if !c.good(want, margin) {
			return false
		}
	}
	return true
}

// demoUse is how much of the line calls use, in kbit/s.
type demoUse struct {
	Calls    int    `json:"calls"`
	Granted  uint64 `json:"granted_kbps"`
	Measured uint64 `json:"measured_kbps"`
	Limit    int    `json:"limit_kbps"`
}

// full reports whether the line is granted to the last kbit/s, and in use. What a cheat
// sends beyond its grant may be measured too.
func (u demoUse) full() bool {
	return u.Calls == demoAskers-1 && u.Granted == demoLine && u.Limit == demoLine && u.Measured > demoLine*8/10
}

// good reports whether the call got so much. What is left for nobody is refused with the
// words of RFC 3261 (21.4.18, 20.33 and 20.43: 370 is insufficient bandwidth).
func (c demoAsker) good(kbps, marginPercent int) bool {
	if kbps == 0 {
		return c.Status == 480 && c.RetryAfter > 0 && c.Warning == 370
	}
	if c.Status != 0 || c.ToldKbps != kbps {
		return false
	}
	if !c.Cheats {
		return c.Sent > 0 && c.Came == c.Sent
	}
	most := float64(kbps) * (1 + float64(marginPercent)/100) * (1 + tolerance)
	return c.SentKbps > 2*most && c.CameKbps > float64(kbps)*(1-tolerance) && c.CameKbps < most
}

func (r bandwidthReport) write(w *tabwriter.Writer) {
	_, _ = fmt.Fprintf(w, "\n# calls fill a line of %d kbit/s between two sites; one sends %d times what it was granted\n", demoLine, demoOver)
	for _, s := range r.Skipped {
		_, _ = fmt.Fprintf(w, "left out: %s\n", s)
	}
	if len(r.Calls) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w, "CALL\tASKED KBPS\tTOLD\tSENT\tCAME\tPACKETS SENT\tCAME\t")
	for _, c := range r.Calls {
		if c.Status != 0 {
			_, _ = fmt.Fprintf(w, "%d\t%d\trefused: %d, Retry-After %d, Warning %d\n", c.Call, c.AskedKbps, c.Status, c.RetryAfter, c.Warning)
			continue
		}
		note := ""
		if c.Cheats {
			note = "cheats"
		}
		_, _ = fmt.Fprintf(w, "%d\t%d\t%d\t%.0f\t%.0f\t%d\t%d\t%s\n", c.Call, c.AskedKbps, c.ToldKbps, c.SentKbps, c.CameKbps, c.Sent, c.Came, note)
	}
	for _, s := range r.OffXDP {
		_, _ = fmt.Fprintf(w, "not on XDP: %s\n", s)
	}
	_, _ = fmt.Fprint(w, "\n$ turnpike bandwidth show pipe\nPIPE\tCALLS\tGRANTED KBPS\tMEASURED\tLIMIT\n")
	_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", demoPipe, r.Line.Calls, r.Line.Granted, r.Line.Measured, r.Line.Limit)
}

// demoBandwidth has a node of its own, whose only line nobody else uses.
func demoBandwidth(ctx context.Context, state string) (r bandwidthReport, err error) {
	if err := removeState(state); err != nil {
		return r, err
	}
	self, err := os.Executable()
	if err != nil {
		return r, fmt.Errorf("find this program: %w", err)
	}
	s, err := (&stage{state: state, self: self, api: api.NewClient(state), more: demoSites}).begin(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("two minutes are over"))
	defer cancel()
	l, err := s.fill(ctx)
	if errors.Is(err, runner.ErrMissing) {
		r.Skipped = append(r.Skipped, err.Error())
		return r, nil
	}
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.talk(ctx, &r); err != nil {
		return r, err
	}
	return r, l.hangUp(ctx, &r)
}
