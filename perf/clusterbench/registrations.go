package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// registrations measures many registrations over four peers.
func (b *bench) registrations(ctx context.Context, n int) (err error) {
	const nodes = 4
	c, err := clusterlab.New(clusterlab.Options{Nodes: nodes, Extra: 1, Program: b.program, Dir: filepath.Join(b.dir, "four")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.Form(ctx, peersOnly+clusterlab.Takes); err != nil {
		return err
	}
	p, err := clusterlab.NewPhones(c.Star.Hosts[nodes])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	for i, n := range c.Nodes { // nobody is taken before the peers have agreed on shares
		if err := n.Await(ctx, "a phone registers", func() error { return p.Register(ctx, c.Star.Addr(i), i, time.Hour) }); err != nil {
			return err
		}
	}
	b.memory(c, "empty")
	at := func(i int) netip.Addr { return c.Star.Addr(i % nodes) }
	begin := time.Now()
	if err := p.RegisterMany(ctx, 0, n, at, 2*time.Hour); err != nil {
		return err
	}
	registered := time.Now()
	if err := b.all(ctx, c, n); err != nil {
		return err
	}
	b.say("%d phones registered in %v; all peers have all of them %v after the last", n, registered.Sub(begin).Round(time.Millisecond), since(registered))
	b.memory(c, fmt.Sprintf("with %d registrations", n))
	b.traffic(c, "idle", 10*time.Second)

	ended := make(chan error, 1)
	go func() { ended <- b.busy(ctx, p, n, at) }()
	b.traffic(c, "at 100 new registrations a second", 10*time.Second)
	if err := <-ended; err != nil {
		return err
	}
	if err := b.all(ctx, c, n+1000); err != nil {
		return err
	}

	if err := c.Nodes[1].End(unix.SIGTERM); err != nil {
		return err
	}
	begin = time.Now()
	if err := c.Nodes[1].Start(ctx); err != nil {
		return err
	}
	ready := since(begin)
	if err := b.all(ctx, c, n+1000); err != nil {
		return err
	}
	b.say("a peer restarted: ready after %v, has all registrations after %v", ready, since(begin))

	if err := c.Nodes[2].End(unix.SIGKILL); err != nil {
		return err
	}
	begin = time.Now()
	err = c.Nodes[0].Await(ctx, "no registration of a dead peer is offered", func() error {
		out, err := c.Nodes[0].Run("locate", clusterlab.Name(2), "-o", "json")
		if strings.Contains(out, `"registration"`) {
			return errors.Join(err, errors.New("it is offered"))
		}
		return nil
	})
	if err == nil {
		b.say("a peer killed: none of its registrations is offered after %v", since(begin))
	}
	return err
}

// all waits until each node knows of so many registrations.
func (b *bench) all(ctx context.Context, c *clusterlab.Cluster, want int) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for _, n := range c.Nodes {
		err := n.Await(ctx, fmt.Sprintf("%d registrations", want), func() error {
			list, err := n.API.ClusterRegistrations(ctx, "")
			if err == nil && len(list) != want {
				err = fmt.Errorf("it knows %d", len(list))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// busy registers 100 new phones a second for ten seconds.
func (b *bench) busy(ctx context.Context, p *clusterlab.Phones, first int, at func(int) netip.Addr) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range 100 {
		if err := p.RegisterMany(ctx, first+10*i, first+10*i+10, at, 2*time.Hour); err != nil {
			return err
		}
		<-tick.C
	}
	return nil
}

// traffic says what goes between the nodes in a time, frames and all.
func (b *bench) traffic(c *clusterlab.Cluster, what string, d time.Duration) {
	before := c.Star.Switch.Between(len(c.Nodes))
	time.Sleep(d)
	rate := float64(c.Star.Switch.Between(len(c.Nodes))-before) / d.Seconds() / 1024
	b.say("%s: %.1f KiB/s between all %d peers together, frames and all", what, rate, len(c.Nodes))
}

// memory says what each process has.
func (b *bench) memory(c *clusterlab.Cluster, what string) {
	var each []string
	for _, n := range c.Nodes {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.PID()))
		if err != nil {
			each = append(each, err.Error())
			continue
		}
		for line := range strings.Lines(string(text)) {
			if kib, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				each = append(each, strings.TrimSpace(kib))
			}
		}
	}
	b.say("memory %s: %s", what, strings.Join(each, ", "))
}
