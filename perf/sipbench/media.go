package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/count"
	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/report"
)

const (
	// packetRate is that of one direction of a call: 20 ms of G.711.
	packetRate = 50
	payload    = 172
)

// media950 measures the media of 950 calls at once.
func (b *bench) media950(ctx context.Context) error {
	b.each(ctx, "media of calls at once", setup{}, func(s *site) error { return b.talk(ctx, s) })
	return ctx.Err()
}

// talk sets the calls up by SIPp, and then plays the media of all by the generator.
func (b *bench) talk(ctx context.Context, s *site) (err error) {
	number := calls
	setUp := time.Duration(float64(number) / callRate * float64(time.Second))
	hold := setUp + b.media + callSettle + 10*time.Second
	callee, err := runner.Start(ctx, s.callee("logging-callee", number, hold+setUp+time.Minute))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, callee.Close()) }()
	load := s.caller("logging-caller", number, callRate)
	load.Hold = hold
	load.Timeout = hold + setUp + time.Minute
	caller, err := runner.Start(ctx, load)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, caller.Close()) }()
	if err := wait(ctx, setUp+callSettle); err != nil {
		return err
	}
	flows, err := s.flows(number, caller, callee)
	if err != nil {
		return err
	}
	m, err := b.play(ctx, s, flows)
	if err != nil {
		return err
	}
	m.Calls = number
	b.report.SIP.Media = append(b.report.SIP.Media, m)
	b.say("%-22s %d calls: %d of %d packets lost, %.3f cores", m.Target, number, m.Lost, m.Sent, m.Cores)
	_, err = caller.Wait(ctx)
	return err
}

// flows are what SIPp's two sides say that they would send: up from the caller first.
func (s *site) flows(number int, caller, callee *runner.Process) ([]gen.Flow, error) {
	up, err := s.streams(caller, s.lab.Client, "c0", "s0", 0)
	if err != nil {
		return nil, err
	}
	down, err := s.streams(callee, s.lab.Peer, "p0", "s1", number)
	if err != nil {
		return nil, err
	}
	if len(up) != number || len(down) != number {
		return nil, fmt.Errorf("%d callers and %d callees know where to send, want %d", len(up), len(down), number)
	}
	return append(up, down...), nil
}

// streams reads the log of a side: "caller ADDRESS PORT NODE-ADDRESS
// NODE-PORT".
func (s *site) streams(p *runner.Process, h *lab.Host, far, near string, first int) ([]gen.Flow, error) {
	text, err := p.Log()
	if err != nil {
		return nil, err
	}
	var flows []gen.Flow
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) != 5 {
			return nil, fmt.Errorf("SIPp logged %q", line)
		}
		own, err := netip.ParseAddrPort(words[1] + ":" + words[2])
		if err != nil {
			return nil, fmt.Errorf("SIPp logged %q: %w", line, err)
		}
		node, err := netip.ParseAddrPort(words[3] + ":" + words[4])
		if err != nil {
			return nil, fmt.Errorf("SIPp logged %q: %w", line, err)
		}
		flows = append(flows, gen.Flow{
			Link: gen.Link{Host: h, Name: far}, SrcMAC: h.Link(far).MAC, DstMAC: s.lab.Node.Link(near).MAC,
			Src: own, Dst: node, ID: uint32(first + len(flows)),
		})
	}
	return flows, nil
}

// play sends for some time and counts what arrives, from the first packet on.
func (b *bench) play(ctx context.Context, s *site, flows []gen.Flow) (m report.SIPMedia, err error) {
	toCaller, err := count.Attach(s.lab.Client, "c0", true)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, toCaller.Close()) }()
	toCallee, err := count.Attach(s.lab.Peer, "p0", true)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, toCallee.Close()) }()
	g, err := gen.New(gen.Config{Flows: flows, Payload: payload, Stamped: true})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	cpu, err := strconv.Atoi(b.load)
	if err != nil {
		return m, fmt.Errorf("the load needs one CPU, not %q: %w", b.load, err)
	}
	stats, err := ebpf.EnableStats(0) // BPF_STATS_RUN_TIME
	if err != nil {
		return m, fmt.Errorf("enable the kernel's statistics of programs: %w", err)
	}
	defer func() { err = errors.Join(err, stats.Close()) }()
	programs, err := s.programs()
	if err != nil {
		return m, err
	}
	defer programs.close()
	before, err := s.group.CPUTime()
	if err != nil {
		return m, err
	}
	ran := programs.runTime()
	sent, err := g.Run(ctx, gen.Load{Rate: float64(len(flows) * packetRate), Duration: b.media, CPU: cpu, Burst: time.Second})
	if err != nil {
		return m, err
	}
	arrived, err := settle(sent.Sent, toCaller, toCallee)
	if err != nil {
		return m, err
	}
	after, err := s.group.CPUTime()
	if err != nil {
		return m, err
	}
	m = report.SIPMedia{
		Target: s.name(true), Offered: sent.Rate(), Sent: sent.Sent, Lost: int64(sent.Sent) - int64(arrived),
		Process: float64(after-before) / float64(sent.Sent), Program: float64(programs.runTime()-ran) / float64(sent.Sent),
	}
	m.Cores = (m.Process + m.Program) * sent.Rate() / 1e9
	return m, ends(&m, len(flows), toCaller, toCallee)
}

// settle counts once nothing arrives any more: servers have queues.
func settle(sent uint64, counters ...*count.Counter) (arrived uint64, err error) {
	const quiet, patience = 30 * time.Millisecond, 2 * time.Second
	for end := time.Now().Add(patience); time.Now().Before(end) && arrived < sent; time.Sleep(quiet) {
		arrived = 0
		for _, c := range counters {
			t, err := c.Totals()
			if err != nil {
				return 0, err
			}
			arrived += t.Packets
		}
	}
	return arrived, nil
}

// ends notes latencies, and streams of which nothing arrived.
func ends(m *report.SIPMedia, flows int, toCaller, toCallee *count.Counter) error {
	var all count.Histogram
	for i, c := range []*count.Counter{toCallee, toCaller} {
		h, err := c.Latency()
		if err != nil {
			return err
		}
		all.Add(h)
		seen, err := c.Flows(flows)
		if err != nil {
			return err
		}
		for _, f := range seen[i*flows/2 : (i+1)*flows/2] {
			if f.Packets == 0 {
				m.Unseen++
			}
		}
	}
	m.P50, m.P99 = report.MicrosOf(all.Quantile(.5)), report.MicrosOf(all.Quantile(.99))
	return nil
}

// programs are the XDP programs on the node's links, as far as there are any.
type programs []*ebpf.Program

func (s *site) programs() (programs, error) {
	var all programs
	known := map[uint32]bool{}
	for _, name := range []string{"s0", "s1"} {
		l, err := s.lab.Node.Netlink().LinkByName(name)
		if err != nil {
			return nil, err
		}
		xdp := l.Attrs().Xdp
		if xdp == nil || !xdp.Attached || known[xdp.ProgId] {
			continue
		}
		known[xdp.ProgId] = true
		p, err := ebpf.NewProgramFromID(ebpf.ProgramID(xdp.ProgId))
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// runTime is how long they ran so far.
func (p programs) runTime() (total time.Duration) {
	for _, program := range p {
		if stats, err := program.Stats(); err == nil {
			total += stats.Runtime
		}
	}
	return total
}

func (p programs) close() {
	for _, program := range p {
		_ = program.Close() // only read
	}
}
