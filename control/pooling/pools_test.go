package pooling

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"turnpike.dev/turnpike/control/resources"
)

// LI-06: of 10,000 calls while four peers with 80 ms between them use 95 % of what they have together, at most one in a hundred waits
// for a peer; none is refused, and never is more in use than there is.
func TestFewCallsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoad(t, 10_000, 40*time.Millisecond)
		l.run()
		if n := len(l.waits); n > 0 {
			t.Logf("%d of %d waited, half of them for more than %s, one in a hundred for more than %s", n, l.ended, l.waits[n/2], l.waits[n*99/100])
		}
		if len(l.waits)*100 > l.ended || l.refused > 0 {
			t.Errorf("%d of %d waited, %d were refused", len(l.waits), l.ended, l.refused)
		}
	})
}

// load is calls through all nodes of a ring: when one ends another begins, anywhere.
type load struct {
	*ring
	random *rand.Rand
	all    int

	counts         bool
	ended, refused int
	waits          []time.Duration
}

const (
	total = 4 * 2 * 250         // halves
	busy  = total / 2 / 20 * 19 // calls
	lasts = 60 * time.Second
)

func newLoad(t testing.TB, all int, delay time.Duration) *load {
	return &load{ring: newRing(t, 4, delay, halves(total/4)), all: all, random: rand.New(rand.NewPCG(8, 1))}
}

func (l *load) begin() {
	l.nodes[l.random.IntN(len(l.nodes))].ask(stranger(64), func(a *asking) {
		if l.counts {
			l.note(a)
		}
		if a.refused != nil {
			l.after(time.Second, l.begin)
			return
		}
		l.after(time.Duration(l.random.ExpFloat64()*float64(lasts)), func() {
			a.grant.Release()
			l.begin()
		})
	})
}

func (l *load) note(a *asking) {
	l.ended++
	if a.waited {
		l.waits = append(l.waits, a.took)
	}
	if a.refused != nil {
		l.refused++
	}
}

// run fills the nodes, and then goes on for so many calls.
func (l *load) run() {
	l.ring.run(3 * time.Second)
	for i := range busy {
		l.after(time.Duration(i)*20*time.Millisecond, l.begin)
	}
	l.ring.run(busy*20*time.Millisecond + 10*time.Second)
	for l.counts = true; l.ended < l.all; {
		l.ring.run(time.Second)
		l.within(resources.LevelRMS, total)
	}
	slices.Sort(l.waits)
}
