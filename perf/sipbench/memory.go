package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/report"
)

const (
	registrations = 20000
	// ofAccount are the contacts of each account: a node has 10,000 accounts at most.
	ofAccount    = 2
	registerRate = 1000
	// transactionsEnd is when the last transaction of a registration is forgotten (timer J,
	// RFC 3261 17.2.2), and time to give back what it took.
	transactionsEnd = 40 * time.Second

	calls    = 950
	callRate = 100
	// callSettle is how long all calls stand before their memory is looked at.
	callSettle = 10 * time.Second
)

// memory measures registrations and calls, each on a new process.
func (b *bench) memory(ctx context.Context) error {
	b.each(ctx, "memory of registrations", setup{accounts: b.scaled(registrations) / ofAccount}, func(s *site) error { return b.registrations(ctx, s) })
	b.each(ctx, "memory of calls", setup{}, func(s *site) error { return b.calls(ctx, s) })
	return ctx.Err()
}

// sample is memory at one time.
type sample struct{ pss, system uint64 }

// startOver is how long a process may take to give back what it needed to start.
const startOver = 3 * time.Second

// first is the memory of a process that has nothing to do yet.
func (s *site) first(ctx context.Context) (sample, error) {
	if err := wait(ctx, startOver); err != nil {
		return sample{}, err
	}
	return s.sample()
}

func (s *site) sample() (m sample, err error) {
	if m.pss, err = s.group.PSS(); err != nil {
		return m, err
	}
	m.system, err = s.group.SystemMemory()
	return m, err
}

func (b *bench) grown(s *site, what string, number int, before, after sample, note string) {
	m := report.SIPMemory{
		What: what, Target: s.name(what == "call"), Number: number, Total: after.pss, Note: note,
		Each: (int64(after.pss) - int64(before.pss)) / int64(number), System: (int64(after.system) - int64(before.system)) / int64(number),
	}
	b.report.SIP.Memory = append(b.report.SIP.Memory, m)
	b.say("%-22s %d × %s: %.2f KiB each", m.Target, number, what, float64(m.Each)/1024)
}

// registrations registers everybody twice, from two ports, and waits until only the
// bindings are left.
func (b *bench) registrations(ctx context.Context, s *site) error {
	number := b.scaled(registrations)
	before, err := s.first(ctx)
	if err != nil {
		return err
	}
	for i := range ofAccount {
		load := s.caller("register", number/ofAccount, registerRate)
		load.Local = addPort(load.Local, i)
		load.Users = users(number / ofAccount)
		if _, err := runner.Run(ctx, load); err != nil {
			return err
		}
	}
	if err := wait(ctx, transactionsEnd); err != nil {
		return err
	}
	after, err := s.sample()
	if err == nil {
		b.grown(s, "registration", number, before, after, fmt.Sprintf("%s after the last", transactionsEnd))
	}
	return err
}

// calls holds 950 calls without media.
func (b *bench) calls(ctx context.Context, s *site) (err error) {
	number := b.scaled(calls)
	setUp := time.Duration(float64(number) / callRate * float64(time.Second))
	hold := setUp + callSettle + 5*time.Second
	callee, err := runner.Start(ctx, s.callee("signalling-callee", number, hold+setUp+time.Minute))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, callee.Close()) }()
	before, err := s.first(ctx)
	if err != nil {
		return err
	}
	load := s.caller("signalling-caller", number, callRate)
	load.Hold = hold
	caller, err := runner.Start(ctx, load)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, caller.Close()) }()
	if err := wait(ctx, setUp+callSettle); err != nil {
		return err
	}
	after, err := s.sample()
	if err != nil {
		return err
	}
	if _, err := caller.Wait(ctx); err != nil {
		return err
	}
	b.grown(s, "call", number, before, after, "media anchored, none sent")
	return nil
}

// wait lets time pass that is part of what is measured.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
