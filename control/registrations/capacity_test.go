package registrations

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/licensing"
)

// seats is a capacity with a licence for each alias: what is left of it.
type seats struct {
	Place, Rooms, Desktops int
	Peers                  bool // may have more
}

func (s *seats) of(d licensing.Device) *int {
	if d == licensing.Desktop {
		return &s.Desktops
	}
	return &s.Rooms
}

func (s *seats) Take(patient bool, all ...Seat) error {
	had := *s
	for _, seat := range all {
		s.Keep(seat.Device, seat.Aliases, seat.Proxied)
	}
	left := *s
	if left.Place >= 0 && left.Rooms >= 0 && left.Desktops >= 0 {
		return nil
	}
	*s = had
	switch {
	case patient && s.Peers:
		return ErrWaits
	case left.Place < 0:
		return ErrFull
	}
	return ErrLicence
}

func (s *seats) Keep(d licensing.Device, aliases int, proxied bool) { s.move(-1, d, aliases, proxied) }

func (s *seats) Give(d licensing.Device, aliases int, proxied bool) { s.move(1, d, aliases, proxied) }

func (s *seats) move(by int, d licensing.Device, aliases int, proxied bool) {
	s.Place += by
	if !proxied {
		*s.of(d) += by * aliases
	}
}

func (s *seats) Room(bool) bool { return s.Place > 0 }

func put(table *Table, list ...Binding) error {
	_, err := table.Update(list[0].AOR, func(now time.Time, _ []*Binding) (Changes, error) {
		for i := range list {
			list[i].Expires = now.Add(time.Minute)
		}
		return Changes{Put: list}, nil
	})
	return err
}

// CA-04, facts A3: a place and a licence for each alias, all of a request's or none; given
// back when the binding goes.
func TestCapacity(t *testing.T) {
	left := &seats{Place: 3, Rooms: 3, Desktops: 1}
	rec := &recorder{}
	table := New(Config{Capacity: left, Alarms: rec})
	desktop := Binding{AOR: "a@x", Protocol: dialplan.SIP, Desktop: true}
	h323 := Binding{AOR: "b@x", Also: []string{"b", "12"}, Protocol: dialplan.H323, Desktop: true}
	for name, tc := range map[string]struct {
		list []Binding
		want error
	}{
		"two desktops, one licence":       {[]Binding{desktop, desktop}, ErrLicence},
		"three aliases and one":           {[]Binding{h323, {AOR: "b@x"}}, ErrLicence},
		"four places, of which three are": {[]Binding{desktop, {AOR: "a@x"}, {AOR: "a@x"}, {AOR: "a@x"}}, ErrFull},
	} {
		t.Run(name, func(t *testing.T) {
			if err := put(table, tc.list...); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
			if diff := cmp.Diff(&seats{Place: 3, Rooms: 3, Desktops: 1}, left); diff != "" {
				t.Error("a refused request has taken something:", diff)
			}
		})
	}
	for _, b := range []Binding{desktop, h323} {
		if err := put(table, b); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(&seats{Place: 1}, left); diff != "" {
		t.Error(diff)
	}
	for _, b := range table.List() {
		refreshed := *b
		if refreshed.Desktop = !b.Desktop; put(table, refreshed) != nil {
			t.Error("a refresh needs something")
		}
	}
	for _, b := range table.List() {
		table.Remove(b.ID, Removed)
	}
	if diff := cmp.Diff(&seats{Place: 3, Rooms: 3, Desktops: 1}, left); diff != "" {
		t.Error(diff)
	}
}

// LI-06: who is patient waits for what peers may have, and is not counted as refused; who is not is refused.
func TestCapacityOfPeers(t *testing.T) {
	left := &seats{Place: 3, Rooms: 1, Peers: true}
	table := New(Config{Capacity: left})
	ask := func(patient bool) error {
		_, err := table.Update("a@x", func(now time.Time, _ []*Binding) (Changes, error) {
			b := Binding{AOR: "a@x", Protocol: dialplan.H323, Also: []string{"a"}, Expires: now.Add(time.Minute)}
			return Changes{Put: []Binding{b}, Patient: patient}, nil
		})
		return err
	}
	if err := ask(true); !errors.Is(err, ErrWaits) || table.Counts().Refused != 0 {
		t.Errorf("patient: %v, and %d are refused", err, table.Counts().Refused)
	}
	if err := ask(false); !errors.Is(err, ErrLicence) || table.Counts().Refused != 1 {
		t.Errorf("finally: %v, and %d are refused", err, table.Counts().Refused)
	}
}

// RG-10, CA-01: places that were reserved are taken once: by the bindings that another registrar confirmed, and what it did
// not is given back.
func TestReserve(t *testing.T) {
	left := &seats{Place: 4, Rooms: 1, Peers: true}
	table := New(Config{Capacity: left})
	is := func(when string, places int) {
		t.Helper()
		if left.Place != places {
			t.Errorf("%s: %d places are left, want %d", when, left.Place, places)
		}
	}
	reserve := func(n int, patient bool, want error) *Reservation {
		t.Helper()
		r, err := table.Reserve(n, patient)
		if !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", n, err, want)
		}
		return r
	}
	confirm := func(r *Reservation, local bool, n int) error {
		_, err := table.Update("a@x", func(now time.Time, _ []*Binding) (Changes, error) {
			c := Changes{Reserved: r}
			for range n {
				c.Put = append(c.Put, Binding{AOR: "a@x", Protocol: dialplan.SIP, Proxied: !local, Expires: now.Add(time.Minute)})
			}
			return c, nil
		})
		return err
	}
	reserve(5, true, ErrWaits)
	reserve(5, false, ErrFull)
	reserve(MaxContacts+1, true, ErrMany)
	reserve(0, true, nil).Release()
	three := reserve(3, true, nil)
	is("three are reserved", 1)
	if err := confirm(three, false, 2); err != nil {
		t.Error(err)
	}
	is("two of them are confirmed", 1)
	if err := confirm(three, true, 1); err != nil { // nobody has reserved a place for one of ours
		t.Error(err)
	}
	is("one is of another kind", 0)
	three.Release()
	three.Release()
	is("the third one is not", 1)
	if err := confirm(three, false, 2); !errors.Is(err, ErrFull) {
		t.Errorf("two of one: %v", err)
	}
	for _, b := range table.List() {
		table.Remove(b.ID, Removed)
	}
	is("all have gone", 4)
}

