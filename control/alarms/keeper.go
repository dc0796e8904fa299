package alarms

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrNoAlarm means that no alarm of that name is raised.
var ErrNoAlarm = errors.New("no such alarm is raised: see `turnpike alarm list`")

// Log takes records of the event log.
type Log interface {
	Event(event string, kv ...any)
	Warn(event string, kv ...any)
	Error(event string, kv ...any)
}

// Config is what Alarms need.
type Config struct {
	File      string // the journal
	Catalogue []Kind // nil: Catalogue()
	Log       Log
	Now       func() time.Time
	NewID     func() string // nil: a random UUID
}

// Alarms is the alarms of a node. It may be used by any number of goroutines; Raise
// and Lower of what is so already are quick.
type Alarms struct {
	log Log
	now func() time.Time

	mu      sync.Mutex // guards what follows; the log is written under it, so that records come in order
	board   *Board
	journal *journal

	wake chan struct{} // something may be due earlier than Run thinks
}

// Open reads what stood when the node ended, and lowers what its restart has cured.
func Open(c Config) (*Alarms, error) {
	if c.Catalogue == nil {
		c.Catalogue = Catalogue()
	}
	if c.NewID == nil {
		c.NewID = newUUID
	}
	j, kept, err := openJournal(c.File)
	if err != nil {
		return nil, err
	}
	a := &Alarms{log: c.Log, now: c.Now, board: NewBoard(c.Catalogue, c.NewID), journal: j, wake: make(chan struct{}, 1)}
	for _, k := range kept {
		a.board.Restore(k)
	}
	a.board.forget()
	for _, e := range a.board.CuredByRestart() {
		a.step(e)
	}
	return a, nil
}

// newUUID returns a random UUID (RFC 9562 section 5.4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Raise says that something is wrong. Saying it again changes nothing but the detail.
func (a *Alarms) Raise(number int, key, detail string) {
	a.mu.Lock()
	a.step(Raise{number, key, detail})
	a.mu.Unlock()
	a.poke()
}

// Lower says that it is right again, or that it was never wrong.
func (a *Alarms) Lower(number int, key string) {
	a.mu.Lock()
	a.step(Lower{number, key})
	a.mu.Unlock()
	a.poke()
}

// Acknowledge says that somebody has seen an alarm. One that was seen already stays so.
func (a *Alarms) Acknowledge(uuid, by string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.step(Acknowledge{uuid, by})) > 0 {
		return nil
	}
	for _, x := range a.board.List() {
		if x.UUID == uuid && x.State == Acknowledged {
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrNoAlarm, bounded(uuid, maxKey))
}

// List returns the alarms, those that stand first, the worst first.
func (a *Alarms) List() []Alarm {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.board.List()
}

// Count is how many alarms of a severity are in a state.
type Count struct {
	Severity Severity
	State    State // raised or acknowledged
	N        int
}

// Counts returns how many alarms stand, for each severity and state.
func (a *Alarms) Counts() []Count {
	at := map[Severity]map[State]int{}
	for _, x := range a.List() {
		if at[x.Severity] == nil {
			at[x.Severity] = map[State]int{}
		}
		at[x.Severity][x.State]++
	}
	var out []Count
	for _, s := range Severities() {
		for _, state := range []State{Raised, Acknowledged} {
			out = append(out, Count{s, state, at[s][state]})
		}
	}
	return out
}

// step takes an event, keeps what it changed and logs it.
func (a *Alarms) step(e Event) []Action {
	actions := a.board.Step(a.now(), e)
	for _, act := range actions {
		if err := a.journal.add(act.Alarm, a.board.List); err != nil {
			a.log.Error("Alarms Not Kept", "Detail", err)
		}
		if act.Event != "" {
			a.record(act)
		}
	}
	return actions
}

// record writes the event of an alarm with the fields of facts A5.
func (a *Alarms) record(act Action) {
	x := act.Alarm
	kv := []any{"Detail", x.Detail, "Id", x.Number, "UUID", x.UUID, "Severity", x.Severity, "Title", x.Title}
	if x.Key != "" {
		kv = append(kv, "Key", x.Key)
	}
	if act.Event == "Alarm Acknowledged" {
		kv = append(kv, "User", x.By)
	}
	switch {
	case act.Event != "Alarm Raised", !x.Severity.AboveNotice():
		a.log.Event(act.Event, kv...)
	case x.Severity == Warning:
		a.log.Warn(act.Event, kv...)
	default:
		a.log.Error(act.Event, kv...)
	}
}

func (a *Alarms) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// syncEvery is how long a change may wait until it is on disk; the file has it at once.
const syncEvery = time.Second

// Run shows alarms when they are due and brings the journal to disk, until ctx ends.
func (a *Alarms) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	soon := true // the timer runs out within syncEvery
	for {
		select {
		case <-ctx.Done():
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.journal.sync()
		case <-a.wake:
			if !soon {
				soon = true
				timer.Reset(syncEvery)
			}
		case <-timer.C:
			soon = false
			timer.Reset(a.turn())
		}
	}
}

// turn does what is due and returns when to look again.
func (a *Alarms) turn() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.step(Tick{})
	if err := a.journal.sync(); err != nil {
		a.log.Error("Alarms Not Kept", "Detail", err)
	}
	next := a.board.Next()
	if next.IsZero() {
		return time.Hour
	}
	return max(next.Sub(a.now()), syncEvery)
}

// Close closes the journal.
func (a *Alarms) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.journal.Close()
}
