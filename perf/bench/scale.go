package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/load"
	"turnpike.dev/turnpike/perf/peers"
	"turnpike.dev/turnpike/perf/report"
)

const (
	scaleClients = 4    // addresses that the relays' clients have
	scaleMedia   = 20e3 // packets/s in both directions while something is changed
	scaleSecond  = 1000 // relays of the user that is taken away
	// scaleFlows is what the kernel's table holds, by two for each channel.
	scaleFlows  = 65536
	scaleFiles  = 2500            // descriptors besides the relays'
	scaleWindow = 4 * time.Second // of media, in which a step should be over
	denied      = "203.0.113.0/24"
)

// scales measures what a node takes for the work that is not media, by its size.
func (b *bench) scales(ctx context.Context) {
	for _, relays := range b.plan.scales {
		b.try(ctx, fmt.Sprintf("%d relays", relays), func() error { return b.scale(ctx, relays) })
	}
}

// scaled is a node of one size under measurement.
type scaled struct {
	*bench
	site     *site
	options  peers.Options
	channels int
	second   *load.Fleet
}

func (b *bench) scale(ctx context.Context, relays int) (err error) {
	fits, err := raiseFiles(relays + scaleSecond + scaleFiles)
	if err != nil {
		return err
	}
	if most := fits - scaleSecond - scaleFiles; relays > most {
		b.report.Problems = append(b.report.Problems,
			fmt.Sprintf("%d relays: this system allows %d open files (ulimit -n, as root with CAP_SYS_RESOURCE); measured with %d relays", relays, fits, most))
		relays = most
	}
	// As many channels for each relay as fit, up to four.
	each := min(4, (scaleFlows/2-scaleSecond)/relays)
	s, err := newSite(xdpTarget)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	m := &scaled{bench: b, site: s, channels: relays * each, options: peers.Options{
		Mode: peers.XDP, Relays: relays + scaleSecond, Second: true,
	}}
	if s.server, err = peers.TurnpikeWith(ctx, s.lab, b.binary, m.options); err != nil {
		return err
	}
	s.closers = append(s.closers, s.server.Stop)
	if err := m.fill(ctx, relays, each); err != nil {
		return err
	}
	return m.steps(ctx)
}

// raiseFiles lets this process, and the node that it starts, have so many descriptors, or
// as many as the system allows, and returns how many.
func raiseFiles(need int) (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	more := unix.Rlimit{Cur: max(limit.Cur, uint64(need)), Max: max(limit.Max, uint64(need))}
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &more) == nil {
		return need, nil
	}
	more = unix.Rlimit{Cur: limit.Max, Max: limit.Max}
	return int(limit.Max), unix.Setrlimit(unix.RLIMIT_NOFILE, &more)
}

// fill makes the relays.
func (m *scaled) fill(ctx context.Context, relays, each int) error {
	s := m.site
	var err error
	if s.fleet, err = m.fleet(peers.User, relays, each, s.lab.ClientAddrs.V4[:scaleClients]); err != nil {
		return err
	}
	s.closers = append(s.closers, s.fleet.Close)
	start := time.Now()
	r, err := s.fleet.Setup(ctx, load.Pace{})
	if err != nil {
		return fmt.Errorf("set up %d relays: %w", relays, err)
	}
	s.relays, s.renewed = s.fleet.Relays(), time.Now()
	if err := m.row("set up all", time.Since(start), outcome{}, fmt.Sprintf("%.0f relays/s", r.Rate())); err != nil {
		return err
	}
	if m.second, err = m.fleet(peers.SecondUser, scaleSecond, 1, s.lab.ClientAddrs.V4[scaleClients:scaleClients+1]); err != nil {
		return err
	}
	s.closers = append(s.closers, m.second.Close)
	_, err = m.second.Setup(ctx, load.Pace{})
	return err
}

func (m *scaled) fleet(user string, relays, each int, from []netip.Addr) (*load.Fleet, error) {
	s := m.site
	return load.New(load.Config{
		Host: s.lab.Client, Clients: from, Servers: s.server.Listen, User: user, Password: peers.Password,
		Peers: func(relay int) []netip.AddrPort {
			var ps []netip.AddrPort
			for k := range each {
				ps = append(ps, s.peerOf(relay, k))
			}
			return ps
		},
	}, relays)
}

// steps does one change after the other, each under media.
func (m *scaled) steps(ctx context.Context) error {
	s := m.site
	node := func(args ...string) func(context.Context) error {
		return func(ctx context.Context) error { return s.server.Command(ctx, s.lab, m.binary, args...) }
	}
	reload := func(change func(*peers.Options)) func(context.Context) error {
		return func(ctx context.Context) error {
			change(&m.options)
			return s.server.Reload(ctx, s.lab, m.binary, m.options)
		}
	}
	restart := func(by unix.Signal) func(context.Context) error {
		return func(ctx context.Context) error { return s.server.Restart(ctx, s.lab, m.binary, by) }
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"nothing", func(context.Context) error { return nil }},
		{"list relays", node("relay", "list", "-o", "json")},
		{"read metrics", func(context.Context) error { _, err := s.counters(); return err }},
		{"renew all", func(ctx context.Context) error { _, err := s.fleet.Renew(ctx); return err }},
		{"reload, deny list", reload(func(o *peers.Options) { o.Deny = denied })},
		{"reload, 1000 relays' user revoked", reload(func(o *peers.Options) { o.Second = false })},
		{"SIGTERM and start", restart(unix.SIGTERM)},
		{"kill -9 and start", restart(unix.SIGKILL)},
	} {
		if err := m.under(ctx, step.name, step.do); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	start := time.Now()
	if _, err := s.fleet.Release(ctx); err != nil {
		return err
	}
	return m.row("give all back", time.Since(start), outcome{}, "")
}

// under does a step while media goes on, and adds its row.
func (m *scaled) under(ctx context.Context, name string, do func(context.Context) error) error {
	type ended struct {
		took time.Duration
		err  error
	}
	done := make(chan ended, 1)
	go func() {
		start := time.Now()
		err := do(ctx)
		done <- ended{time.Since(start), err}
	}()
	s := m.site
	o, err := s.trial(ctx, demand{
		direction: both, relays: len(s.relays), payload: basePayload, rate: scaleMedia,
		duration: scaleWindow, cpu: m.cpu, burst: time.Second,
	})
	e := <-done
	if err := errors.Join(err, e.err); err != nil {
		return err
	}
	note := ""
	if e.took > scaleWindow {
		note = "went on after the media"
	}
	return m.row(name, e.took, o, note)
}

func (m *scaled) row(name string, took time.Duration, o outcome, note string) error {
	rss, err := m.site.server.RSS()
	if err != nil {
		return err
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.site.server.PID))
	if err != nil {
		return err
	}
	row := report.Scale{
		Relays: len(m.site.relays), Channels: m.channels, Step: name, Took: took, RSS: rss, Files: len(files),
		Sent: o.sent.Sent, Lost: o.lost(), Note: note,
	}
	m.report.Scales = append(m.report.Scales, row)
	m.say("%d relays, %d channels: %-34s %8.1f ms, %d of %d lost, %d MiB, %d files", row.Relays, row.Channels, name,
		float64(took)/1e6, row.Lost, row.Sent, rss>>20, row.Files)
	return nil
}
