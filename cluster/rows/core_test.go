package rows_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/rows"
)

// pair is two cores with a perfect line between them.
type pair struct {
	*testing.T
	now   time.Duration
	cores map[cluster.ID]*rows.Core
	// lose decides about a message.
	lose func(to cluster.ID, message any) bool
	said []string
}

func newPair(t *testing.T, a, b rows.Config) *pair {
	p := &pair{T: t, cores: map[cluster.ID]*rows.Core{}, lose: func(cluster.ID, any) bool { return false }}
	a.Self, b.Self, a.Incarnation, b.Incarnation = "a", "b", 1, 1
	p.cores["a"], p.cores["b"] = rows.New(a), rows.New(b)
	for _, id := range []cluster.ID{"a", "b"} {
		p.step(id, rows.Members{Peers: []cluster.ID{"a", "b"}})
		p.step(id, rows.Alive{Peer: other(id)})
	}
	return p
}

func other(id cluster.ID) cluster.ID { return map[cluster.ID]cluster.ID{"a": "b", "b": "a"}[id] }

func (p *pair) step(at cluster.ID, e rows.Event) {
	for _, a := range p.cores[at].Step(p.now, e) {
		switch a := a.(type) {
		case rows.Send:
			if !p.lose(a.To, a.Message) {
				p.step(a.To, rows.Received{From: at, Message: a.Message})
			}
		case rows.Changed:
			p.said = append(p.said, fmt.Sprintf("%s: %s=%s", at, a.Key, a.Row.Value))
		case rows.Superseded:
			p.said = append(p.said, fmt.Sprintf("%s: %s superseded by %s", at, a.Key, a.By))
		case rows.Resynchronised:
			p.said = append(p.said, fmt.Sprintf("%s: %s", at, a.Why))
		case rows.Refused:
			p.said = append(p.said, fmt.Sprintf("%s: %v", at, a.Err))
		}
	}
}

func (p *pair) pass(d time.Duration) {
	for end := p.now + d; p.now < end; {
		p.now += 50 * time.Millisecond
		p.step("a", rows.Tick{})
		p.step("b", rows.Tick{})
	}
}

func (p *pair) want(want ...string) {
	p.Helper()
	if diff := cmp.Diff(want, p.said); diff != "" {
		p.Errorf("at %s: %s", p.now, diff)
	}
	p.said = nil
}

func (p *pair) has(at cluster.ID, k rows.Key, want string) {
	p.Helper()
	if r, _, _ := p.cores[at].Lookup(k); r.Value != want {
		p.Errorf("%s has %q of %s, want %q", at, r.Value, k, want)
	}
}

// RG-01: what one peer knows all know, deletes included, within a tick.
func TestOneWriterManyReaders(t *testing.T) {
	p := newPair(t, rows.Config{}, rows.Config{})
	p.pass(2 * time.Second)
	p.said = nil
	p.step("a", rows.Put{Key: "ann", Row: rows.Row{Value: "1"}})
	p.pass(50 * time.Millisecond)
	p.want("a: ann=1", "b: ann=1")
	p.step("a", rows.Put{Key: "ann", Row: rows.Row{Value: "1"}})
	p.pass(time.Second)
	p.want() // a refresh is not spread
	p.step("a", rows.Delete{Key: "ann"})
	p.pass(50 * time.Millisecond)
	p.want("a: ann=", "b: ann=")
}

// RG-04: rows of a lost peer are hidden at once, and shown again when it is back with the same process.
func TestLostAndBack(t *testing.T) {
	p := newPair(t, rows.Config{Rows: map[rows.Key]rows.Row{"ann": {Value: "1", TTL: 10 * time.Second}, "bob": {Value: "2"}}}, rows.Config{})
	p.pass(2 * time.Second)
	p.said = nil
	p.pass(time.Hour) // a time to live does not run while its owner is there
	p.has("b", "ann", "1")
	p.lose = func(cluster.ID, any) bool { return true }
	p.step("b", rows.Lost{Peer: "a"})
	p.want("b: ann=", "b: bob=")
	p.pass(12 * time.Second)
	p.step("b", rows.Alive{Peer: "a"})
	p.want("b: bob=2", "b: rows have ended while it was lost") // ann's time was over meanwhile
	p.lose = func(cluster.ID, any) bool { return false }
	p.pass(2 * time.Second)
	p.want("b: ann=1")
}

// A process that runs anew has another table. The old one is shown until the new one is complete, or not at
// all if its owner was lost.
func TestRestart(t *testing.T) {
	for name, tc := range map[string]struct {
		lost bool
		want []string
	}{
		"before anybody noticed": {false, []string{"b: it runs anew", "b: ann=", "b: bob=3"}},
		"when it was lost":       {true, []string{"b: ann=", "b: bob=", "b: it runs anew", "b: bob=3"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, rows.Config{Rows: map[rows.Key]rows.Row{"ann": {Value: "1"}, "bob": {Value: "2"}}}, rows.Config{})
			p.pass(2 * time.Second)
			p.said = nil
			if tc.lost {
				p.step("b", rows.Lost{Peer: "a"})
			}
			p.cores["a"] = rows.New(rows.Config{Self: "a", Incarnation: 2, Rows: map[rows.Key]rows.Row{"bob": {Value: "3"}}})
			p.cores["a"].Step(p.now, rows.Members{Peers: []cluster.ID{"b"}})
			p.pass(time.Second)
			p.step("b", rows.Alive{Peer: "a"})
			p.said = p.only("b", p.said)
			p.want(tc.want...)
		})
	}
}

