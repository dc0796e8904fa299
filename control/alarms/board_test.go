package alarms

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// small is a catalogue for tests.
func small() []Kind {
	return []Kind{
		{Number: 1, Severity: Error, Title: "one"},
		{Number: 2, Severity: Notice, Title: "two", DependsOn: []int{1}},
		{Number: 3, Severity: Warning, Title: "slow", After: 10 * time.Second},
		{Number: 4, Severity: Warning, Title: "cured", CuredByRestart: true},
	}
}

func counter() func() string {
	n := 0
	return func() string { n++; return fmt.Sprint("id", n) }
}

// script runs events, each with the seconds since the start, and returns what would be
// logged.
func script(b *Board, events ...any) []string {
	var log []string
	for i := 0; i < len(events); i += 2 {
		now := start.Add(time.Duration(events[i].(int)) * time.Second)
		for _, a := range b.Step(now, events[i+1].(Event)) {
			if a.Event != "" {
				log = append(log, fmt.Sprintf("%d %s %d%s %s", events[i], a.Event, a.Alarm.Number, a.Alarm.Key, a.Alarm.UUID))
			}
		}
	}
	return log
}

func TestBoard(t *testing.T) {
	tests := []struct {
		name   string
		events []any
		log    []string
		want   string // number, key, state and times of what shows
	}{
		{"raise and lower", []any{0, Raise{1, "a", "d"}, 5, Lower{1, "a"}}, []string{"0 Alarm Raised 1a id1", "5 Alarm Lowered 1a id1"}, "1a lowered 1"},
		{"said again", []any{0, Raise{1, "", "d"}, 1, Raise{1, "", "e"}, 2, Raise{1, "", "f"}}, []string{"0 Alarm Raised 1 id1"}, "1 raised 1"},
		{"lowered that never stood", []any{0, Lower{1, ""}, 1, Raise{1, "", ""}, 2, Lower{1, "x"}}, []string{"1 Alarm Raised 1 id1"}, "1 raised 1"},
		{"keys apart", []any{0, Raise{1, "a", ""}, 1, Raise{1, "b", ""}, 2, Lower{1, "a"}}, []string{"0 Alarm Raised 1a id1", "1 Alarm Raised 1b id2", "2 Alarm Lowered 1a id1"}, "1b raised 1, 1a lowered 1"},
		{"acknowledged", []any{0, Raise{1, "", ""}, 1, Acknowledge{"id1", "ann"}, 2, Acknowledge{"id1", "bob"}, 3, Raise{1, "", ""}}, []string{"0 Alarm Raised 1 id1", "1 Alarm Acknowledged 1 id1"}, "1 acknowledged 1"},
		{"acknowledged and lowered", []any{0, Raise{1, "", ""}, 1, Acknowledge{"id1", "ann"}, 2, Lower{1, ""}}, []string{"0 Alarm Raised 1 id1", "1 Alarm Acknowledged 1 id1", "2 Alarm Lowered 1 id1"}, "1 lowered 1"},
		{"back at once is the same", []any{0, Raise{1, "", ""}, 1, Lower{1, ""}, 2, Raise{1, "", ""}}, []string{"0 Alarm Raised 1 id1", "1 Alarm Lowered 1 id1", "2 Alarm Raised 1 id1"}, "1 raised 2"},
		{"back later is another", []any{0, Raise{1, "", ""}, 1, Lower{1, ""}, 61, Raise{1, "", ""}}, []string{"0 Alarm Raised 1 id1", "1 Alarm Lowered 1 id1", "61 Alarm Raised 1 id2"}, "1 raised 1"},
		{"not long enough", []any{0, Raise{3, "", ""}, 9, Lower{3, ""}, 20, Tick{}}, nil, ""},
		{"long enough", []any{0, Raise{3, "", ""}, 9, Tick{}, 10, Tick{}, 11, Tick{}}, []string{"10 Alarm Raised 3 id1"}, "3 raised 1"},
		{"unknown number", []any{0, Raise{99, "", ""}}, []string{"0 Alarm Raised 99 id1"}, "99 raised 1"},
		{"unknown id", []any{0, Raise{1, "", ""}, 1, Acknowledge{"id7", ""}}, []string{"0 Alarm Raised 1 id1"}, "1 raised 1"},
		{"worst first", []any{0, Raise{2, "", ""}, 1, Raise{4, "", ""}, 2, Raise{1, "", ""}}, []string{"0 Alarm Raised 2 id1", "1 Alarm Raised 4 id2", "2 Alarm Raised 1 id3"}, "1 raised 1, 4 raised 1, 2 raised 1 behind 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := NewBoard(small(), counter())
			if diff := cmp.Diff(test.log, script(b, test.events...)); diff != "" {
				t.Error(diff)
			}
			if got := summary(b); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func summary(b *Board) string {
	var out []string
	for _, a := range b.List() {
		s := fmt.Sprintf("%d%s %s %d", a.Number, a.Key, a.State, a.Times)
		if a.Behind != 0 {
			s += fmt.Sprint(" behind ", a.Behind)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// TestComingAndGoing: the log is spared an alarm that flaps, and told when it is calm.
func TestComingAndGoing(t *testing.T) {
	b := NewBoard(small(), counter())
	var events []any
	for i := range 100 {
		events = append(events, 2*i, Raise{1, "", ""}, 2*i+1, Lower{1, ""})
	}
	if log := script(b, events...); len(log) != 6 {
		t.Errorf("%d records: %q", len(log), log)
	}
	if next := b.Next(); next != start.Add(259*time.Second) {
		t.Errorf("calm at %s", next)
	}
	actions := b.Step(start.Add(259*time.Second), Tick{})
	if len(actions) != 1 || actions[0].Event != "Alarm Lowered" || !strings.Contains(actions[0].Alarm.Detail, "came and went 96 times") {
		t.Errorf("%+v", actions)
	}
	if !b.Next().IsZero() {
		t.Error("there is something left to do")
	}
}

// TestFlood: many keys of one number become one alarm.
func TestFlood(t *testing.T) {
	b := NewBoard(small(), counter())
	records := 0
	for i := range 20_000 {
		records += len(b.Step(start, Raise{1, fmt.Sprint("k", i), ""}))
	}
	if records != maxKeys+1 || len(b.List()) != maxKeys+1 {
		t.Errorf("%d records, %d alarms", records, len(b.List()))
	}
	more := b.List()[len(b.List())-1]
	if more.Key != MoreKey || !strings.HasPrefix(more.Detail, "10000 more") {
		t.Errorf("%+v", more)
	}
	for i := range 20_000 {
		b.Step(start, Lower{1, fmt.Sprint("k", i)})
	}
	for _, a := range b.List() {
		if a.Stands() {
			t.Errorf("%+v stands", a)
		}
	}
}

// TestBoardIsItsModel: whatever happens, what stands is what was raised and not lowered
// since, each has had one record more of rising than of going while nothing flaps, and
// a restart changes nothing.
func TestBoardIsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBoard(small(), counter())
		stands, now := map[id]bool{}, start
		kept := map[id]Alarm{}
		for range rapid.IntRange(0, 60).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 70).Draw(t, "seconds")) * time.Second)
			at := id{rapid.IntRange(1, 4).Draw(t, "number"), rapid.SampledFrom([]string{"", "k"}).Draw(t, "key")}
			var e Event = Tick{}
			switch rapid.IntRange(0, 3).Draw(t, "event") {
			case 0:
				e, stands[at] = Raise{at.number, at.key, "d"}, true
			case 1:
				e = Lower{at.number, at.key}
				delete(stands, at)
			case 2:
				e = Acknowledge{"id1", "ann"}
			}
			for _, a := range b.Step(now, e) {
				kept[id{a.Alarm.Number, a.Alarm.Key}] = a.Alarm
			}
		}
		b.Step(now.Add(time.Hour), Tick{})
		for _, a := range b.List() {
			kept[id{a.Number, a.Key}] = a // shown by the last tick
		}
		again := NewBoard(small(), counter())
		for _, a := range kept {
			again.Restore(a)
		}
		for name, board := range map[string]*Board{"board": b, "restored": again} {
			got := map[id]bool{}
			for _, a := range board.List() {
				if a.Stands() {
					got[id{a.Number, a.Key}] = true
				}
			}
			if diff := cmp.Diff(stands, got, cmp.AllowUnexported(id{})); diff != "" {
				t.Fatalf("%s:\n%s", name, diff)
			}
		}
	})
}

func TestBounded(t *testing.T) {
	if got := bounded("a\nb\x00c\xff", 100); got != "a b c?" {
		t.Errorf("%q", got)
	}
	if got := bounded(strings.Repeat("ä", 100), 20); len(got) > 20 || !strings.HasSuffix(got, "ä...") {
		t.Errorf("%q", got)
	}
}
