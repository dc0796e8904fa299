package registrar

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// elsewhere is another registrar: it confirms for a minute whatever it is asked for.
type elsewhere struct {
	t    *testing.T
	conn net.PacketConn
	got  chan *message.Message

	refuses atomic.Bool // it asks for a password
	silent  atomic.Bool // it answers nothing
}

func newElsewhere(t *testing.T) *elsewhere {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &elsewhere{t: t, conn: conn, got: make(chan *message.Message, 10)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 65535)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			m, err := message.Parse(buffer[:n])
			if err != nil {
				t.Error(err)
				continue
			}
			e.got <- m
			if !e.silent.Load() {
				_, _ = conn.WriteTo(e.answer(m).Append(nil), from)
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return e
}

func (e *elsewhere) answer(m *message.Message) *message.Message {
	if e.refuses.Load() {
		return message.NewResponse(m, 401, "")
	}
	ok := message.NewResponse(m, 200, "")
	ok.SetTo(ok.To().WithTag("there"))
	for _, c := range m.Contacts() {
		if text, _ := c.Params.Get("expires"); text != "0" && !c.Star {
			ok.Add("Contact", "<"+c.URI.String()+">;expires=60")
		}
	}
	return ok
}

func (e *elsewhere) config(forward string) string {
	return fmt.Sprintf(`
zones: [{name: there, type: neighbour, protocol: sip, peers: ["%s"], monitor: off}]
search_rules: [{name: there, priority: 1, pattern: {type: suffix, string: "@there.test"}, target: there}]
`, e.conn.LocalAddr()) + forward
}

func (p *phone) there(lines ...string) *message.Message {
	m := p.request(lines...)
	m.SetURI(message.URI{Scheme: "sip", Host: "there.test"})
	to := m.To()
	to.URI.Host = "there.test"
	m.SetTo(to)
	return m
}

// RG-10
func TestRegisterElsewhere(t *testing.T) {
	t.Parallel()
	e := newElsewhere(t)
	r := newRigFile(t, strings.Replace(file, "udp: 5060", "udp: 5060, forward_registrations: known", 1)+e.config(""))
	p := r.phone("tcp", "alice")
	m := p.there("Contact: "+p.contact(), "Supported: path", "Authorization: Digest username=\"theirs\"")
	m.SetRoutes(message.Address{URI: message.URI{Scheme: "sip", Host: r.at.Addr().String(), Port: r.at.Port(), Params: message.Params{{Name: "lr"}}}})
	ok := p.send(m)
	if ok.Status() != 200 || ok.Vias() != 1 || ok.To().Tag() != "there" {
		t.Fatalf("answered %v", ok)
	}
	got := <-e.got
	paths := got.Paths()
	hops, _ := got.MaxForwards()
	if len(paths) != 1 || paths[0].URI.Host != r.at.Addr().String() || paths[0].URI.Port != r.at.Port() || !paths[0].URI.Params.Has("lr") ||
		hops != 69 || len(got.Routes()) != 0 || got.Get("Authorization") == "" || got.URI().Host != "there.test" || got.Vias() != 2 {
		t.Errorf("it got\n%v", got)
	}
	bound := r.table.Of("alice@there.test")
	if c := r.table.Counts(); c.Proxied != 1 || c.Local != 0 || len(bound) != 1 || bound[0].Zone != "there" || bound[0].Flow == 0 ||
		time.Until(bound[0].Expires) > time.Minute {
		t.Fatalf("kept %+v, %+v", c, bound)
	}
	if ways := r.table.Lookup(nil, "alice@there.test"); len(ways) != 0 {
		t.Errorf("that registrar decides about the name, and here it leads to %v", ways)
	}
	if ways := r.table.Lookup(nil, "alice@127.0.0.1"); len(ways) != 1 {
		t.Errorf("the contact leads to %v", ways)
	}
	other := r.phone("udp", "bob") // CA-04: the limit is 1
	if got := other.send(other.there("Contact: " + other.contact())); got.Status() != 503 {
		t.Errorf("one more than fit: %v", got)
	}
	if got := p.send(p.there("Contact: " + p.contact() + ";expires=0")); got.Status() != 200 || r.table.Counts().Proxied != 0 {
		t.Errorf("it leaves: %v, %+v", got, r.table.Counts())
	}
}

func TestRegisterElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	e := newElsewhere(t)
	known := strings.Replace(file, "udp: 5060", "udp: 5060, forward_registrations: known", 1)
	for name, test := range map[string]struct {
		file   string
		domain string
		status int
		hops   int
	}{
		"switched off": {file + e.config(""), "there.test", 403, 70},
		"nowhere":      {known + e.config(""), "nowhere.test", 403, 70},
		"come too far": {known + e.config(""), "there.test", 483, 0},
		"denied":       {known + e.config("default_subzone: {registrations: deny}"), "there.test", 403, 70},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRigFile(t, test.file)
			p := r.phone("udp", "alice")
			m := p.there("Contact: " + p.contact())
			to := m.To()
			to.URI.Host = test.domain
			m.SetTo(to)
			m.SetURI(message.URI{Scheme: "sip", Host: test.domain})
			m.SetMaxForwards(test.hops)
			if got := p.send(m); got.Status() != test.status {
				t.Errorf("answered %v", got)
			}
		})
	}
	if n := len(e.got); n != 0 {
		t.Errorf("%d requests went there", n)
	}
}
