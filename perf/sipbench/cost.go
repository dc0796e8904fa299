package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/report"
)

// What is counted.
const (
	registerCost = "REGISTER with digest"
	optionsCost  = "OPTIONS"
	callCost     = "call with media anchored"
)

// operation is a load whose CPU time is measured.
type operation struct {
	what             string
	scenario, callee string // callee: empty for requests
	number           int    // in a round
	rate             float64
}

// operations are those of a full run. A REGISTER is challenged and sent again, so it is
// two requests; a call is INVITE, ACK and BYE with their answers on two legs, the offer
// and the answer rewritten, and no media.
var operations = []operation{
	{registerCost, "register", "", 4000, 500},
	{optionsCost, "options", "", 10000, 2000},
	{callCost, "signalling-caller", "signalling-callee", 1500, 100},
}

// accounts take turns in the measurement of REGISTER.
const accounts = 1000

// costs measures the operations, the targets by turns.
func (b *bench) costs(ctx context.Context) error {
	var sites []*site
	defer func() {
		for _, s := range sites {
			b.try(context.WithoutCancel(ctx), "clean up "+s.target, s.close)
		}
	}()
	for _, target := range b.targets {
		b.try(ctx, target, func() error {
			s, err := b.open(ctx, target, setup{accounts: accounts})
			if err == nil {
				sites = append(sites, s)
			}
			return err
		})
	}
	for _, o := range operations {
		b.alternate(ctx, o, sites)
	}
	return ctx.Err()
}

// alternate measures an operation on all sites, round by round.
func (b *bench) alternate(ctx context.Context, o operation, sites []*site) {
	o.number = b.scaled(o.number)
	found := make([]report.SIPCost, len(sites))
	rounds := make([][]report.Micros, len(sites))
	for i, s := range sites {
		found[i] = report.SIPCost{What: o.what, Target: s.name(o.callee != ""), Rate: o.rate}
	}
	for range b.rounds {
		for i, s := range sites {
			b.try(ctx, s.target+" "+o.what, func() error {
				each, r, err := s.cost(ctx, o)
				found[i].Done += r.Successful
				found[i].Failed += r.Failed
				found[i].Repeated += r.Retransmissions
				if err == nil {
					rounds[i] = append(rounds[i], each)
				}
				return err
			})
		}
	}
	for i := range found {
		found[i].Middle(rounds[i])
		b.report.SIP.Costs = append(b.report.SIP.Costs, found[i])
		b.say("%-22s %-26s %7.1f µs (%.1f–%.1f)", found[i].Target, o.what, float64(found[i].Median), float64(found[i].Least), float64(found[i].Most))
	}
}

// name tells whether rtpengine had work to do.
func (s *site) name(media bool) string {
	if s.target == kamailio && media {
		return withRTP
	}
	return s.target
}

// cost runs an operation once and returns the CPU time of each.
func (s *site) cost(ctx context.Context, o operation) (each report.Micros, r runner.Result, err error) {
	if o.callee != "" {
		callee, err := runner.Start(ctx, s.callee(o.callee, o.number, time.Duration(float64(o.number)/o.rate)*time.Second+time.Minute))
		if err != nil {
			return 0, r, err
		}
		defer func() { err = errors.Join(err, callee.Close()) }()
	}
	load := s.caller(o.scenario, o.number, o.rate)
	load.Users = users(accounts)
	before, err := s.group.CPUTime()
	if err != nil {
		return 0, r, err
	}
	if r, err = runner.Run(ctx, load); err != nil {
		return 0, r, err
	}
	after, err := s.group.CPUTime()
	if err != nil {
		return 0, r, fmt.Errorf("%s: %w", s.target, err)
	}
	return report.MicrosOf((after - before) / time.Duration(o.number)), r, nil
}
