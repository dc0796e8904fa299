package main

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"time"

	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/peers"
)

// setup is what a target must be able to do besides calls with media.
type setup struct {
	accounts int
	tls      bool
}

// site is a lab with a target on its node.
type site struct {
	target string
	lab    *lab.Lab
	group  peers.Group
	load   string // CPUs
	close_ []func() error
}

// open makes a lab and starts a target there. The lab's name is always the same, so that
// a run cleans up after one that was killed.
func (b *bench) open(ctx context.Context, target string, o setup) (*site, error) {
	l, err := lab.New(lab.Options{Name: "sipbench-" + target, Queues: 2, Clients: connectionSources})
	if err != nil {
		return nil, err
	}
	s := &site{target: target, lab: l, load: b.load, close_: []func() error{l.Close}}
	if target == turnpike {
		err = s.startTurnpike(ctx, b, o)
	} else {
		err = s.startKamailio(ctx, b, o)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.close_ = append(s.close_, func() error { return s.group.Stop() })
	return s, nil
}

func (s *site) startTurnpike(ctx context.Context, b *bench, o setup) error {
	server, err := peers.TurnpikeSIP(ctx, s.lab, b.binary, peers.Options{
		Mode: peers.XDP, Relays: 4000, CPUs: b.server, SIP: &peers.SIPOptions{Accounts: o.accounts, Registrations: registrations + 1000, TLS: o.tls},
	})
	if err != nil {
		return err
	}
	s.group = peers.Group{server}
	return nil
}

func (s *site) startKamailio(ctx context.Context, b *bench, o setup) (err error) {
	k := peers.KamailioOptions{CPUs: b.server}
	if o.tls {
		dir, err := os.MkdirTemp("", "sipbench-")
		if err != nil {
			return err
		}
		s.close_ = append(s.close_, func() error { return os.RemoveAll(dir) })
		if k.Certificate, k.Key, err = selfSigned(dir); err != nil {
			return err
		}
	}
	s.group, err = peers.KamailioWithRTPEngine(ctx, s.lab, k)
	return err
}

// close ends everything, the last first.
func (s *site) close() error {
	var errs []error
	for i := len(s.close_) - 1; i >= 0; i-- {
		errs = append(errs, s.close_[i]())
	}
	s.close_ = nil
	return errors.Join(errs...)
}

// server is where the target listens towards clients.
func (s *site) server(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(s.lab.Node.Link("s0").Prefixes[0].Addr(), port)
}

// caller is a load of requests or calls from the client.
func (s *site) caller(scenario string, number int, rate float64) runner.Config {
	return runner.Config{
		Host: s.lab.Client, Scenario: scenario, Local: netip.AddrPortFrom(s.lab.ClientAddrs.V4[0], peers.CallerPort),
		Target: s.server(peers.SIPPort), Service: "bob", Calls: number, Rate: rate, CPUs: s.load,
		Timeout: time.Duration(float64(number)/rate)*time.Second + time.Minute,
	}
}

// callee is the side that is called.
func (s *site) callee(scenario string, number int, life time.Duration) runner.Config {
	return runner.Config{
		Host: s.lab.Peer, Scenario: scenario, Local: netip.AddrPortFrom(s.lab.PeerAddrs.V4[0], peers.CalleePort),
		Calls: number, CPUs: s.load, Timeout: life,
	}
}

// users are as many lines for registrations.
func users(number int) []string {
	lines := make([]string, number)
	for i := range lines {
		lines[i] = runner.User(peers.Account(i), peers.Domain, peers.Password)
	}
	return lines
}
