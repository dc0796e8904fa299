package registrar

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/licensing"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// lent are places that have no licence until some are lent, and who waits for them.
type lent struct {
	came chan time.Time // since when, of each that waits

	mu      sync.Mutex
	left    int
	none    bool // peers have none either
	over    bool // nobody may wait any longer
	waiting []func()
}

func (l *lent) Take(patient bool, seats ...registrations.Seat) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.left >= len(seats):
		l.left -= len(seats)
		return nil
	case patient && !l.none:
		return &resources.Shortage{}
	}
	return registrations.ErrLicence
}
func (l *lent) Keep(licensing.Device, int, bool) {}
func (l *lent) Room(bool) bool                   { return true }
func (l *lent) Give(licensing.Device, int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left++
}

func (l *lent) await(w *resources.Waiter, _ *resources.Shortage, again func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	if w.Since.IsZero() {
		w.Since = time.Now()
	}
	l.waiting = append(l.waiting, again)
	l.came <- w.Since
	return true
}

// tell changes what there is, and has those tried again who wait.
func (l *lent) tell(change func()) {
	l.mu.Lock()
	change()
	all := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	for _, again := range all {
		again()
	}
}

// wait waits until one more waits, and returns since when it does.
func (l *lent) wait(t *testing.T) time.Time {
	t.Helper()
	select {
	case since := <-l.came:
		return since
	case <-time.After(5 * time.Second):
		t.Fatal("nobody waits")
		panic(nil)
	}
}

// open is the node of these tests: it asks for no password.
const open = file + "default_subzone: {authentication: treat_as_authenticated}\n"

// inCluster is a rig whose licences other peers have.
func inCluster(t *testing.T) (*rig, *lent) {
	l := &lent{came: make(chan time.Time, 64)}
	r := newRigWith(t, open, func(c *registrations.Config, d *Deps) { c.Capacity, d.Await = l, l.await })
	return r, l
}

// asks sends a request and does not wait for its answer.
func (p *phone) asks(lines ...string) *message.Message {
	p.t.Helper()
	m := p.request(lines...)
	if _, err := p.conn.Write(m.Append(nil)); err != nil {
		p.t.Fatal(err)
	}
	return m
}

// gets reads answers, one for each request, by CSeq.
func (p *phone) gets(want map[uint32]int) {
	p.t.Helper()
	got := map[uint32]int{}
	for range want {
		m := p.answer()
		seq, _ := m.CSeq()
		got[seq] = m.Status()
	}
	if !maps.Equal(got, want) {
		p.t.Fatalf("answered %v, want %v", got, want)
	}
}

// bound fails where a name has other contacts.
func (r *rig) bound(want ...string) {
	r.t.Helper()
	var got []string
	for _, b := range r.table.Of("alice@example.test") {
		got = append(got, "<"+b.Contact+">")
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Errorf("bound to %v, want %v", got, want)
	}
}

// waited fails where other requests have waited than so.
func (r *rig) waited(given, refused, givenUp uint64) {
	r.t.Helper()
	want := map[string]uint64{"given": given, "less": 0, "refused": refused, "given_up": givenUp}
	if got := r.registrar.Waited(); !maps.Equal(got.Ended, want) {
		r.t.Errorf("waited: %v, want %v", got.Ended, want)
	}
}

// LI-06: a registration for which no licences are left here waits for those that other peers have idle, and is answered
// then, once; where there are none it is refused.
func TestRegistrationAwaitsLicences(t *testing.T) {
	t.Parallel()
	t.Run("it comes", func(t *testing.T) {
		r, l := inCluster(t)
		p := r.phone("udp", "alice")
		m := p.asks("Contact: " + p.contact())
		since := l.wait(t)
		if _, err := p.conn.Write(m.Append(nil)); err != nil { // again
			t.Fatal(err)
		}
		r.phone("udp", "bob").must(200) // whoever asks what there is does not wait
		l.tell(func() {})
		if again := l.wait(t); again != since {
			t.Errorf("it asked first at %v, and at %v", since, again)
		}
		l.tell(func() { l.left = 2 })
		p.gets(map[uint32]int{1: 200})
		r.bound(p.contact())
		r.waited(1, 0, 0)
		if l.left != 1 || r.table.Counts().Refused != 0 {
			t.Errorf("%d licences are left, %d were refused", l.left, r.table.Counts().Refused)
		}
	})
	for name, change := range map[string]func(*lent){
		"there is none":     func(l *lent) { l.none = true },
		"it takes too long": func(l *lent) { l.over = true },
	} {
		t.Run(name, func(t *testing.T) {
			r, l := inCluster(t)
			p := r.phone("udp", "alice")
			p.asks("Contact: " + p.contact())
			l.wait(t)
			l.tell(func() { change(l) })
			if m := p.answer(); m.Status() != 503 || m.Get("Retry-After") == "" {
				t.Errorf("answered\n%s", m)
			}
			r.bound()
			r.waited(0, 1, 0)
			if n := r.table.Counts().Refused; n != 1 {
				t.Errorf("%d were refused", n)
			}
		})
	}
}

// LI-06: an endpoint that says something else while its registration waits is taken at its last word.
func TestRegistrationIsOvertaken(t *testing.T) {
	t.Parallel()
	t.Run("it leaves", func(t *testing.T) {
		r, l := inCluster(t)
		p := r.phone("udp", "alice")
		p.asks("Contact: " + p.contact())
		l.wait(t)
		p.asks("Contact: *", "Expires: 0")
		p.gets(map[uint32]int{1: 500, 2: 200})
		l.tell(func() { l.left = 1 })
		r.bound()
		r.waited(0, 0, 1)
	})
	t.Run("it starts again", func(t *testing.T) {
		r, l := inCluster(t)
		p := r.phone("udp", "alice")
		p.asks("Contact: " + p.contact())
		l.wait(t)
		p.callID = message.NewCallID()
		p.asks("Contact: " + p.contact())
		l.wait(t)
		p.gets(map[uint32]int{1: 500})
		l.tell(func() { l.left = 2 })
		p.gets(map[uint32]int{2: 200})
		r.bound(p.contact())
		r.waited(1, 0, 1)
		if l.left != 1 {
			t.Errorf("%d licences are left", l.left)
		}
	})
	t.Run("it has a second line", func(t *testing.T) {
		r, l := inCluster(t)
		p, q := r.phone("udp", "alice"), r.phone("udp", "alice")
		p.asks("Contact: " + p.contact())
		l.wait(t)
		q.asks("Contact: " + q.contact())
		l.wait(t)
		l.tell(func() { l.left = 2 })
		p.gets(map[uint32]int{1: 200})
		q.gets(map[uint32]int{1: 200})
		r.bound(p.contact(), q.contact())
	})
	t.Run("many at once", func(t *testing.T) {
		r, l := inCluster(t)
		p := r.phone("udp", "alice")
		want := map[uint32]int{}
		for n := uint32(1); n <= 8; n++ {
			p.asks("Contact: "+p.contact(), "Expires: "+strconv.Itoa(int(600+n)))
			l.wait(t)
			want[n] = 500
		}
		want[8] = 200
		l.tell(func() { l.left = 8 })
		p.gets(want)
		r.bound(p.contact())
		r.waited(1, 0, 7)
	})
}
