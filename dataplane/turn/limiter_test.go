package turn

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"
)

func TestLimiter(t *testing.T) {
	l := newLimiter(10, 2)
	now := l.start
	for i := range 10 {
		if !l.spend(3, now) {
			t.Fatalf("token %d refused", i)
		}
	}
	if l.spend(3, now) || l.has(3, now) {
		t.Error("eleventh token granted")
	}
	if !l.spend(5, now) {
		t.Error("another source refused")
	}
	now = now.Add(time.Second)
	for i, want := range []bool{true, true, false} {
		if got := l.spend(3, now); got != want {
			t.Errorf("token %d after a second: %t, want %t", i, got, want)
		}
	}
	l.refund(3, now)
	if !l.spend(3, now) {
		t.Error("refund did not count")
	}
	l.refund(7, now) // never seen
	l.clear(3)
	if !l.has(3, now) {
		t.Error("clear did not count")
	}
}

// A flood of forged sources costs no memory and does not free the one in debt.
func TestLimiterForgetsTheLeastInDebt(t *testing.T) {
	l := newLimiter(10, 0.001)
	now := l.start
	const tag = 1
	for l.spend(tag, now) {
	}
	for i := range uint64(100_000) {
		l.spend((i+2)*2*limiterSets|tag, now) // all of one set
	}
	if l.spend(tag, now) {
		t.Error("the source in debt was forgotten")
	}
	if n := len(l.sets) * limiterWays; n > 1<<16 {
		t.Errorf("%d buckets", n)
	}
}

func TestSourceIsASlash64(t *testing.T) {
	a := answerLimiter{newLimiter(1, 0)}
	addr := netip.MustParseAddr
	for x, want := range map[string]bool{"2001:db8::2": true, "2001:db8:0:1::1": false, "192.0.2.2": false} {
		if got := a.tag(addr("2001:db8::1")) == a.tag(addr(x)); got != want {
			t.Errorf("2001:db8::1 and %s are limited together: %t, want %t", x, got, want)
		}
	}
	if a.tag(addr("192.0.2.1")) == a.tag(addr("192.0.2.2")) {
		t.Error("two IPv4 addresses are limited together")
	}
}

// flood sends n requests and returns how many were answered.
func (c *testClient) flood(n int, make func() *stun.Message) (answers int) {
	for range n {
		c.w.send(c.addr, c.server, make().Raw, metaNone)
		answers += len(c.w.receive(c.addr))
	}
	return answers
}

func unauthenticated() *stun.Message {
	return message(stun.MethodAllocate, stun.ClassRequest, udpTransport())
}

func TestUnauthenticatedAnswersAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		c := w.client()
		binding := func() *stun.Message { return message(stun.MethodBinding, stun.ClassRequest) }
		if got := c.flood(5000, unauthenticated) + c.flood(5000, binding); got != answerBurst {
			t.Errorf("%d answers, want %d", got, answerBurst)
		}
		if got := w.server.Stats().AnswersLimited; got != 10000-answerBurst {
			t.Errorf("%d counted, want %d", got, 10000-answerBurst)
		}
		time.Sleep(time.Second)
		if got := c.flood(200, unauthenticated); got != answerPerSecond {
			t.Errorf("%d answers a second later, want %d", got, answerPerSecond)
		}
		other := w.client()
		other.addr = netip.MustParseAddrPort("203.0.113.8:40000")
		other.challenge()
	})
}

// However many set-ups come from one address: those that authenticate are not slowed.
func TestSetUpsFromOneAddressAreNotLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.server.answers = answerLimiter{newLimiter(10, 1)} // as it is, but smaller
		for i := range 100 {
			c := w.client()
			c.addr = withPort(clientAddr, uint16(1024+i))
			c.challenge()
			c.allocate()
			c.must(stun.MethodRefresh, lifetime(0))
		}
	})
}

func TestWrongPasswordsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		holder := w.client()
		holder.addr = withPort(clientAddr, 40001)
		holder.allocate()

		c := w.client()
		c.challenge()
		right := c.pass
		c.pass = "guess"
		guess := func() *stun.Message { return c.sign(message(stun.MethodAllocate, stun.ClassRequest, udpTransport())) }
		if got := c.flood(1000, guess); got != guessBurst {
			t.Errorf("%d answers, want %d", got, guessBurst)
		}
		c.pass = right
		if c.flood(1, guess) != 0 {
			t.Error("the right password is answered while guesses are limited, so guessing goes on")
		}
		holder.must(stun.MethodRefresh) // who holds an allocation is not shut out
		time.Sleep(time.Second)
		c.allocate()
	})
}

// Forged sources have no nonce, so they cannot use up their owner's guesses.
func TestForgedWrongPasswordsDoNotShutOut(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	c.challenge()
	forger := w.client()
	forger.pass, forger.nonce = "guess", []byte("0123456789012345678901234567890123456789")
	got := forger.flood(1000, func() *stun.Message {
		return forger.sign(message(stun.MethodAllocate, stun.ClassRequest, udpTransport()))
	})
	if got != 1000 {
		t.Errorf("%d answers, want 1000 times 438", got)
	}
	c.allocate()
}

func BenchmarkLimiter(b *testing.B) {
	l := answerLimiter{newLimiter(answerBurst, answerPerSecond)}
	now := time.Now()
	for i := range b.N {
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], uint32(i))
		l.spend(netip.AddrFrom4(ip), now)
	}
}
