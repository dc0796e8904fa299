package turn

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/stun/v3"
)

// timed runs a test on a clock of its own, with a server in it.
func timed(t *testing.T, edit func(*Config), f func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t, edit)) })
}

// later lets time pass and the timer do what is due.
func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

const instantly = time.Millisecond

// RFC 8656 section 9: a channel carries nothing without a permission.
func TestLapsedPermissionStopsChannelData(t *testing.T) {
	timed(t, nil, func(t *testing.T, w *world) {
		c := w.client()
		x := c.allocate()[0]
		c.bind(0x4000, peerAddr)
		later(permissionLifetime)
		if h := w.holds(); h.Pairs != 0 || h.Permits != 0 {
			t.Errorf("after the permission's end the node holds %+v", h)
		}
		c.channelData(0x4000, "x")
		w.send(peerAddr, x, []byte("x"), metaNone)
		if up, down := w.payloads(peerAddr), w.payloads(clientAddr); len(up)+len(down) != 0 {
			t.Errorf("relayed %q up and %q down without permission", up, down)
		}

		c.permit(peerAddr)
		c.channelData(0x4000, "again")
		if diff := cmp.Diff([]string{"again"}, w.payloads(peerAddr)); diff != "" || w.holds().Pairs != 1 {
			t.Errorf("after a new permission %+v, peer received (-want +got):\n%s", w.holds(), diff)
		}
	})
}

// The table is told the earliest of the three ends, so that it stops by itself.
func TestPairEndsWithTheEarliestDeadline(t *testing.T) {
	timed(t, nil, func(t *testing.T, w *world) {
		start := time.Now()
		end := func() time.Duration {
			for _, p := range w.List() {
				return p.Pair.NotAfter.Sub(start)
			}
			return 0
		}
		c := w.client()
		c.allocate()
		c.bind(0x4000, peerAddr)
		if got := end(); got != permissionLifetime {
			t.Errorf("ends %s after the bind, want the permission's 5m", got)
		}
		later(4 * time.Minute)
		c.permit(peerAddr)
		if got := end(); got != 9*time.Minute {
			t.Errorf("ends after %s, want the new permission's 9m", got)
		}
		later(4 * time.Minute)
		c.permit(peerAddr)
		if got := end(); got != 10*time.Minute {
			t.Errorf("ends after %s, want the channel's and allocation's 10m", got)
		}
		c.bind(0x4000, peerAddr)
		if got := end(); got != 10*time.Minute {
			t.Errorf("ends after %s, want the allocation's 10m", got)
		}
		c.must(stun.MethodRefresh, lifetime(3600))
		if got := end(); got != 13*time.Minute {
			t.Errorf("ends after %s, want the permission's 13m", got)
		}
	})
}

func TestAllocationExpires(t *testing.T) {
	timed(t, nil, func(t *testing.T, w *world) {
		c := w.client()
		x := c.allocate()[0]
		c.bind(0x4000, peerAddr)
		later(10*time.Minute - instantly)
		if len(w.server.Allocations()) != 1 || !w.isOpen(x) {
			t.Fatal("ended too early")
		}
		later(instantly)
		if h := w.holds(); len(w.server.Allocations()) != 0 || h != (holds{Sockets: 2, Ports: 2}) {
			t.Errorf("left behind: %+v", h)
		}
		if got := codeOf(c.do(stun.MethodRefresh)); got != 437 {
			t.Errorf("refresh answered with %d, want 437", got)
		}
		c.allocate()
	})
}

