package xdp

import (
	"context"
	"errors"
	"sync"
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
	recheck = 500 * time.Millisecond

	receiveBuffer = 4 << 20
)

// announcement is what the kernel tells of links, addresses, routes and neighbours.
type announcement struct {
	neighbour netlink.NeighUpdate
	other     bool // something else changed
	lost      bool // the subscription ended: more came than it could hold
}

// subscribe has the kernel's announcements sent to the channel until ctx ends.
func (b *Backend) subscribe(ctx context.Context, to chan<- announcement) error {
	done := ctx.Done()
	return errors.Join(
		follow(ctx, &b.done, to, func(ch chan netlink.LinkUpdate) error {
			return netlink.LinkSubscribeWithOptions(ch, done, netlink.LinkSubscribeOptions{ReceiveBufferSize: receiveBuffer})
		}),
		follow(ctx, &b.done, to, func(ch chan netlink.AddrUpdate) error {
			return netlink.AddrSubscribeWithOptions(ch, done, netlink.AddrSubscribeOptions{ReceiveBufferSize: receiveBuffer})
		}),
		follow(ctx, &b.done, to, func(ch chan netlink.RouteUpdate) error {
			return netlink.RouteSubscribeWithOptions(ch, done, netlink.RouteSubscribeOptions{ReceiveBufferSize: receiveBuffer})
		}),
		follow(ctx, &b.done, to, func(ch chan netlink.NeighUpdate) error {
			return netlink.NeighSubscribeWithOptions(ch, done, netlink.NeighSubscribeOptions{ReceiveBufferSize: receiveBuffer})
		}))
}

// follow starts a subscription and reads it to its end, also after ctx is done: its
// sender waits for a reader and for nothing else.
func follow[T any](ctx context.Context, wg *sync.WaitGroup, to chan<- announcement, subscribe func(chan T) error) error {
	from := make(chan T)
	if err := subscribe(from); err != nil {
		return err
	}
	wg.Go(func() {
		for update := range from {
			n, _ := any(update).(netlink.NeighUpdate)
			tell(ctx, to, announcement{neighbour: n, other: n.Type == 0})
		}
		tell(ctx, to, announcement{lost: true})
	})
	return nil
}

func tell(ctx context.Context, to chan<- announcement, a announcement) {
	select {
	case to <- a:
	case <-ctx.Done():
	}
}

// watch keeps the flows' next hops and the attachments right until ctx ends.
func (b *Backend) watch(ctx context.Context) {
	for ctx.Err() == nil {
		inner, cancel := context.WithCancel(ctx)
		news := make(chan announcement)
		err := b.subscribe(inner, news)
		b.reload()
		if err == nil {
			b.apply(inner, news)
		} else {
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

// apply takes in what is announced. It returns when ctx ends, or when a subscription
// does.
func (b *Backend) apply(ctx context.Context, news <-chan announcement) {
	timer := time.NewTimer(recheck)
	defer timer.Stop()
	all, due := false, false
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-news:
			if n.lost {
				return
			}
			all = all || n.other
			// The first of many changes sets the time: they may never stop.
			if (n.other || b.neighbour(&n.neighbour)) && !due {
				due = true
				timer.Reset(settle)
			}
		case <-timer.C:
			b.letGo()
			if all {
				b.reload()
			} else {
				b.recheck(due)
			}
			all, due = false, false
			timer.Reset(recheck)
		}
	}
}

func (b *Backend) letGo() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.router.letGo()
}

func (b *Backend) neighbour(n *netlink.NeighUpdate) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.Type == unix.RTM_DELNEIGH {
		return b.router.forget(&n.Neigh)
	}
	return b.router.learn(&n.Neigh)
}
