package alarms

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const (
	// calm is how long an alarm has to stay as it is until it counts as settled.
	calm = time.Minute
	// flaps is how often an alarm may come and go within that until the log is spared.
	flaps = 3
)

// Board is all alarms. It is not safe for concurrent use; time comes in with each
// event.
type Board struct {
	kinds  map[int]*Kind
	newID  func() string
	alarms map[id]*entry
	keys   map[int]int                 // standing keys of a number
	folded map[int]map[string]struct{} // keys of a number that are counted only
}

type id struct {
	number int
	key    string
}

// entry is an alarm with what decides when it shows and when it is logged.
type entry struct {
	Alarm
	due     time.Time // pending until then; zero: it shows
	changed time.Time // when it was raised or lowered last
	recent  int       // how often since it was calm
	quiet   bool      // it comes and goes: not logged until it is calm
	since   int       // Times when it became quiet
}

// Event is what happens to a board: one of Raise, Lower, Acknowledge and Tick.
type Event interface{ event() }

// Raise says that something is wrong; it may be repeated.
type Raise struct {
	Number      int
	Key, Detail string
}

// Lower says that it is right again; it may be repeated, and said of what never stood.
type Lower struct {
	Number int
	Key    string
}

// Acknowledge says that somebody has seen an alarm.
type Acknowledge struct{ UUID, By string }

// Tick says that time has passed.
type Tick struct{}

func (Raise) event()       {}
func (Lower) event()       {}
func (Acknowledge) event() {}
func (Tick) event()        {}

// Action is what has to be done after an event.
type Action struct {
	// Event is the record of the event log: "Alarm Raised", "Alarm Lowered" or "Alarm
	// Acknowledged" (facts A5); empty: it is not logged.
	Event string
	Alarm Alarm
}

// NewBoard returns an empty board. newID makes UUIDs.
func NewBoard(catalogue []Kind, newID func() string) *Board {
	b := &Board{
		kinds: make(map[int]*Kind, len(catalogue)), newID: newID,
		alarms: map[id]*entry{}, keys: map[int]int{}, folded: map[int]map[string]struct{}{},
	}
	for i := range catalogue {
		b.kinds[catalogue[i].Number] = &catalogue[i]
	}
	return b
}

// Step takes an event and returns what has to be done: each action is a change that
// must be kept, and perhaps logged.
func (b *Board) Step(now time.Time, e Event) []Action {
	switch e := e.(type) {
	case Raise:
		return b.raise(now, e.Number, bounded(e.Key, maxKey), bounded(e.Detail, maxDetail))
	case Lower:
		return b.lower(now, e.Number, bounded(e.Key, maxKey))
	case Acknowledge:
		return b.acknowledge(now, e)
	case Tick:
		return b.tick(now)
	}
	return nil
}

// kind returns what the catalogue says of a number. A number that it does not know is
// shown all the same: it is a mistake in the program, and no reason to hide a trouble.
func (b *Board) kind(number int) *Kind {
	if k := b.kinds[number]; k != nil {
		return k
	}
	return &Kind{Number: number, Severity: Warning, Title: "Unknown alarm"}
}

func (b *Board) raise(now time.Time, number int, key, detail string) []Action {
	e := b.alarms[id{number, key}]
	if e != nil && e.Stands() {
		e.Last, e.Detail = now, detail
		return nil // said again
	}
	if b.keys[number] >= maxKeys && key != MoreKey {
		return b.fold(now, number, key)
	}
	actions := b.unfold(now, number, key)
	k := b.kind(number)
	if e == nil || now.Sub(e.changed) >= calm {
		e = &entry{Alarm: Alarm{Number: number, Key: key, UUID: b.newID(), Severity: k.Severity, Title: k.Title, First: now}}
		b.alarms[id{number, key}] = e
		if k.After > 0 {
			e.due = now.Add(k.After)
		}
	}
	b.keys[number]++
	e.State, e.Detail, e.Last = Raised, detail, now
	if e.By != "" {
		e.State = Acknowledged // it came back before it was settled that it had gone
	}
	e.Times++
	if !e.due.IsZero() {
		e.changed = now
		return actions
	}
	return append(actions, b.change(now, e, "Alarm Raised")...)
}

// change notes that an alarm came or went, and says whether the log hears of it.
func (b *Board) change(now time.Time, e *entry, event string) []Action {
	if now.Sub(e.changed) >= calm {
		e.recent = 0
	}
	e.changed = now
	e.recent++
	if e.recent > 2*flaps && !e.quiet {
		e.quiet, e.since = true, e.Times
	}
	if e.quiet {
		event = ""
	}
	return []Action{{event, e.Alarm}}
}

