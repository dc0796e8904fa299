package registrations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/dialplan"
)

const bob = "bob@example.test"

var from = netip.MustParseAddrPort("192.0.2.7:5060")

// recorder is the event log and the alarms.
type recorder struct {
	events []string
	alarms []string
}

func (r *recorder) told(e Event) {
	r.events = append(r.events, e.Binding.Contact+" "+string(e.Why))
}

func (r *recorder) Raise(number int, _, _ string) {
	r.alarms = append(r.alarms, fmt.Sprint("raise ", number))
}

func (r *recorder) Lower(number int, _ string) {
	r.alarms = append(r.alarms, fmt.Sprint("lower ", number))
}

// add registers a contact for a time, and returns its binding.
func add(t *testing.T, table *Table, name, contact string, ttl time.Duration, change ...func(*Binding)) *Binding {
	t.Helper()
	b := Binding{AOR: name, Contact: contact, Source: from, Transport: "udp", Q: 1000, Expires: time.Now().Add(ttl), Protocol: dialplan.SIP}
	for _, f := range change {
		f(&b)
	}
	have, err := table.Update(name, func(time.Time, []*Binding) (Changes, error) { return Changes{Put: []Binding{b}}, nil })
	if err != nil {
		t.Fatal(err)
	}
	return have[len(have)-1]
}

func contacts(list []dialplan.Binding) []string {
	var out []string
	for _, b := range list {
		out = append(out, b.Contact)
	}
	return out
}