func (p *pair) only(at string, lines []string) []string {
	var out []string
	for _, l := range lines {
		if strings.HasPrefix(l, at+":") {
			out = append(out, l)
		}
	}
	return out
}

// The newer of two rows of one key counts, and its other owner is told.
func TestSupersession(t *testing.T) {
	newer := func(a, b string) bool { return a > b }
	p := newPair(t, rows.Config{Newer: newer}, rows.Config{Newer: newer})
	p.pass(2 * time.Second)
	p.said = nil
	p.step("a", rows.Put{Key: "ann", Row: rows.Row{Value: "1"}})
	p.pass(time.Second)
	p.step("b", rows.Put{Key: "ann", Row: rows.Row{Value: "2"}})
	p.pass(time.Second)
	p.want("a: ann=1", "b: ann=1", "b: ann=2", "a: ann superseded by b", "a: ann=2")
	p.step("a", rows.Lost{Peer: "b"})
	p.want("a: ann=1")
}

// A reader that falls behind what is kept gets a snapshot, in parts, and then the tail.
func TestFallenBehind(t *testing.T) {
	p := newPair(t, rows.Config{Log: 8, Bytes: 100}, rows.Config{})
	p.pass(2 * time.Second)
	p.said = nil
	p.lose = func(to cluster.ID, m any) bool { _, tail := m.(rows.Tail); return tail }
	for i := range 50 {
		p.step("a", rows.Put{Key: rows.Key(fmt.Sprint("k", i)), Row: rows.Row{Value: "1"}})
	}
	p.pass(3 * time.Second)
	p.has("b", "k49", "1")
	p.lose = func(cluster.ID, any) bool { return false }
	p.step("a", rows.Put{Key: "last", Row: rows.Row{Value: "2"}})
	p.pass(2 * time.Second)
	p.has("b", "last", "2")
	if c := p.cores["b"].Copies()[0]; !c.Current || c.Rows != 51 {
		t.Errorf("%+v", c)
	}
}

// What was changed in a copy by mistake is found by its digest.
func TestDigest(t *testing.T) {
	p := newPair(t, rows.Config{}, rows.Config{})
	p.pass(2 * time.Second)
	p.lose = func(to cluster.ID, m any) bool {
		tail, ok := m.(rows.Tail)
		if ok && to == "b" {
			tail.Changes[0].Row.Value = "not what was written"
		}
		return false
	}
	p.step("a", rows.Put{Key: "ann", Row: rows.Row{Value: "1"}})
	p.pass(time.Second)
	p.has("b", "ann", "not what was written")
	p.lose = func(cluster.ID, any) bool { return false }
	p.pass(11 * time.Second)
	p.has("b", "ann", "1")
}

// What peers send is bounded: nothing of it makes a node grow without end.
func TestBounds(t *testing.T) {
	p := newPair(t, rows.Config{}, rows.Config{})
	p.pass(2 * time.Second)
	p.said = nil
	large := rows.Row{Value: strings.Repeat("x", rows.MaxValue+1)}
	p.step("a", rows.Put{Key: "ann", Row: large})
	p.want("a: " + rows.ErrTooLarge.Error())
	for name, m := range map[string]any{
		"a large row":         rows.Tail{Incarnation: 1, Changes: []rows.Change{{Key: "ann", Row: large}}},
		"a large row in part": rows.Part{Incarnation: 1, At: 9, Of: 1, Rows: []rows.Change{{Key: "ann", Row: large}}},
		"a part of none":      rows.Part{Incarnation: 1, At: 9, Index: -1, Of: -1},
		"something else":      errors.New("not a message"),
	} {
		t.Run(name, func(t *testing.T) {
			p.step("b", rows.Received{From: "a", Message: m})
			p.has("b", "ann", "")
		})
	}
	p.step("b", rows.Received{From: "stranger", Message: rows.Tail{Incarnation: 1, Changes: []rows.Change{{Key: "bob"}}}})
	p.step("b", rows.Received{From: "a", Message: rows.Head{N: 1 << 60, Incarnation: 1, Has: rows.Has{Of: 1, Seq: 1 << 60, At: 1 << 61, Parts: -3}}})
	p.pass(time.Second)
}

// CL-13: what a removed peer had is forgotten.
func TestRemoved(t *testing.T) {
	p := newPair(t, rows.Config{Rows: map[rows.Key]rows.Row{"ann": {Value: "1"}}}, rows.Config{})
	p.pass(2 * time.Second)
	p.said = nil
	p.step("b", rows.Members{})
	p.want("b: ann=")
}
