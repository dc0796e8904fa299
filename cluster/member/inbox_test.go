package member

import (
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
)

// What peers send is bounded while it waits; what the node itself says is not lost.
func TestInboxIsBounded(t *testing.T) {
	b := newInbox()
	for i := range maxWaiting {
		if !b.receive(received{"a", i}) {
			t.Fatalf("message %d is refused", i)
		}
	}
	if b.receive(received{"a", "one more"}) {
		t.Error("there is no bound")
	}
	b.post("own")
	if got := len(b.take()); got != maxWaiting+1 {
		t.Errorf("%d events wait", got)
	}
	if !b.receive(received{"a", "again"}) {
		t.Error("there is no room although nothing waits")
	}
}

// Documents that wait are bounded by their size: there may be thousands of small messages, but not of 16 MiB each.
func TestInboxIsBoundedInBytes(t *testing.T) {
	b, large := newInbox(), revisions.Push{Document: revisions.Document{Bytes: strings.Repeat("x", 15<<20)}}
	n := 0
	for b.receive(received{"a", large}) {
		n++
	}
	if n != 4 {
		t.Errorf("%d documents of 15 MiB wait", n)
	}
	if !b.receive(received{"a", liveness.Beat{}}) {
		t.Error("there is no room for a heartbeat")
	}
	b.take()
	huge := revisions.Push{Document: revisions.Document{Bytes: strings.Repeat("x", maxBytes)}}
	if !b.receive(received{"a", huge}) {
		t.Error("what is larger than the room is never taken")
	}
}

// A peer may say what it is as often as it likes: the latest waits.
func TestOneContactWaits(t *testing.T) {
	b := newInbox()
	b.post("first")
	for _, n := range []uint64{1, 3, 2} {
		b.meet(&contact{id: "a", entry: "10.0.0.1", incarnation: 7, number: n})
		b.meet(&contact{id: "b", entry: "10.0.0.2", incarnation: 7, number: n})
	}
	b.meet(&contact{id: "c", entry: "10.0.0.2", incarnation: 1, number: 1}) // another machine has the address now
	var got []cluster.ID
	for _, e := range b.take()[1:] {
		c := e.(contacted)
		got = append(got, c.id)
		if c.id == "a" && c.number != 3 {
			t.Errorf("number %d waits", c.number)
		}
	}
	if len(got) != 2 || got[0] != "a" || got[1] != "c" {
		t.Errorf("%v wait", got)
	}
	b.meet(&contact{id: "a", entry: "10.0.0.1"})
	if len(b.take()) != 1 {
		t.Error("what comes after the others were taken does not wait")
	}
}

// A storm of registrations does not have the status, the alarms and the hello made anew for each row: the next look
// sees them all.
func TestRowsDoNotMakeTheStatusAnew(t *testing.T) {
	m := &Member{cfg: Config{Boot: func() time.Duration { return 0 }}, rows: rows.New(rows.Config{Self: "a", Incarnation: 1})}
	m.handle(rows.Put{Key: "r/a"})
	m.handle(rows.Delete{Key: "r/a"})
	m.handle(failed{address: "198.51.100.1"})
	if m.dirty {
		t.Error("the status is made anew")
	}
}