// RG-01
func TestLookupIsOneLocalZone(t *testing.T) {
	table := New(Config{})
	add(t, table, bob, "sip:bob@1", time.Minute)
	add(t, table, bob, "sip:bob@2", time.Minute, func(b *Binding) { b.Q = 500 })
	add(t, table, bob, "sip:bob@3", time.Minute)
	add(t, table, "room", "192.0.2.9:1720", time.Minute, func(b *Binding) { b.Also, b.Protocol = []string{"1234"}, dialplan.H323 })
	add(t, table, bob, "sip:bob@away", time.Minute, func(b *Binding) { b.Proxied, b.Also = true, []string{"bob@away"} })
	add(t, table, bob, "sip:bob@broken", time.Minute, func(b *Binding) { b.Broken = true })
	for name, want := range map[string][]string{
		bob:        {"sip:bob@1", "sip:bob@3", "sip:bob@2"}, // best q first
		"1234":     {"192.0.2.9:1720"},
		"bob@away": {"sip:bob@away"},
		"nobody":   nil,
	} {
		if diff := cmp.Diff(want, contacts(table.Lookup(nil, name))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got := table.Lookup(nil, "1234")[0].Protocol; got != dialplan.H323 {
		t.Errorf("protocol %v", got)
	}
}

// RG-03: of several flows of one endpoint the newest is used, the others when it fails.
func TestFlowsOfOneEndpoint(t *testing.T) {
	table := New(Config{})
	flow := func(n uint64, instance string) func(*Binding) {
		return func(b *Binding) {
			b.Flow, b.RegID, b.Instance, b.Outbound, b.Transport = n, uint32(n), instance, true, "tcp"
		}
	}
	add(t, table, bob, "sip:a1", time.Minute, flow(1, "urn:a"))
	second := add(t, table, bob, "sip:a2", 2*time.Minute, flow(2, "urn:a"))
	add(t, table, bob, "sip:b", time.Minute, flow(3, "urn:b"))
	if diff := cmp.Diff([]string{"sip:a2", "sip:b"}, contacts(table.Lookup(nil, bob))); diff != "" {
		t.Error(diff)
	}
	var ways []string
	for _, b := range table.Flows(second.ID) {
		ways = append(ways, b.Contact)
	}
	if diff := cmp.Diff([]string{"sip:a2", "sip:a1"}, ways); diff != "" {
		t.Error(diff)
	}
	table.Closed(2)
	if diff := cmp.Diff([]string{"sip:a1", "sip:b"}, contacts(table.Lookup(nil, bob))); diff != "" {
		t.Error("after the connection closed:", diff)
	}
}

func TestClosedLeavesWhatHasAnotherWay(t *testing.T) {
	rec := &recorder{}
	table := New(Config{Told: rec.told})
	b := add(t, table, bob, "sip:bob@1", time.Minute, func(b *Binding) { b.Flow, b.Transport = 5, "tcp" })
	add(t, table, bob, "sip:bob@2", time.Minute, func(b *Binding) { b.Flow, b.Outbound, b.Transport = 5, true, "tcp" })
	if got := len(table.From(nil, 5, netip.AddrPort{})); got != 2 {
		t.Fatalf("%d bindings came over the connection", got)
	}
	table.Closed(5)
	table.Closed(5)
	table.Closed(0)
	left, ok := table.Get(b.ID)
	if !ok || left.Flow != 0 || b.Flow != 5 {
		t.Errorf("left %+v; handed out before %+v", left, b)
	}
	if got := table.From(nil, 5, netip.AddrPort{}); len(got) != 0 {
		t.Errorf("%d bindings still come over the connection", len(got))
	}
	if diff := cmp.Diff([]string{"sip:bob@1 ", "sip:bob@2 ", "sip:bob@2 connection lost"}, rec.events); diff != "" {
		t.Error(diff)
	}
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		table := New(Config{Told: rec.told})
		ctx, end := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- table.Run(ctx) }()
		add(t, table, bob, "sip:short", 10*time.Second)
		long := add(t, table, bob, "sip:long", time.Minute)
		time.Sleep(9500 * time.Millisecond)
		if got := len(table.Of(bob)); got != 2 {
			t.Fatalf("%d bindings before the time", got)
		}
		time.Sleep(time.Second) // it is not offered from the moment it expires
		if diff := cmp.Diff([]string{"sip:long"}, contacts(table.Lookup(nil, bob))); diff != "" {
			t.Error(diff)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"sip:short ", "sip:long ", "sip:short expired"}, rec.events); diff != "" {
			t.Error(diff)
		}
		_, err := table.Update(bob, func(now time.Time, have []*Binding) (Changes, error) {
			refreshed := *have[0]
			refreshed.Expires = now.Add(time.Hour)
			return Changes{Put: []Binding{refreshed}}, nil
		})
		time.Sleep(30 * time.Minute)
		again, ok := table.Get(long.ID)
		if err != nil || !ok || again.Serial != long.Serial || !again.Since.Equal(long.Since) {
			t.Errorf("after a refresh: %+v, %v", again, err)
		}
		time.Sleep(31 * time.Minute)
		if c := table.Counts(); c.Local != 0 || c.Peak != 2 {
			t.Errorf("counts %+v", c)
		}
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// CA-01, CA-04
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		table := New(Config{Alarms: rec, Limits: func() Limits { return Limits{Local: 2, Proxied: 1} }})
		first := add(t, table, "a@x", "sip:a", time.Minute)
		add(t, table, "b@x", "sip:b", time.Minute)
		refused := func(name string, proxied bool) error {
			_, err := table.Update(name, func(now time.Time, _ []*Binding) (Changes, error) {
				return Changes{Put: []Binding{{AOR: name, Contact: "sip:c", Expires: now.Add(time.Minute), Proxied: proxied}}}, nil
			})
			return err
		}
		for range 2 {
			if err := refused("c@x", false); !errors.Is(err, ErrFull) {
				t.Fatalf("the third registration: %v", err)
			}
		}
		if err := refused("c@x", true); err != nil {
			t.Errorf("a proxied one counts apart: %v", err)
		}
		if err := refused("d@x", true); !errors.Is(err, ErrFull) {
			t.Errorf("the second proxied one: %v", err)
		}
		_, err := table.Update("a@x", func(_ time.Time, have []*Binding) (Changes, error) { return Changes{Put: []Binding{*have[0]}}, nil })
		if err != nil {
			t.Errorf("a refresh at the limit: %v", err)
		}
		table.expire()
		if diff := cmp.Diff([]string{"raise 30030"}, rec.alarms); diff != "" {
			t.Error(diff)
		}
		table.Remove(first.ID, Removed)
		time.Sleep(2 * time.Minute)
		table.expire()
		if diff := cmp.Diff([]string{"raise 30030", "lower 30030"}, rec.alarms); diff != "" {
			t.Error(diff)
		}
		if c := table.Counts(); c.Refused != 3 || c.Local != 0 || c.Proxied != 0 {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestTooManyContacts(t *testing.T) {
	table := New(Config{})
	for i := range MaxContacts {
		add(t, table, bob, fmt.Sprint("sip:", i), time.Minute)
	}
	_, err := table.Update(bob, func(time.Time, []*Binding) (Changes, error) { return Changes{Put: []Binding{{AOR: bob}}}, nil })
	if !errors.Is(err, ErrMany) {
		t.Errorf("one more: %v", err)
	}
}

func TestRemoveAndRevoke(t *testing.T) {
	rec := &recorder{}
	table := New(Config{Told: rec.told})
	a := add(t, table, bob, "sip:a", time.Minute, func(b *Binding) { b.Account = "bob" })
	b := add(t, table, bob, "sip:b", time.Minute, func(b *Binding) { b.Account = "gone" })
	add(t, table, bob, "sip:c", time.Minute)
	if found, err := table.Find(b.Serial); err != nil || found.ID != b.ID {
		t.Errorf("by serial: %v, %v", found, err)
	}
	table.Revoke(func(account string) bool { return account == "bob" })
	if _, err := table.Find(b.Serial); !errors.Is(err, ErrUnknown) {
		t.Errorf("a revoked one is found: %v", err)
	}
	if !table.Remove(a.ID, Removed) || table.Remove(a.ID, Removed) {
		t.Error("removed once, and once only")
	}
	if diff := cmp.Diff([]string{"sip:a ", "sip:b ", "sip:c ", "sip:b authentication changed", "sip:a removed by the operator"}, rec.events); diff != "" {
		t.Error(diff)
	}
	if list := table.List(); len(list) != 1 || list[0].Contact != "sip:c" {
		t.Errorf("list %v", list)
	}
}

func TestRefusedChangeChangesNothing(t *testing.T) {
	table := New(Config{})
	add(t, table, bob, "sip:a", time.Minute)
	wrong := errors.New("wrong")
	if _, err := table.Update(bob, func(time.Time, []*Binding) (Changes, error) { return Changes{}, wrong }); !errors.Is(err, wrong) {
		t.Error(err)
	}
	if got := len(table.Of(bob)); got != 1 {
		t.Errorf("%d bindings", got)
	}
}

func TestSerial(t *testing.T) {
	s := newSerial()
	text, err := json.Marshal(s)
	if err != nil || len(text) != 38 {
		t.Fatal(string(text), err)
	}
	var back Serial
	if err := json.Unmarshal(text, &back); err != nil || back != s {
		t.Errorf("%v comes back as %v, %v", s, back, err)
	}
	for _, wrong := range []string{"", "x", s.String() + "0", "gggggggg-0000-4000-8000-000000000000", "00000000000000000000000000000000-000"} {
		if back.UnmarshalText([]byte(wrong)) == nil {
			t.Errorf("%q is a serial", wrong)
		}
	}
}

// A refresh whose contact has another name is found by that one alone, and leaves nothing.
func TestRefreshUnderAnotherName(t *testing.T) {
	table := New(Config{})
	away := func(name string) func(*Binding) {
		return func(b *Binding) { b.Proxied, b.Also = true, []string{name} }
	}
	b := add(t, table, bob, "sip:x@1", time.Minute, away("x@1"))
	add(t, table, bob, "sip:y@1", time.Minute, away("y@1"), func(n *Binding) { n.ID = b.ID })
	for name, want := range map[string]int{"x@1": 0, "y@1": 1} {
		if got := len(table.Lookup(nil, name)); got != want {
			t.Errorf("%s: %d bindings, want %d", name, got, want)
		}
	}
	if !table.Remove(b.ID, Removed) || len(table.byName) != 0 {
		t.Errorf("left by name: %v", table.byName)
	}
}
