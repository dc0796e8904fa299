package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/load"
	"turnpike.dev/turnpike/perf/peers"
	"turnpike.dev/turnpike/perf/report"
)

const (
	captureRelays = 1000
	// captureRate is what is relayed while a run of the program is timed and the capture
	// should miss nothing.
	captureRate = 100_000
	// recordAll lets a capture have everything.
	recordAll = "1000000"
)

// captureState is one in which relaying is measured. Without arguments nobody captures.
type captureState struct {
	name string
	// fresh: on a node where nobody ever captured.
	fresh bool
	args  func(s *site) []string
}

func captureArgs(args ...string) func(*site) []string {
	return func(*site) []string { return args }
}

var captureStates = []captureState{
	{name: "never captured", fresh: true},
	{name: "off, after captures"},
	{name: "on, no relay fits", args: captureArgs("--user", "nobody")},
	{name: "on, one relay", args: func(s *site) []string { return []string{"--address", s.relays[0].Client.String()} }},
	{name: "on, all, over the rate", args: captureArgs("--user", peers.User, "--rate", "1000")},
	{name: "on, all, headers", args: captureArgs("--user", peers.User, "--rate", recordAll)},
	{name: "on, all, whole frames", args: captureArgs("--user", peers.User, "--rate", recordAll, "--snaplen", "1514")},
}

// captures measures what a packet costs with and without a capture, by turns.
func (b *bench) captures(ctx context.Context) {
	b.report.Captures = make([]report.Capture, len(captureStates))
	b.try(ctx, capturePart, func() (err error) {
		fresh, err := b.captureSite(ctx, "never")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, fresh.close()) }()
		used, err := b.captureSite(ctx, "capture")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, used.close()) }()
		// The first round is not counted: before it nobody has captured.
		for round := range b.plan.rounds + 1 {
			if err := b.captureRound(ctx, fresh, used, round > 0); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bench) captureRound(ctx context.Context, fresh, used *site, counts bool) error {
	for i, state := range captureStates {
		s := used
		if state.fresh {
			s = fresh
		}
		row := report.Capture{}
		if counts {
			row = b.report.Captures[i]
		}
		row.State = state.name
		if err := b.captureTrial(ctx, s, state, &row); err != nil {
			return fmt.Errorf("%s: %w", state.name, err)
		}
		if counts {
			b.report.Captures[i] = row
			b.say("%-24s %6.1f ns/run, %6.1f ns/packet", state.name, row.RunNs[len(row.RunNs)-1], row.PacketNs[len(row.PacketNs)-1])
		}
	}
	return nil
}

// captureTrial measures one state: at a steady rate, and flat out.
func (b *bench) captureTrial(ctx context.Context, s *site, state captureState, row *report.Capture) (err error) {
	if state.args != nil {
		stop, err := b.startCapture(ctx, s, state.args(s))
		if err != nil {
			return err
		}
		defer func() {
			recorded, missing, stopErr := stop()
			row.Recorded, row.Missing = row.Recorded+recorded, row.Missing+missing
			err = errors.Join(err, stopErr)
		}()
	}
	d := b.base(up)
	d.relays, d.rate = captureRelays, captureRate
	ns, o, err := s.timedTrial(ctx, d)
	if err != nil {
		return err
	}
	row.RunNs = append(row.RunNs, ns)
	row.Sent, row.Lost = row.Sent+o.sent.Sent, row.Lost+o.lost()
	d.rate = 0
	if o, err = s.trial(ctx, d); err != nil {
		return err
	}
	row.PacketNs = append(row.PacketNs, float64(time.Second)/o.perCore())
	return nil
}

// captureSite is a node with relays.
func (b *bench) captureSite(ctx context.Context, name string) (*site, error) {
	s, err := newSite(name)
	if err != nil {
		return nil, err
	}
	if s.server, err = peers.Turnpike(ctx, s.lab, b.binary, peers.XDP); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.closers = append(s.closers, s.server.Stop)
	if s.fleet, err = s.newFleet(captureRelays, 1); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.closers = append(s.closers, s.fleet.Close)
	if _, err := s.fleet.Setup(ctx, load.Pace{}); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.relays, s.renewed = s.fleet.Relays(), time.Now()
	return s, nil
}

// startCapture starts a capture and returns when it runs; stop ends it and returns how
// many packets it has and how many it missed.
func (b *bench) startCapture(ctx context.Context, s *site, args []string) (stop func() (recorded, missing uint64, err error), err error) {
	args = append([]string{"dataplane", "capture", "-w", "/dev/null", "-o", "json", "--state", s.server.State, "--packets", "1000000000", "--bytes", "1000000000000"}, args...)
	cmd := exec.CommandContext(ctx, b.binary, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() (uint64, uint64, error) {
		if err := errors.Join(cmd.Process.Signal(unix.SIGINT), cmd.Wait()); err != nil {
			return 0, 0, fmt.Errorf("capture: %w\n%s", err, said.String())
		}
		var summary struct {
			Packets    uint64 `json:"packets"`
			RingFull   uint64 `json:"ring_full"`
			RateCapped uint64 `json:"rate_capped"`
		}
		err := json.Unmarshal(out.Bytes(), &summary)
		return summary.Packets, summary.RingFull + summary.RateCapped, err
	}
	if err := s.awaitCapture(ctx); err != nil {
		_, _, stopErr := stop()
		return nil, errors.Join(err, stopErr)
	}
	return stop, nil
}

// awaitCapture waits until the capturing program is on the link.
func (s *site) awaitCapture(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		prog, err := s.program(up)
		if err != nil {
			return err
		}
		info, err := prog.Info()
		_ = prog.Close() // only read
		if err != nil || info.Name == "captured" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the capture does not begin: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
