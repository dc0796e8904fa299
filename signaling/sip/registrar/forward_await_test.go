package registrar

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/signaling/sip/digest"
)

// inClusterOfProxies is inCluster for a node that sends registrations on to another registrar.
func inClusterOfProxies(t *testing.T) (*rig, *lent, *elsewhere) {
	l, e := &lent{came: make(chan time.Time, 64)}, newElsewhere(t)
	text := strings.Replace(file, "udp: 5060", "udp: 5060, forward_registrations: known", 1) + e.config("")
	r := newRigWith(t, text, func(c *registrations.Config, d *Deps) { c.Capacity, d.Await = l, l.await })
	return r, l, e
}

// asksThere is asks for a name of the other registrar.
func (p *phone) asksThere(lines ...string) {
	p.t.Helper()
	if _, err := p.conn.Write(p.there(lines...).Append(nil)); err != nil {
		p.t.Fatal(err)
	}
}

// asked fails where the other registrar was asked more or less often than so.
func (e *elsewhere) asked(want int) {
	e.t.Helper()
	if n := len(e.got); n != want {
		e.t.Errorf("the other registrar was asked %d times, want %d", n, want)
	}
}

// proxied fails where so many bindings are not there, or so many places not left.
func (r *rig) proxied(l *lent, bindings, left int) {
	r.t.Helper()
	if n := r.table.Counts().Proxied; n != bindings {
		r.t.Errorf("%d are registered elsewhere, want %d", n, bindings)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left != left {
		r.t.Errorf("%d places are left, want %d", l.left, left)
	}
}

// CA-02, RG-10: a registration that another registrar is to hold waits for its place as others do, before that one is asked;
// without one it is refused, and that one does not hear of it.
func TestProxiedRegistrationAwaitsPlaces(t *testing.T) {
	t.Parallel()
	t.Run("it comes", func(t *testing.T) {
		r, l, e := inClusterOfProxies(t)
		p := r.phone("udp", "alice")
		p.asksThere("Contact: " + p.contact())
		since := l.wait(t)
		e.asked(0)
		l.tell(func() {})
		if again := l.wait(t); again != since {
			t.Errorf("it asked first at %v, and at %v", since, again)
		}
		l.tell(func() { l.left = 1 })
		p.gets(map[uint32]int{1: 200})
		e.asked(1)
		r.proxied(l, 1, 0)
		if m := p.send(p.there("Contact: " + p.contact())); m.Status() != 200 { // a refresh needs nothing
			t.Errorf("a refresh is answered\n%s", m)
		}
		if m := p.send(p.there()); m.Status() != 200 { // nor does a question
			t.Errorf("a question is answered\n%s", m)
		}
		e.asked(3)
		r.proxied(l, 1, 0)
		p.send(p.there("Contact: *", "Expires: 0"))
		r.proxied(l, 0, 1)
		r.waited(1, 0, 0)
	})
	t.Run("there is none", func(t *testing.T) {
		r, l, e := inClusterOfProxies(t)
		p := r.phone("udp", "alice")
		p.asksThere("Contact: " + p.contact())
		l.wait(t)
		l.tell(func() { l.none = true })
		if m := p.answer(); m.Status() != 503 || m.Get("Retry-After") == "" {
			t.Errorf("answered\n%s", m)
		}
		e.asked(0)
		r.proxied(l, 0, 0)
		r.waited(0, 1, 0)
	})
	t.Run("it is not confirmed", func(t *testing.T) {
		r, l, e := inClusterOfProxies(t)
		l.tell(func() { l.left = 2 })
		e.refuses.Store(true)
		p := r.phone("udp", "alice")
		if m := p.send(p.there("Contact: " + p.contact() + ", <sip:other@192.0.2.7>")); m.Status() != 401 {
			t.Errorf("answered\n%s", m)
		}
		r.proxied(l, 0, 2)
		r.waited(0, 0, 0)
	})
}

// RG-10: strangers whose registrations nobody answers take a few places only; another one goes on, and is refused if there is none
// when it is confirmed.
func TestUnconfirmedRegistrationsAreBounded(t *testing.T) {
	t.Parallel()
	r, l, e := inClusterOfProxies(t)
	l.tell(func() { l.left = 200 })
	e.silent.Store(true)
	var many []string
	for i := range registrations.MaxContacts {
		many = append(many, fmt.Sprintf("<sip:%d@a.test>", i))
	}
	for range 3 {
		r.phone("udp", "mallory").asksThere("Contact: " + strings.Join(many, ","))
		<-e.got
	}
	r.proxied(l, 0, 180)
	p, q := r.phone("udp", "alice"), r.phone("udp", "bob")
	p.asksThere("Contact: " + p.contact())
	for m := <-e.got; m.From().URI.User != "alice"; m = <-e.got { // what is not answered comes again
	}
	l.tell(func() { l.left = 0 })
	e.silent.Store(false)
	if m := p.answer(); m.Status() != 503 || m.Get("Retry-After") == "" {
		t.Errorf("confirmed without a place, and answered\n%s", m)
	}
	l.tell(func() { l.left = 1 })
	if m := q.send(q.there("Contact: " + q.contact())); m.Status() != 200 {
		t.Errorf("answered\n%s", m)
	}
}

// RG-10: who leaves while a registration of his waits is not registered afterwards; a stranger ends nobody's.
func TestProxiedRegistrationIsOvertaken(t *testing.T) {
	t.Parallel()
	r, l, e := inClusterOfProxies(t)
	p := r.phone("udp", "alice")
	p.asksThere("Contact: " + p.contact())
	l.wait(t)
	stranger := &phone{rig: r, user: "alice", callID: p.callID, seq: p.seq, client: &digest.Client{}}
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := d.Dial("udp", r.at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	stranger.conn, stranger.read = conn, bufio.NewReader(conn)
	e.refuses.Store(true)
	if m := stranger.send(stranger.there("Contact: " + p.contact() + ";expires=0")); m.Status() != 401 {
		t.Errorf("a stranger gets\n%s", m)
	}
	e.refuses.Store(false)
	p.asksThere("Contact: "+p.contact(), "Expires: 0")
	p.gets(map[uint32]int{1: 500, 2: 200})
	l.tell(func() { l.left = 1 })
	e.asked(2)
	r.proxied(l, 0, 1)
	r.waited(0, 0, 1)
}
