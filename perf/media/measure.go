package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/cilium/ebpf"

	"turnpike.dev/turnpike/perf/count"
	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/lab"
)

// packetRate is that of one direction of a call: 20 ms of G.711.
const packetRate = 50

// elsewhere is where callers behind a NAT say that they are.
var elsewhere = netip.MustParseAddr("192.168.77.7")

// result is what a run measured.
type result struct {
	options
	opened  opened
	closed  closed
	sent    gen.Result
	arrived uint64
	latency count.Histogram
	program time.Duration // of the node's program, by the kernel's statistics
}

// measure has the calls talk.
func measure(ctx context.Context, l *lab.Lab, o options) (r result, err error) {
	r.options = o
	n, err := start(ctx, l, o, &r.opened)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, n.end(&r.closed)) }()
	toCaller, err := count.Attach(l.Client, "c0", true)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, toCaller.Close()) }()
	toCallee, err := count.Attach(l.Peer, "p0", true)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, toCallee.Close()) }()
	g, err := gen.New(gen.Config{Flows: flows(l, r.opened), Payload: o.payload, Stamped: true})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	if err := r.play(ctx, l, g); err != nil {
		return r, err
	}
	return r, r.settle(toCaller, toCallee)
}

// play sends, with the node's program timed.
func (r *result) play(ctx context.Context, l *lab.Lab, g *gen.Generator) error {
	stats, err := ebpf.EnableStats(0) // BPF_STATS_RUN_TIME
	if err != nil {
		return fmt.Errorf("enable the kernel's statistics of programs: %w", err)
	}
	defer stats.Close() //nolint:errcheck // ends with the process at the latest
	link, err := l.Node.Netlink().LinkByName("s0")
	if err != nil {
		return err
	}
	x := link.Attrs().Xdp
	if x == nil || !x.Attached {
		return errors.New("the node has no XDP program on s0")
	}
	p, err := ebpf.NewProgramFromID(ebpf.ProgramID(x.ProgId))
	if err != nil {
		return err
	}
	defer p.Close() //nolint:errcheck // only read
	r.sent, err = g.Run(ctx, gen.Load{
		Rate: float64(2 * r.calls * packetRate), Duration: r.time, CPU: r.cpu, Burst: time.Second,
	})
	if err != nil {
		return err
	}
	ran, err := p.Stats()
	if err != nil {
		return err
	}
	r.program = ran.Runtime
	return ctx.Err()
}

// settle counts once nothing arrives any more.
func (r *result) settle(counters ...*count.Counter) error {
	const quiet, patience = 30 * time.Millisecond, 2 * time.Second
	for end := time.Now().Add(patience); time.Now().Before(end) && r.arrived < r.sent.Sent; <-time.After(quiet) {
		r.arrived = 0
		for _, c := range counters {
			t, err := c.Totals()
			if err != nil {
				return err
			}
			r.arrived += t.Packets
		}
	}
	for _, c := range counters {
		h, err := c.Latency()
		if err != nil {
			return err
		}
		r.latency.Add(h)
	}
	return nil
}

// flows are both directions of every call by turns, as its ends put them on the wire.
func flows(l *lab.Lab, o opened) []gen.Flow {
	var all []gen.Flow
	for i := range o.A {
		port := uint16(endPort + 2*i)
		for _, end := range []struct {
			host      *lab.Host
			far, near string
			src       netip.Addr
			dst       netip.AddrPort
		}{
			{l.Client, "c0", "s0", l.ClientAddrs.V4[0], o.A[i]},
			{l.Peer, "p0", "s1", l.PeerAddrs.V4[0], o.B[i]},
		} {
			all = append(all, gen.Flow{
				Link: gen.Link{Host: end.host, Name: end.far}, SrcMAC: end.host.Link(end.far).MAC, DstMAC: l.Node.Link(end.near).MAC,
				Src: netip.AddrPortFrom(end.src, port), Dst: end.dst, ID: uint32(len(all)),
			})
		}
	}
	return all
}

// process is the node's.
type process struct {
	in   io.WriteCloser
	out  *bufio.Reader
	wait func() error
}

// start starts the node and returns when its calls are there.
func start(ctx context.Context, l *lab.Lab, o options, said *opened) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	caller := l.ClientAddrs.V4[0]
	at := caller
	if o.learned {
		at = elsewhere
	}
	cmd := l.Node.Command(ctx, self, nodeCommand, strconv.Itoa(o.calls),
		l.Node.Link("s0").Prefixes[0].Addr().String(), l.Node.Link("s1").Prefixes[0].Addr().String(),
		caller.String(), l.PeerAddrs.V4[0].String(), at.String())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{in: in, out: bufio.NewReader(out), wait: cmd.Wait}
	if err := p.read(said); err != nil {
		return nil, errors.Join(fmt.Errorf("set up %d calls: %w", o.calls, err), in.Close(), cmd.Wait())
	}
	return p, nil
}

func (p *process) read(to any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, to)
}

// end has the node release its calls and end.
func (p *process) end(said *closed) error {
	_, err := io.WriteString(p.in, "end\n")
	if err == nil {
		err = p.read(said)
	}
	return errors.Join(err, p.in.Close(), p.wait())
}

func (r *result) write(w io.Writer) error {
	us := func(q float64) float64 { return float64(r.latency.Quantile(q)) / 1e3 }
	perCall := func(d time.Duration) float64 { return float64(d) / 1e3 / float64(r.calls) }
	cores := (r.closed.CPU + r.program).Seconds() / r.sent.Elapsed.Seconds()
	_, err := fmt.Fprintf(w, `%d audio calls at once, without signalling: %.0f packets/s for %s
  sent %d, arrived %d, lost %d
  node counted %d up, %d down, %d lost; calls whose ways differ: %d
  streams by what carried the last packet: %v; packets relayed by hand: %d
  latency p50 %.1f µs, p99 %.1f µs, p99.9 %.1f µs
  CPU: program %.0f ns a packet, process %.2f %% of a core, together %.3f cores
  set-up %.0f µs a call, release %.0f µs, %d files
`, r.calls, r.sent.Rate(), r.sent.Elapsed.Round(time.Second),
		r.sent.Sent, r.arrived, int64(r.sent.Sent)-int64(r.arrived),
		r.closed.Up, r.closed.Down, r.closed.Lost, r.closed.Unequal,
		r.closed.Paths, r.closed.Counts.Relayed,
		us(.5), us(.99), us(.999),
		float64(r.program)/float64(r.sent.Sent), 100*r.closed.CPU.Seconds()/r.sent.Elapsed.Seconds(), cores,
		perCall(r.opened.SetUp), perCall(r.closed.Released), r.opened.Files)
	return err
}
