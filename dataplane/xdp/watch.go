package xdp

import (
	"context"
	"errors"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// settle is how long changes are collected before the flows are gone through: a
	// route change is many messages.
	settle = 20 * time.Millisecond
	// recheck is how often the devices are looked at all the same: whether one takes
	// redirected frames is not announced.
	recheck = 2 * time.Second

	receiveBuffer = 4 << 20
)

// announcements are what the kernel tells of links, addresses, routes and neighbours.
type announcements struct {
	links  chan netlink.LinkUpdate
	addrs  chan netlink.AddrUpdate
	routes chan netlink.RouteUpdate
	neighs chan netlink.NeighUpdate
}

func subscribe(ctx context.Context) (announcements, error) {
	a := announcements{
		links:  make(chan netlink.LinkUpdate, 64),
		addrs:  make(chan netlink.AddrUpdate, 64),
		routes: make(chan netlink.RouteUpdate, 64),
		neighs: make(chan netlink.NeighUpdate, 64),
	}
	done := ctx.Done()
	return a, errors.Join(
		netlink.LinkSubscribeWithOptions(a.links, done, netlink.LinkSubscribeOptions{ReceiveBufferSize: receiveBuffer}),
		netlink.AddrSubscribeWithOptions(a.addrs, done, netlink.AddrSubscribeOptions{ReceiveBufferSize: receiveBuffer}),
		netlink.RouteSubscribeWithOptions(a.routes, done, netlink.RouteSubscribeOptions{ReceiveBufferSize: receiveBuffer}),
		netlink.NeighSubscribeWithOptions(a.neighs, done, netlink.NeighSubscribeOptions{ReceiveBufferSize: receiveBuffer}))
}

// watch keeps the flows' next hops and the attachments right until ctx ends.
func (b *Backend) watch(ctx context.Context) {
	for ctx.Err() == nil {
		inner, cancel := context.WithCancel(ctx)
		if a, err := subscribe(inner); err == nil {
			b.reload()
			b.follow(inner, a)
		} else {
			b.reload()
			wait(ctx, recheck)
		}
		cancel()
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// follow applies what is announced. It returns when ctx ends, or when a subscription
// does because more came than it could hold.
func (b *Backend) follow(ctx context.Context, a announcements) {
	timer := time.NewTimer(recheck)
	defer timer.Stop()
	all, some := false, false
	for {
		open := true
		select {
		case <-ctx.Done():
			return
		case _, open = <-a.links:
			all = true
		case _, open = <-a.addrs:
			all = true
		case _, open = <-a.routes:
			all = true
		case n, ok := <-a.neighs:
			open = ok
			some = ok && b.neighbour(&n) || some
		case <-timer.C:
			if all {
				b.reload()
			} else {
				b.recheck()
			}
			all, some = false, false
			timer.Reset(recheck)
			continue
		}
		if !open {
			return
		}
		if all || some {
			timer.Reset(settle)
		}
	}
}

func (b *Backend) neighbour(n *netlink.NeighUpdate) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.Type == unix.RTM_DELNEIGH {
		return b.router.forget(&n.Neigh)
	}
	return b.router.learn(&n.Neigh)
}
