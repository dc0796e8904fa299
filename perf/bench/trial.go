package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"turnpike.dev/turnpike/perf/count"
	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/report"
)

// demand is what a trial sends.
type demand struct {
	direction string
	relays    int
	payload   int
	rate      float64 // of all flows; 0: flat out
	duration  time.Duration
	cpu       int
	burst     time.Duration // delay of the generator that is made up for; 0: little
}

// outcome is what became of it.
type outcome struct {
	demand
	flows     int
	sent      gen.Result
	received  uint64
	delivered float64 // packets per second where they arrived
	latency   count.Histogram
	process   time.Duration // of the server's process
}

func (o outcome) lost() int64 { return int64(o.sent.Sent) - int64(o.received) }

// perCore is the number of packets that arrived per second of the generator's core.
// Unlike the rate it does not depend on what else the machine does meanwhile.
func (o outcome) perCore() float64 {
	if o.sent.Core <= 0 {
		return 0
	}
	return float64(o.received) / o.sent.Core.Seconds()
}

func (o outcome) loss() float64 {
	if o.sent.Sent == 0 {
		return 1
	}
	return max(0, float64(o.lost())/float64(o.sent.Sent))
}

// trial sends and counts.
func (s *site) trial(ctx context.Context, d demand) (outcome, error) {
	o := outcome{demand: d}
	if err := s.hold(ctx); err != nil {
		return o, err
	}
	if err := s.load(d); err != nil {
		return o, err
	}
	for _, src := range s.sources {
		o.flows += src.flows
	}
	if err := errors.Join(s.toPeer.Reset(), s.toUser.Reset()); err != nil {
		return o, err
	}
	before, err := s.processTime()
	if err != nil {
		return o, err
	}
	if o.sent, err = s.send(ctx, d); err != nil {
		return o, err
	}
	if err := ctx.Err(); err != nil {
		return o, err
	}
	if err := s.settle(&o); err != nil {
		return o, err
	}
	after, err := s.processTime()
	o.process = after - before
	return o, err
}

// settle counts once nothing arrives any more: servers have queues.
func (s *site) settle(o *outcome) error {
	const quiet, patience = 30 * time.Millisecond, time.Second
	for end := time.Now().Add(patience); ; time.Sleep(quiet) {
		peer, err := s.toPeer.Totals()
		if err != nil {
			return err
		}
		user, err := s.toUser.Totals()
		if err != nil {
			return err
		}
		same := o.received == peer.Packets+user.Packets
		o.received, o.delivered = peer.Packets+user.Packets, peer.Rate()+user.Rate()
		if o.received >= o.sent.Sent || same && o.received > 0 || time.Now().After(end) {
			break
		}
	}
	for _, c := range []*count.Counter{s.toPeer, s.toUser} {
		h, err := c.Latency()
		if err != nil {
			return err
		}
		o.latency.Add(h)
	}
	return nil
}

// unseen counts the flows of the last trial of which nothing arrived.
func (s *site) unseen(o outcome) (int, error) {
	none := 0
	for _, end := range []struct {
		counter *count.Counter
		counts  bool
	}{{s.toPeer, o.direction != down}, {s.toUser, o.direction != up}} {
		if !end.counts {
			continue
		}
		flows, err := end.counter.Flows(len(s.flows(up, o.relays)))
		if err != nil {
			return 0, err
		}
		for _, f := range flows {
			if f.Packets == 0 {
				none++
			}
		}
	}
	return none, nil
}

func (s *site) processTime() (time.Duration, error) {
	if s.server == nil {
		return 0, nil
	}
	return s.server.CPUTime()
}

// runNs measures what a run of the node's program costs, by the kernel's own
// statistics: about 20 ns of it is their clock.
func (s *site) runNs(ctx context.Context, d demand) (float64, error) {
	ns, _, err := s.timedTrial(ctx, d)
	return ns, err
}

// timedTrial is a trial of which the runs of the node's program are timed.
func (s *site) timedTrial(ctx context.Context, d demand) (ns float64, o outcome, err error) {
	prog, err := s.program(d.direction)
	if err != nil || prog == nil {
		return 0, o, err
	}
	defer prog.Close() //nolint:errcheck // only read
	stats, err := ebpf.EnableStats(bpfStatsRunTime)
	if err != nil {
		return 0, o, fmt.Errorf("enable the kernel's statistics of programs: %w", err)
	}
	defer stats.Close() //nolint:errcheck // ends with the process at the latest
	before, err := prog.Stats()
	if err != nil {
		return 0, o, err
	}
	if o, err = s.trial(ctx, d); err != nil {
		return 0, o, err
	}
	after, err := prog.Stats()
	if err != nil || after.RunCount == before.RunCount {
		return 0, o, err
	}
	return float64(after.Runtime-before.Runtime) / float64(after.RunCount-before.RunCount), o, nil
}

const bpfStatsRunTime = 0 // BPF_STATS_RUN_TIME

// program is the XDP program on the link where a direction enters the node; nil
// when there is none.
func (s *site) program(direction string) (*ebpf.Program, error) {
	link := "s0"
	if direction == down {
		link = "s1"
	}
	l, err := s.lab.Node.Netlink().LinkByName(link)
	if err != nil {
		return nil, err
	}
	xdp := l.Attrs().Xdp
	if xdp == nil || !xdp.Attached {
		return nil, nil
	}
	return ebpf.NewProgramFromID(ebpf.ProgramID(xdp.ProgId))
}

// row makes the outcome a row of a part.
func (o outcome) row(part, target string) report.Row {
	r := report.Row{
		Part: part, Target: target, Direction: o.direction, Relays: o.relays, Payload: o.payload,
		Peers: max(1, o.flows/max(o.relays, 1)), Offered: o.sent.Rate(), Delivered: o.delivered,
		Sent: o.sent.Sent, Lost: o.lost(),
		P50: report.MicrosOf(o.latency.Quantile(.5)), P90: report.MicrosOf(o.latency.Quantile(.9)),
		P99: report.MicrosOf(o.latency.Quantile(.99)), P999: report.MicrosOf(o.latency.Quantile(.999)),
	}
	if o.direction == both || o.direction == twice {
		r.Peers = max(1, r.Peers/2)
	}
	if o.received > 0 {
		r.CPUNs = float64(o.process) / float64(o.received)
	}
	return r
}