// A channel ends before its allocation; number and peer then rest for five minutes.
func TestChannelQuietTime(t *testing.T) {
	other := withPort(peerAddr, 6000)
	bind := func(c *testClient, n uint16, p netip.AddrPort) int {
		return codeOf(c.do(stun.MethodChannelBind, channelNumber(n), peer(p)))
	}
	timed(t, nil, func(t *testing.T, w *world) {
		c := w.client()
		c.allocate(lifetime(3600))
		c.bind(0x4000, peerAddr)
		c.bind(0x4001, withPort(peerAddr, 7000))
		later(channelLifetime + instantly)
		c.permit(peerAddr)
		if h := w.holds(); h.Pairs != 0 {
			t.Errorf("channels expired, but the node holds %+v", h)
		}
		c.channelData(0x4000, "x")
		if got := w.payloads(peerAddr); len(got) != 0 {
			t.Errorf("an expired channel relayed %q", got)
		}
		if got := bind(c, 0x4000, other); got != 400 {
			t.Errorf("number for another peer within the quiet time: %d, want 400", got)
		}
		if got := bind(c, 0x4005, peerAddr); got != 400 {
			t.Errorf("peer for another number within the quiet time: %d, want 400", got)
		}
		if got := bind(c, 0x4000, peerAddr); got != 0 {
			t.Errorf("the same pair within the quiet time: %d, want success", got)
		}
		later(channelQuiet)
		if got := bind(c, 0x4001, other); got != 0 {
			t.Errorf("number for another peer after the quiet time: %d, want success", got)
		}
		if got := bind(c, 0x4006, withPort(peerAddr, 7000)); got != 0 {
			t.Errorf("peer for another number after the quiet time: %d, want success", got)
		}
	})
}

// Deadlines count when something is used, not when the timer gets to it.
func TestDeadlinesAreExactWithoutTheTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		c := w.client()
		x := c.allocate()[0]
		c.permit(peerAddr)
		w.server.mu.Lock()
		w.server.wakes[0].wake = time.Now().Add(time.Hour)
		w.server.mu.Unlock()
		time.Sleep(permissionLifetime)
		_ = w.Permit(x, peerAddr.Addr(), time.Now().Add(time.Hour))
		c.indicate(peerAddr, "x")
		w.send(peerAddr, x, []byte("x"), metaNone)
		if up, down := w.payloads(peerAddr), w.payloads(clientAddr); len(up)+len(down) != 0 {
			t.Errorf("relayed %q up and %q down without permission", up, down)
		}
		time.Sleep(permissionLifetime)
		if got := codeOf(c.do(stun.MethodCreatePermission, peer(peerAddr))); got != 437 {
			t.Errorf("permission in an expired allocation answered with %d, want 437", got)
		}
	})
}

// RFC 8656 section 8: each family of a dual allocation has its own lifetime.
func TestDualAllocationRefreshedByFamily(t *testing.T) {
	timed(t, nil, func(t *testing.T, w *world) {
		c := w.client()
		x := c.allocate(bothFamilies())
		c.bind(0x4000, peerAddr)
		c.bind(0x4001, peer6Addr)
		if got := codeOf(c.do(stun.MethodChannelBind, channelNumber(0x4000), peer(withPort(peer6Addr, 1)))); got != 400 {
			t.Errorf("one number for both families answered with %d, want 400", got)
		}
		c.must(stun.MethodRefresh, lifetime(0), wantFamily(wireIPv4))
		if w.isOpen(x[0]) || !w.isOpen(x[1]) || w.holds().Pairs != 1 {
			t.Error("the wrong family ended")
		}
		if got := codeOf(c.do(stun.MethodCreatePermission, peer(peerAddr))); got != 443 {
			t.Errorf("permission in the ended family answered with %d, want 443", got)
		}
		later(9 * time.Minute)
		c.must(stun.MethodRefresh, wantFamily(wireIPv6))
		later(9 * time.Minute)
		c.bind(0x4001, peer6Addr)
		later(time.Minute)
		if len(w.server.Allocations()) != 0 || w.holds().Ports != 2 {
			t.Error("not ended")
		}
	})
}

func TestReservationExpires(t *testing.T) {
	timed(t, nil, func(t *testing.T, w *world) {
		c := w.client()
		answer := c.must(stun.MethodAllocate, udpTransport(), raw(stun.AttrEvenPort, 0x80))
		token, _ := answer.Get(stun.AttrReservationToken)
		token = append([]byte(nil), token...)
		next := nextPort(relayedOf(answer)[0])
		later(reservationLife - instantly)
		if !w.isOpen(next) {
			t.Error("reserved port closed too early")
		}
		later(instantly)
		if w.isOpen(next) || w.server.Stats().Relays != 1 {
			t.Error("reserved port left open")
		}
		c.addr = withPort(clientAddr, 1)
		c.challenge()
		if got := codeOf(c.do(stun.MethodAllocate, udpTransport(), raw(stun.AttrReservationToken, token...))); got != 508 {
			t.Errorf("token after its end answered with %d, want 508", got)
		}
	})
}
