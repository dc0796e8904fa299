package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

const peersOnly = "cluster_tls: permissive\nturn: {mode: off}\n"

// six measures six peers: changes, and deaths.
func (b *bench) six(ctx context.Context, changes, deaths int) (err error) {
	c, err := clusterlab.New(clusterlab.Options{Nodes: 6, Program: b.program, Dir: filepath.Join(b.dir, "six")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	begin := time.Now()
	if err := c.Form(ctx, peersOnly); err != nil {
		return err
	}
	b.say("six peers started at once are one after %v", since(begin))
	if err := b.changes(ctx, c, changes); err != nil {
		return err
	}
	for i := range deaths {
		if err := b.death(ctx, c, 5-i%5); err != nil {
			return err
		}
	}
	return nil
}

func since(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) }

// changes times how long a change on the primary takes to be in force on all.
func (b *bench) changes(ctx context.Context, c *clusterlab.Cluster, n int) error {
	const item = "sip.registration_time"
	var took []time.Duration
	for i := range n {
		want := fmt.Sprint(1000 + i)
		begin := time.Now()
		if _, err := c.Nodes[0].Run("config", "set", item, want); err != nil {
			return err
		}
		for _, node := range c.Nodes[1:] {
			err := node.Await(ctx, item+" is "+want, func() error {
				it, err := node.API.ConfigItem(ctx, item)
				if err == nil && it.Value != want {
					err = fmt.Errorf("it is %s", it.Value)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	at := func(q int) time.Duration { return took[(len(took)-1)*q/100].Round(time.Millisecond) }
	b.say("a change, from the command on the primary until all five others have it: median %v, p99 %v, longest %v of %d (looked at every 25 ms, one node after the other)",
		at(50), at(99), at(100), n)
	return nil
}

// death kills a peer, and times until each of the others shows it.
func (b *bench) death(ctx context.Context, c *clusterlab.Cluster, victim int) error {
	address := c.Addresses(victim)[0]
	if err := c.Nodes[victim].End(unix.SIGKILL); err != nil {
		return err
	}
	begin := time.Now()
	for i, n := range c.Nodes {
		if i == victim {
			continue
		}
		err := n.Await(ctx, "a peer is dead", func() error {
			st, err := n.API.Cluster(ctx)
			if err != nil {
				return err
			}
			for _, p := range st.Peers {
				if p.Address == address && p.State != clustering.Failed {
					return errors.New(p.State)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	noticed := since(begin)
	if err := c.Nodes[victim].Start(ctx); err != nil {
		return err
	}
	back := time.Now()
	if err := c.Settle(ctx, c.Nodes...); err != nil {
		return err
	}
	b.say("peer %d killed: noticed by all five after %v; started again, one cluster after %v", victim+1, noticed, since(back))
	return nil
}
