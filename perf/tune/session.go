package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/doctor"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/peers"
)

// What is wrong at the beginning: far ends that take no redirected frames, a firewall that
// tracks every packet, statistics that somebody forgot.
const (
	noGRO      = "ethtool -K %s gro off"
	tracking   = "nft 'table inet filter { chain input { type filter hook input priority 0; ct state invalid drop; }; chain output { type filter hook output priority 0; ct state invalid drop; }; }'"
	statistics = "/proc/sys/kernel/bpf_stats_enabled"
)

// bench is the lab with its node, and where the session is written down.
type bench struct {
	out    io.Writer
	lab    *lab.Lab
	node   *peers.Server
	binary string
	load   *load
	rounds int
}

// session is the whole of it, top to bottom.
func session(ctx context.Context, out io.Writer, binary string, rounds int) (err error) {
	b := &bench{out: out, binary: binary, rounds: rounds}
	if err := b.sayMachine(); err != nil {
		return err
	}
	defer comeFirst()()
	was, err := os.ReadFile(statistics)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.WriteFile(statistics, was, 0)) }()
	if b.lab, err = lab.New(lab.Options{Name: "tune", Queues: 2}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.lab.Close()) }()
	if err := b.spoil(ctx); err != nil {
		return err
	}
	if b.node, err = peers.Turnpike(ctx, b.lab, binary, "auto"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.node.Stop()) }()
	if b.load, err = newLoad(ctx, b.lab, b.node); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.load.close()) }()
	return b.play(ctx)
}

// play mends one thing after the other.
func (b *bench) play(ctx context.Context) error {
	if err := errors.Join(b.examine(ctx), b.measure(ctx, "as found", "userspace")); err != nil {
		return err
	}
	report, err := b.doctor(ctx)
	if err != nil {
		return err
	}
	for _, f := range report.Findings {
		if f.ID == "conntrack" && f.Severity == doctor.Warning {
			if err := b.apply(ctx, b.lab.Node, f.Command); err != nil {
				return err
			}
		}
	}
	if err := b.measure(ctx, "media ports are not tracked", "userspace"); err != nil {
		return err
	}
	if err := b.apply(ctx, b.lab.Client, "ethtool -K c0 gro off && ethtool -K c0 gro on"); err != nil {
		return err
	}
	if err := b.apply(ctx, b.lab.Peer, "ethtool -K p0 gro off && ethtool -K p0 gro on"); err != nil {
		return err
	}
	if err := b.measure(ctx, "far ends take redirected frames", "xdp"); err != nil {
		return err
	}
	if _, err := b.doctor(ctx, "--fix"); err != nil {
		return err
	}
	b.say("\n# turnpike doctor --fix\n")
	if err := b.measure(ctx, "statistics off", "xdp"); err != nil {
		return err
	}
	return b.examine(ctx)
}

func (b *bench) say(format string, args ...any) { _, _ = fmt.Fprintf(b.out, format, args...) }

func (b *bench) sayMachine() error {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	b.say("%s, Linux %s, load before %s\n", time.Now().UTC().Format(time.DateOnly), strings.TrimSpace(string(release)), strings.Join(strings.Fields(string(load))[:3], " "))
	b.say("%d relays, RTP packets of %d bytes from clients to peers, sent from one core\n", relays, payload)
	return nil
}

// spoil makes the lab what the session finds.
func (b *bench) spoil(ctx context.Context) error {
	return errors.Join(
		shell(ctx, b.lab.Client, fmt.Sprintf(noGRO, "c0")),
		shell(ctx, b.lab.Peer, fmt.Sprintf(noGRO, "p0")),
		shell(ctx, b.lab.Node, tracking),
		os.WriteFile(statistics, []byte("1"), 0),
		// The peers only count what arrives.
		shell(ctx, b.lab.Peer, "nft 'table ip sink { chain in { type filter hook prerouting priority raw; udp dport 10000-19999 drop; }; }'"))
}

func (b *bench) apply(ctx context.Context, h *lab.Host, command string) error {
	b.say("\n# in %s: %s\n", h.Name, command)
	return shell(ctx, h, command)
}

func shell(ctx context.Context, h *lab.Host, command string) error {
	if out, err := h.Command(ctx, "sh", "-c", command).CombinedOutput(); err != nil {
		return fmt.Errorf("%s in %s: %w: %s", command, h.Name, err, out)
	}
	return nil
}

// doctor runs the node's doctor.
func (b *bench) doctor(ctx context.Context, args ...string) (doctor.Report, error) {
	var r doctor.Report
	out, err := b.lab.Node.Command(ctx, b.binary, append([]string{"doctor", "--state", b.node.State, "-o", "json"}, args...)...).Output()
	if len(out) == 0 {
		return r, fmt.Errorf("run doctor: %w", err)
	}
	return r, json.Unmarshal(out, &r)
}

// examine writes down what doctor finds.
func (b *bench) examine(ctx context.Context) error {
	r, err := b.doctor(ctx)
	if err != nil {
		return err
	}
	b.say("\n# turnpike doctor\n")
	for _, f := range r.Findings {
		if f.Severity != doctor.OK {
			b.say("%-8s %-18s %s: %s\n", f.Severity, f.ID, f.Subject, f.What)
		}
	}
	b.say("%d problems, %d warnings\n", r.Count(doctor.Problem), r.Count(doctor.Warning))
	return nil
}

// awaitPath waits until all of the relays have a path.
func (b *bench) awaitPath(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	c := api.NewClient(b.node.State)
	for {
		d, err := c.Dataplane(ctx)
		if err != nil {
			return err
		}
		if (path == "xdp") == (d.Flows.Userspace == 0) {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%d flows go by XDP and %d by the process, not all by %s", d.Flows.XDP, d.Flows.Userspace, path)
		}
	}
}
