package resources

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// LI-06, BW-05: whatever a ledger and callers do, in whatever order: nothing passes a ceiling, no ceiling passes what the
// ledger gave, and whoever waits is called, once.
func TestLendingModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &lendingModel{chance: rapid.SliceOfN(rapid.IntRange(0, 999), 0, 300).Draw(rt, "chance")}
		synctest.Test(t, func(t *testing.T) { m.run(t) })
		if m.wrong != "" {
			rt.Fatal(m.wrong)
		}
	})
}

// run does what chance says.
func (m *lendingModel) run(t *testing.T) {
	m.r = newResources(t, nodeOf(t, twoSites), Deps{})
	m.given = map[string]uint32{}
	m.r.Lend(running())
	m.r.Begin()
	for len(m.chance) > 0 && m.wrong == "" {
		m.step()
		m.check()
	}
	m.r.Wake() // before anybody's time is over
	synctest.Wait()
	if len(m.waiting) != 0 {
		m.fail("%d are forgotten", len(m.waiting))
	}
	m.check()
	time.Sleep(2 * usualWait) // who is called now was not waiting
	synctest.Wait()
}

type lendingModel struct {
	chance  []int
	wrong   string
	r       *Resources
	given   map[string]uint32
	calls   []*Grant
	calling sync.Mutex // guards what follows
	waiting []*asking
	called  []*asking // and may ask again
}

func (m *lendingModel) pick(n int) int {
	if len(m.chance) == 0 {
		return 0
	}
	out := m.chance[0] % n
	m.chance = m.chance[1:]
	return out
}

func (m *lendingModel) fail(format string, args ...any) { m.wrong = fmt.Sprintf(format, args...) }

func (m *lendingModel) step() {
	names := []string{"pipe L", "pipe P", "subzone Porto", "rms"}
	name := names[m.pick(len(names))]
	switch m.pick(11) {
	case 0, 1, 2:
		m.call()
	case 3:
		m.given[name] += uint32(m.pick(1000))
		m.r.Raise(name, m.given[name])
		if m.pick(2) == 0 {
			m.r.Wake()
		}
	case 4:
		to := uint32(m.pick(2000))
		had := m.given[name]
		m.given[name] = m.r.Lower(name, to)
		if p, _ := m.r.Part(name); m.given[name] > max(had, p.Used) || m.given[name] < p.Used {
			m.fail("%s: lowered from %d to %d while %d are in use", name, had, m.given[name], p.Used)
		}
	case 5:
		m.r.Denied(name, time.Now())
		m.r.Wake()
	case 6:
		if len(m.calls) > 0 {
			i := m.pick(len(m.calls))
			m.calls[i].Release()
			m.calls = slices.Delete(m.calls, i, i+1)
		}
	case 7:
		if len(m.calls) > 0 {
			w := m.want()
			_ = m.calls[m.pick(len(m.calls))].Change(w)
		}
	case 8:
		time.Sleep(time.Duration(m.pick(1000)) * time.Millisecond)
		synctest.Wait()
	case 9:
		m.again()
	case 10:
		m.stop()
	}
}

func (m *lendingModel) want() Want {
	ends := []Party{phone("Lisbon"), phone("Porto"), phone("DefaultSubZone"), guest("World")}
	w := one(through(ends[m.pick(4)], ends[m.pick(4)], []uint32{64, 384, 900}[m.pick(3)]))
	w.Patient = m.pick(3) > 0
	return w
}

func (m *lendingModel) call() {
	a := &asking{want: m.want()}
	if g, err := m.r.Admit("call", a.want); err == nil {
		m.calls = append(m.calls, g)
	} else {
		m.await(a, err)
	}
}

// asking is a call that waits, or has waited.
type asking struct {
	want  Want
	by    Waiter
	of    *Shortage // what it waits for now; nil: it was called
	tries int
}

// await lets a call wait that was refused.
func (m *lendingModel) await(a *asking, err error) {
	if !errors.As(err, &a.of) {
		return
	}
	spoken := m.pick(4) == 0
	if spoken { // before it is known that somebody waits for it
		m.r.Wake()
	}
	of := a.of
	m.calling.Lock()
	m.waiting = append(m.waiting, a)
	m.calling.Unlock()
	if !m.r.Await(&a.by, of, func() {
		m.calling.Lock() // the time of several may be over at once
		defer m.calling.Unlock()
		if a.of != of {
			m.fail("called twice, or after it was stopped")
		}
		m.gone(a)
	}) {
		m.calling.Lock()
		m.gone(a)
		m.calling.Unlock()
		return
	}
	if spoken {
		time.Sleep(soon)
		synctest.Wait()
		if a.of == of {
			m.fail("nobody told it what the cluster said before it waited")
		}
	}
}

// gone: a call waits no more. calling is held.
func (m *lendingModel) gone(a *asking) {
	a.of = nil
	m.waiting = slices.DeleteFunc(m.waiting, func(o *asking) bool { return o == a })
	m.called = append(m.called, a)
}

// again has one that was called ask again.
func (m *lendingModel) again() {
	if len(m.called) == 0 {
		return
	}
	i := m.pick(len(m.called))
	a := m.called[i]
	m.called = slices.Delete(m.called, i, i+1)
	if g, err := m.r.Admit("call", a.want); err == nil {
		m.calls = append(m.calls, g)
	} else if a.tries++; a.tries < 4 {
		m.await(a, err)
	}
}

// stop has one give up that waits.
func (m *lendingModel) stop() {
	if len(m.waiting) > 0 {
		i := m.pick(len(m.waiting))
		a := m.waiting[i]
		a.of, m.waiting = nil, slices.Delete(m.waiting, i, i+1)
		a.by.Stop()
	}
}

func (m *lendingModel) check() {
	waits := map[string]uint32{}
	for _, a := range m.waiting {
		for _, l := range a.of.of {
			waits[l.part.name]++
		}
	}
	for _, p := range m.r.Parts() {
		if p.Used > p.Ceiling || p.Ceiling > m.given[p.Name] {
			m.fail("%s: %d in use of %d, and %d were given", p.Name, p.Used, p.Ceiling, m.given[p.Name])
		}
		if p.Waits != waits[p.Name] {
			m.fail("%s: %d wait for it, and %d are counted", p.Name, waits[p.Name], p.Waits)
		}
	}
}
