package member_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
)

// counters are what a node uses of what is shared: each has a ceiling and a use.
type counters struct {
	mu            sync.Mutex
	lent          bool
	ceiling, used map[ledger.Resource]uint32
	wants         map[ledger.Resource]uint32
	until         time.Duration
}

func newCounters(used map[ledger.Resource]uint32) *counters {
	return &counters{ceiling: map[ledger.Resource]uint32{}, used: used, wants: map[ledger.Resource]uint32{}}
}

func (c *counters) Lend() map[ledger.Resource]uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lent = true
	out := map[ledger.Resource]uint32{}
	for r, n := range c.used {
		c.ceiling[r], out[r] = n, n
	}
	return out
}

func (c *counters) Raise(r ledger.Resource, to uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ceiling[r] = max(c.ceiling[r], to)
}

func (c *counters) Lower(r ledger.Resource, to uint32) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ceiling[r] = min(c.ceiling[r], max(to, c.used[r]))
	return c.ceiling[r]
}

func (c *counters) Lease(until time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = until
}

func (c *counters) Wants() map[ledger.Resource]uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.wants
	c.wants = map[ledger.Resource]uint32{}
	return out
}

func (c *counters) Leased(ledger.Resource, bool) {}

func (c *counters) Denied(ledger.Resource, time.Duration) {}

// call takes some, or asks for it.
func (c *counters) call(r ledger.Resource, n uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.used[r]+n > c.ceiling[r] {
		c.wants[r] = n
		return false
	}
	c.used[r] += n
	return true
}

// has is the ceiling of something.
func (c *counters) has(r ledger.Resource) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ceiling[r]
}

func (c *counters) hangUp(r ledger.Resource) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used[r] = 0
}

// LI-01, LI-03, LI-06, BW-05: what two peers bring is everybody's; what one has taken the other has not, what is idle moves; and when one is
// lost the other has all of it, for as long as licences stay.
func TestTwoNodesShareOnePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(t)
		defer b.end()
		s := own(1, one, two)
		offer := member.Offer{
			Brings: map[ledger.Resource]uint32{"rms": 10}, Policy: ledger.Available,
			Totals: map[ledger.Resource]ledger.Total{"pipe": {Amount: 100, Policy: ledger.Available}},
		}
		p := b.join(one, s)
		q := b.join(two, s)
		for _, l := range []*line{p, q} {
			l.member.Pool(offer)
		}
		total := func(l *line, r ledger.Resource) uint32 {
			shown, _ := l.member.Ledger()
			return shown.Resources[r].Total
		}
		within(t, 10*time.Second, "both bring theirs", func() bool { return total(p, "rms") == 20 && total(q, "rms") == 20 && total(q, "pipe") == 100 })
		take := func(l *line, r ledger.Resource, n uint32) {
			t.Helper()
			within(t, 8*time.Second, fmt.Sprint(n, " of ", r), func() bool { return l.shares.call(r, n) })
		}
		take(p, "rms", 15)
		take(q, "rms", 5)
		q.shares.call("rms", 1)
		time.Sleep(5 * time.Second) // in vain: all of it is taken
		if q.shares.call("rms", 1) {
			t.Error("more than there is")
		}
		p.shares.hangUp("rms")
		take(q, "rms", 15) // what is idle there
		take(p, "pipe", 60)

		p.stop()
		q.shares.hangUp("rms")
		take(q, "rms", 20) // licences of the lost stay, and so does a side that counts alone
		take(q, "pipe", 100)
		within(t, 10*time.Second, "a side that counts alone", func() bool { shown, _ := q.member.Ledger(); return shown.Aside && len(shown.Lost) == 1 })
		p = b.join(one, s)
		p.member.Pool(offer)
		within(t, 20*time.Second, "one ledger again", func() bool { shown, _ := q.member.Ledger(); return !shown.Aside && len(shown.Lost) == 0 })
		if p.shares.call("rms", 1) {
			t.Error("the one that comes back has what the other uses")
		}
		q.shares.hangUp("rms")
		take(p, "rms", 20)
	})
}

// CA-02, LI-06: what peers bring is cut to what the cluster may have, by the policy of the configuration; who waits for what is shown, and so is
// that a node has its first lease.
func TestOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(t)
		defer b.end()
		s := own(1, one, two)
		p := b.join(one, s)
		q := b.join(two, s)
		if shown, _ := q.member.Ledger(); shown.Begun {
			t.Error("it has a lease before it was told what there is")
		}
		for _, l := range []*line{p, q} {
			l.member.Pool(member.Offer{
				Brings: map[ledger.Resource]uint32{"rms": 10, "room": 4}, Most: map[ledger.Resource]uint32{"rms": 15}, Policy: ledger.Strict,
				Totals: map[ledger.Resource]ledger.Total{"pipe": {Amount: 100, Policy: ledger.Available, Hold: time.Minute}},
			})
		}
		within(t, 10*time.Second, "all of it", func() bool {
			shown, _ := q.member.Ledger()
			of := shown.Resources
			return shown.Begun && of["rms"].Total == 15 && of["rms"].Policy == ledger.Strict && of["room"].Total == 8 && of["pipe"].Total == 100
		})
		within(t, 8*time.Second, "all for one", func() bool { return p.shares.call("rms", 15) })
		// A pipe that is taken away is forgotten, and so is who had some of it.
		within(t, 8*time.Second, "some of the pipe", func() bool { return q.shares.call("pipe", 5) })
		q.shares.hangUp("pipe")
		for _, l := range []*line{p, q} {
			l.member.Pool(member.Offer{Brings: map[ledger.Resource]uint32{"rms": 10}, Policy: ledger.Strict})
		}
		within(t, 30*time.Second, "no pipe", func() bool {
			shown, _ := p.member.Ledger()
			_, pipe := shown.Resources["pipe"]
			_, room := shown.Resources["room"]
			return !pipe && !room
		})
		p.stop()
		q.shares.call("rms", 6)
		within(t, 2*time.Second, "it waits while nobody can answer, and is seen to", func() bool {
			shown, _ := q.member.Ledger()
			return len(shown.Waiting) == 1 && shown.Waiting[0].Resource == "rms" && shown.Waiting[0].Amount == 6
		})
	})
}
