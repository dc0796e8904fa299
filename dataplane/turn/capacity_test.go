package turn

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"
)

// places is what a node gives relays.
type places struct{ limit, taken int }

func (p *places) Take(n int) bool {
	if p.taken+n > p.limit {
		return false
	}
	p.taken += n
	return true
}

func (p *places) Keep(n int) bool {
	p.taken += n
	return true
}

func (p *places) Give(n int) { p.taken -= n }

// CA-01: each relayed address has a place of the node, a reserved one too, from when it is
// opened until it is closed.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &places{limit: 4}
		w := newWorld(t, func(c *Config) { c.Capacity = p })
		defer w.stop()
		holds := func(want int, what string) {
			t.Helper()
			if p.taken != want || w.server.Stats().Relays != want {
				t.Errorf("%s: %d places for %d relays, want %d", what, p.taken, w.server.Stats().Relays, want)
			}
		}
		a, b := w.client(), w.client()
		b.addr = withPort(clientAddr, 40001)
		a.must(stun.MethodAllocate, udpTransport(), bothFamilies())
		holds(2, "two families")
		b.must(stun.MethodAllocate, udpTransport(), raw(stun.AttrEvenPort, 0x80))
		holds(4, "a port and its neighbour")
		c := w.client()
		c.addr = withPort(clientAddr, 40002)
		if got := codeOf(c.do(stun.MethodAllocate, udpTransport())); got != 508 {
			t.Errorf("one too many answered with %d, want 508", got)
		}
		holds(4, "refused")
		later(reservationLife + time.Second)
		holds(3, "nobody came for the neighbour")
		if got := codeOf(c.do(stun.MethodAllocate, udpTransport(), raw(stun.AttrEvenPort, 0x80))); got != 508 {
			t.Errorf("two where one is left answered with %d, want 508", got)
		}
		holds(3, "one of two could be had")
		a.must(stun.MethodRefresh, lifetime(0))
		b.must(stun.MethodRefresh, lifetime(0))
		holds(0, "all have left")
	})
}

// CA-04: what an earlier process left goes on, also where there is less by now; only
// nobody new is taken.
func TestPlacesOfRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := withJournal(t)
		w := &world{network: newNetwork(t), mono: func() int64 { return time.Now().UnixNano() }}
		w.start(edited(journal))
		defer func() { w.stop() }()
		c := w.client()
		c.must(stun.MethodAllocate, udpTransport(), bothFamilies())
		p := &places{limit: 1}
		w.restarted(edited(func(cfg *Config) { journal(cfg); cfg.Capacity = p }))
		if w.restored != 1 || p.taken != 2 {
			t.Errorf("%d taken over, %d places taken", w.restored, p.taken)
		}
		other := w.client()
		other.addr = withPort(clientAddr, 40001)
		if got := codeOf(other.do(stun.MethodAllocate, udpTransport())); got != 508 {
			t.Errorf("answered with %d, want 508", got)
		}
		c.w = w
		c.must(stun.MethodRefresh, lifetime(0))
		other.w = w
		other.allocate()
		if p.taken != 1 {
			t.Errorf("%d places taken", p.taken)
		}
	})
}