// fold counts a key instead of giving it an alarm.
func (b *Board) fold(now time.Time, number int, key string) []Action {
	if b.folded[number] == nil {
		b.folded[number] = map[string]struct{}{}
	}
	if len(b.folded[number]) < maxFolded {
		b.folded[number][key] = struct{}{}
	}
	return b.raise(now, number, MoreKey, fmt.Sprintf("%d more, the last is %s", len(b.folded[number]), key))
}

func (b *Board) lower(now time.Time, number int, key string) []Action {
	e := b.alarms[id{number, key}]
	if e == nil || !e.Stands() {
		return b.unfold(now, number, key)
	}
	b.keys[number]--
	if !e.due.IsZero() {
		delete(b.alarms, id{number, key}) // it never showed
		return nil
	}
	e.State, e.Last = Lowered, now
	actions := b.change(now, e, "Alarm Lowered")
	b.forget()
	return actions
}

// unfold takes a key back that was only counted.
func (b *Board) unfold(now time.Time, number int, key string) []Action {
	if _, ok := b.folded[number][key]; !ok {
		return nil
	}
	delete(b.folded[number], key)
	if len(b.folded[number]) == 0 {
		return b.lower(now, number, MoreKey)
	}
	return nil
}

func (b *Board) acknowledge(now time.Time, a Acknowledge) []Action {
	for _, e := range b.alarms {
		if e.UUID == a.UUID && e.State == Raised && e.due.IsZero() {
			e.State, e.By = Acknowledged, bounded(a.By, maxKey)
			return []Action{{"Alarm Acknowledged", e.Alarm}}
		}
	}
	return nil
}

// tick shows what has been wrong for long enough, and tells of what has become calm.
func (b *Board) tick(now time.Time) []Action {
	var actions []Action
	for _, e := range b.sorted() {
		if !e.due.IsZero() && !now.Before(e.due) {
			e.due = time.Time{}
			actions = append(actions, b.change(now, e, "Alarm Raised")...)
		}
		if e.quiet && now.Sub(e.changed) >= calm {
			e.quiet, e.recent = false, 0
			a := e.Alarm
			a.Detail = fmt.Sprintf("%s (came and went %d times since %s)", a.Detail, e.Times-e.since, a.First.UTC().Format(time.RFC3339))
			event := "Alarm Raised"
			if !e.Stands() {
				event = "Alarm Lowered"
			}
			actions = append(actions, Action{event, a})
		}
	}
	return actions
}

// Next returns when Tick has something to do; the zero time: never.
func (b *Board) Next() time.Time {
	var next time.Time
	for _, e := range b.alarms {
		at := e.due
		if e.quiet {
			at = e.changed.Add(calm)
		}
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// forget drops the oldest alarms that do not stand any more.
func (b *Board) forget() {
	var gone []*entry
	for _, e := range b.alarms {
		if !e.Stands() && !e.quiet {
			gone = append(gone, e)
		}
	}
	if len(gone) <= maxLowered {
		return
	}
	slices.SortFunc(gone, func(a, b *entry) int { return a.Last.Compare(b.Last) })
	for _, e := range gone[:len(gone)-maxLowered] {
		delete(b.alarms, id{e.Number, e.Key})
	}
}

func (b *Board) sorted() []*entry {
	list := make([]*entry, 0, len(b.alarms))
	for _, e := range b.alarms {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Key, b.Key))
	})
	return list
}

// List returns the alarms that show, those that stand first, the worst first.
func (b *Board) List() []Alarm {
	out := []Alarm{}
	for _, stands := range []bool{true, false} {
		for _, e := range b.sorted() {
			if e.due.IsZero() && e.Stands() == stands {
				a := e.Alarm
				a.Behind = b.behind(e)
				out = append(out, a)
			}
		}
	}
	return out
}

// behind returns the number of a standing alarm that explains another, or 0.
func (b *Board) behind(e *entry) int {
	if !e.Stands() {
		return 0
	}
	for _, number := range b.kind(e.Number).DependsOn {
		if b.keys[number] > 0 {
			return number
		}
	}
	return 0
}

// Restore puts back an alarm that was kept. One that a restart cures is not put back.
func (b *Board) Restore(a Alarm) {
	k := b.kind(a.Number)
	a.Severity, a.Title, a.Behind = k.Severity, k.Title, 0 // the catalogue may be newer
	b.alarms[id{a.Number, a.Key}] = &entry{Alarm: a, changed: a.Last}
	if a.Stands() {
		b.keys[a.Number]++
	}
}

// CuredByRestart returns the events that a start of the process is.
func (b *Board) CuredByRestart() []Event {
	var events []Event
	for _, e := range b.sorted() {
		if e.Stands() && (b.kind(e.Number).CuredByRestart || e.Key == MoreKey) {
			events = append(events, Lower{e.Number, e.Key})
		}
	}
	return events
}
