// Package gen sends RTP from inside the kernel: a program that is run on live
// frames fills in one packet after the other and redirects it into the sender's
// link. A process that sends through sockets reaches a tenth of what the relay
// takes, and would measure itself.
package gen

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"turnpike.dev/turnpike/perf/lab"
)

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel gen gen.bpf.c -- -O2 -mcpu=v3 -Wall -Werror -I/usr/include/x86_64-linux-gnu

// MaxFlows is how many flows one generator has at most.
const MaxFlows = 65536

// Config says who sends what.
type Config struct {
	Flows []Flow // they send by turns
	// Payload is the length of the RTP packets, header included, of the flows with
	// the longest headers. All frames have one length; so with flows with and
	// without a channel the latter have packets 4 bytes longer.
	Payload int
	Stamped bool // write the time of sending into each packet, for latency
}

// Load is how much is sent and for how long.
type Load struct {
	Rate     float64       // packets per second of all flows together; 0: flat out
	Duration time.Duration // 0: until the context ends
	CPU      int           // that the generator runs on
	// Burst is how much of a delay of the generator itself is made up for by
	// sending faster afterwards. 0: 200 µs.
	Burst time.Duration
	// Nice is the scheduling priority of the generator's thread, and with it of the
	// softirqs that run in it, -20 to 19. 0: as the process.
	Nice int
}

// Result is what was really sent.
type Result struct {
	Sent    uint64        // packets; the flows took turns
	Elapsed time.Duration // from the first to the last packet
	Late    time.Duration // delay of the generator that was not made up for
	// Core is the CPU time of the generator's thread, with that of the softirqs that
	// ran in it: those of every XDP program that the packets met.
	Core time.Duration
}

// Rate is the number of packets per second that were sent.
func (r Result) Rate() float64 {
	if r.Sent < 2 || r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Sent-1) / r.Elapsed.Seconds()
}

// Generator sends the packets of some flows. It is not safe for concurrent use.
type Generator struct {
	cfg   Config
	home  *lab.Host // where the generator's thread runs
	objs  genObjects
	prog  *ebpf.Program
	frame []byte
}

// New loads a generator. Close it.
func New(cfg Config) (*Generator, error) {
	length, err := frameOf(cfg.Flows, cfg.Payload)
	if err != nil {
		return nil, err
	}
	g := &Generator{cfg: cfg, home: cfg.Flows[0].Link.Host, frame: make([]byte, length)}
	if err := g.load(len(cfg.Flows), 1); err != nil {
		return nil, fmt.Errorf("load the generator: %w", err)
	}
	g.prog = g.objs.Generate
	if err := g.fill(); err != nil {
		return nil, errors.Join(fmt.Errorf("give the generator its flows: %w", err), g.Close())
	}
	return g, nil
}

// Close frees the generator.
func (g *Generator) Close() error { return g.objs.Close() }

func (g *Generator) load(flows, raws int) error {
	spec, err := loadGen()
	if err != nil {
		return err
	}
	stamped := uint32(0)
	if g.cfg.Stamped {
		stamped = 1
	}
	err = errors.Join(
		spec.Variables[genVarFlowCount].Set(uint32(max(flows, raws))),
		spec.Variables[genVarStamped].Set(stamped),
	)
	if err != nil {
		return err
	}
	spec.Maps[genMapFlows].MaxEntries, spec.Maps[genMapRaws].MaxEntries = uint32(flows), uint32(raws)
	return spec.LoadAndAssign(&g.objs, nil)
}

// fill writes the templates and the links.
func (g *Generator) fill() error {
	links := make(map[Link]uint32)
	keys := make([]uint32, len(g.cfg.Flows))
	values := make([]genFlow, len(g.cfg.Flows))
	for i, f := range g.cfg.Flows {
		link, known := links[f.Link]
		if !known {
			link = uint32(len(links))
			links[f.Link] = link
			if err := g.addLink(link, f.Link); err != nil {
				return err
			}
		}
		keys[i], values[i] = uint32(i), template(f, len(g.frame), link)
	}
	_, err := g.objs.Flows.BatchUpdate(keys, values, nil)
	return err
}

// addLink puts a link into the map. Its index counts in the namespace of the thread
// that writes it; the redirect then works from any namespace.
func (g *Generator) addLink(i uint32, l Link) error {
	if i >= MaxLinks {
		return fmt.Errorf("flows by more than %d links", MaxLinks)
	}
	return l.Host.Do(func() error { return g.objs.Links.Put(i, uint32(l.Host.Link(l.Name).Index)) })
}

// Run sends until the load's duration is over or ctx ends. Sequence numbers go on
// from one run to the next.
func (g *Generator) Run(ctx context.Context, load Load) (Result, error) {
	if err := g.prepare(load); err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if load.Duration > 0 {
		go g.endAfter(ctx, cancel, load.Duration)
	}
	var core time.Duration
	live := func() error {
		before := threadTime()
		err := runLive(ctx, g.prog.FD(), g.frame)
		core = threadTime() - before
		return err
	}
	err := g.home.Do(func() error {
		return OnCPU(load.CPU, func() error { return withNice(load.Nice, live) })
	})
	if err != nil {
		return Result{}, fmt.Errorf("run the generator in %s: %w", g.home.Name, err)
	}
	r, err := g.result()
	r.Core = core
	return r, err
}

// endAfter ends a run when the program says that its time is over.
func (g *Generator) endAfter(ctx context.Context, end func(), d time.Duration) {
	defer end()
	timer := time.NewTimer(d)
	defer timer.Stop()
	for finished := uint32(0); finished == 0; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := g.objs.Finished.Get(&finished); err != nil {
			return
		}
		timer.Reset(nudge)
	}
}

// Sent is the number of packets of the current or last run so far.
func (g *Generator) Sent() (n uint64, err error) {
	err = g.objs.Sent.Get(&n)
	return n, err
}

// SetRate changes the rate of a running load.
func (g *Generator) SetRate(perSecond float64) error {
	interval := uint64(0)
	if perSecond > 0 {
		interval = uint64(1e12 / perSecond)
	}
	return g.objs.IntervalPs.Set(interval)
}

func (g *Generator) prepare(load Load) error {
	if load.Burst == 0 {
		load.Burst = 200 * time.Microsecond
	}
	return errors.Join(
		g.SetRate(load.Rate),
		g.objs.BurstNs.Set(uint64(load.Burst)),
		g.objs.DurationNs.Set(uint64(load.Duration)),
		g.objs.Finished.Set(uint32(0)),
		set(0, g.objs.Sent, g.objs.Skipped, g.objs.FirstNs, g.objs.LastNs, g.objs.LateNs),
	)
}

func (g *Generator) result() (Result, error) {
	var r Result
	var first, last, late uint64
	err := errors.Join(
		g.objs.Sent.Get(&r.Sent),
		g.objs.FirstNs.Get(&first),
		g.objs.LastNs.Get(&last),
		g.objs.LateNs.Get(&late),
	)
	r.Elapsed, r.Late = time.Duration(last-first), time.Duration(late)
	return r, err
}

func set(value uint64, vars ...*ebpf.Variable) error {
	var errs []error
	for _, v := range vars {
		errs = append(errs, v.Set(value))
	}
	return errors.Join(errs...)
}