// RG-10: what nobody has confirmed takes no more than a few places, however many ask. Who asks beyond that finds out whether there
// is one, and takes it when it is confirmed.
func TestReserveIsBounded(t *testing.T) {
	left := &seats{Place: 200}
	table := New(Config{Capacity: left})
	reserve := func() *Reservation {
		t.Helper()
		r, err := table.Reserve(MaxContacts, true)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	var all []*Reservation
	for range 50 {
		all = append(all, reserve())
	}
	if left.Place != 200-maxReserved {
		t.Errorf("%d places of 200 are left", left.Place)
	}
	confirm := func(r *Reservation) error {
		_, err := table.Update("a@x", func(now time.Time, _ []*Binding) (Changes, error) {
			return Changes{Reserved: r, Put: []Binding{{AOR: "a@x", Protocol: dialplan.SIP, Proxied: true, Expires: now.Add(time.Minute)}}}, nil
		})
		return err
	}
	if err := confirm(all[49]); err != nil || left.Place != 199-maxReserved {
		t.Errorf("one without a reservation: %v, %d places are left", err, left.Place)
	}
	for _, r := range all {
		r.Release()
	}
	if reserve(); left.Place != 199-maxReserved {
		t.Errorf("after all were released %d places are left", left.Place)
	}
	left.Place = 5
	if _, err := table.Reserve(6, false); !errors.Is(err, ErrFull) || left.Place != 5 {
		t.Errorf("where there are not as many places: %v, %d are left", err, left.Place)
	}
	left.Place = 0
	if err := confirm(nil); !errors.Is(err, ErrFull) {
		t.Errorf("it is gone when it is confirmed: %v", err)
	}
}

// What was registered stays over a restart, also beyond the limits; nobody new is taken
// until enough have left.
func TestRestoreBeyondCapacity(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registrations")
	first := New(Config{File: file})
	for _, name := range []string{"a@x", "b@x"} {
		if err := put(first, Binding{AOR: name, Protocol: dialplan.SIP}); err != nil {
			t.Fatal(err)
		}
	}
	first.keep()
	left := &seats{Place: 1, Rooms: 1}
	table := New(Config{File: file, Capacity: left})
	if n, err := table.Restore(); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if diff := cmp.Diff(&seats{Place: -1, Rooms: -1}, left); diff != "" {
		t.Error(diff)
	}
	c := Binding{AOR: "c@x", Protocol: dialplan.SIP}
	for range 2 {
		if err := put(table, c); !errors.Is(err, ErrFull) {
			t.Errorf("beyond the limit: %v", err)
		}
		table.Remove(table.List()[0].ID, Removed)
	}
	if err := put(table, c); err != nil {
		t.Error(err)
	}
}
