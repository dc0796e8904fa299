package calls

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Limits on what a book keeps.
const (
	// keepEnded is how many calls that were carried are kept after their end, and
	// keepRefused how many of those that never rang.
	keepEnded, keepRefused = 4096, 1024
	// keepFor is how long.
	keepFor = 24 * time.Hour
	// keepLadder is what one call's messages may take, and keepLadders all of them.
	keepLadder, keepLadders = 32 << 10, 32 << 20
)

// ErrNoCall means that there is no call of that number or serial.
var ErrNoCall = errors.New("no such call: see `turnpike call list`")

// Log takes event records (control/eventlog).
type Log interface {
	Event(event string, kv ...any)
}

// Config is what a Book needs besides calls.
type Config struct {
	Now     func() time.Time // nil: time.Now
	Log     Log              // nil: nobody is told
	Records *Records         // nil: none are written
	Trace   bool             // whether messages are kept; SetTrace changes it
}

// Book is every call of a node. It is safe for concurrent use.
type Book struct {
	cfg     Config
	trace   atomic.Bool
	ladders atomic.Int64 // bytes of all ladders
	stats   counters

	mu      sync.Mutex // taken before an entry's; never held while a handle or the log runs
	last    uint64
	running map[uint64]*Entry
	ended   ring
	refused ring
}

// New makes a book without calls.
func New(cfg Config) *Book {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	b := &Book{
		cfg: cfg, running: map[uint64]*Entry{},
		ended: ring{most: keepEnded}, refused: ring{most: keepRefused},
	}
	b.trace.Store(cfg.Trace)
	return b
}

// SetTrace says whether the messages of calls are kept from now on.
func (b *Book) SetTrace(on bool) { b.trace.Store(on) }

// Begin enters a call that was asked for, before anything of it is decided. Whoever
// begins ends it (Entry.End), also when it is refused.
func (b *Book) Begin(info Info, h Handle) *Entry {
	e := &Entry{book: b, handle: h, call: Call{Serial: newSerial(), State: Trying, Info: info, Started: b.cfg.Now()}}
	b.mu.Lock()
	b.last++
	e.call.ID = b.last
	b.running[e.call.ID] = e
	b.mu.Unlock()
	b.stats.attempts.Add(1)
	b.attempted(e.call)
	return e
}

// Running is how many calls there are now.
func (b *Book) Running() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.running)
}

// Calls lists the calls that run, the oldest first.
func (b *Book) Calls() []Call {
	b.mu.Lock()
	list := make([]*Entry, 0, len(b.running))
	for _, e := range b.running {
		list = append(list, e)
	}
	b.mu.Unlock()
	return b.shown(list)
}

// EndedCalls lists the calls that ended lately, the last first.
func (b *Book) EndedCalls() []Call {
	b.mu.Lock()
	b.forget(b.cfg.Now())
	list := slices.Concat(b.ended.list, b.refused.list)
	b.mu.Unlock()
	out := b.shown(list)
	slices.SortFunc(out, func(a, b Call) int { return cmp.Or(b.Ended.Compare(a.Ended), cmp.Compare(b.ID, a.ID)) })
	return out
}

// shown copies entries in the order of their numbers.
func (b *Book) shown(list []*Entry) []Call {
	out := make([]Call, 0, len(list))
	for _, e := range list {
		out = append(out, e.Call())
	}
	slices.SortFunc(out, func(a, b Call) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Call returns the call of a number or serial, running or ended.
func (b *Book) Call(name string) (Call, error) {
	e := b.find(name)
	if e == nil {
		return Call{}, ErrNoCall
	}
	return e.Call(), nil
}

// Ladder returns the messages of a call. Passwords and keys are taken out unless
// secrets is set.
func (b *Book) Ladder(name string, secrets bool) (Ladder, error) {
	e := b.find(name)
	if e == nil {
		return Ladder{}, ErrNoCall
	}
	return e.ladderOf(secrets), nil
}

// Disconnect ends a running call.
func (b *Book) Disconnect(name, reason string) error {
	e := b.find(name)
	if e == nil {
		return ErrNoCall
	}
	h := e.carrier()
	if h == nil {
		return fmt.Errorf("%w: %s is over", ErrNoCall, name)
	}
	h.Disconnect(reason)
	return nil
}

// DisconnectAll ends the running calls that a test says, and returns how many.
func (b *Book) DisconnectAll(reason string, which func(Call) bool) int {
	n := 0
	for _, c := range b.Calls() {
		if which(c) && b.Disconnect(c.Serial, reason) == nil {
			n++
		}
	}
	return n
}

// find looks for a number or a serial.
func (b *Book) find(name string) *Entry {
	id, err := strconv.ParseUint(name, 10, 64)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(b.cfg.Now())
	if e := b.running[id]; err == nil && e != nil {
		return e
	}
	is := func(e *Entry) bool { return err == nil && e.call.ID == id || e.call.Serial == name }
	for _, e := range b.running {
		if is(e) {
			return e
		}
	}
	for _, list := range [][]*Entry{b.ended.list, b.refused.list} {
		if i := slices.IndexFunc(list, is); i >= 0 {
			return list[i]
		}
	}
	return nil
}

// close takes an ended call out of those that run and keeps it for a while.
func (b *Book) close(e *Entry, at time.Time, carried bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.running, e.call.ID)
	keep := &b.refused
	if carried {
		keep = &b.ended
	}
	for _, old := range keep.add(e) {
		b.ladders.Add(-old.dropLadder())
	}
	b.forget(at)
}

// forget lets go of what is too old, and of the oldest ladders while all take too much.
// The caller holds the lock.
func (b *Book) forget(now time.Time) {
	for _, r := range []*ring{&b.refused, &b.ended} {
		for _, old := range r.before(now.Add(-keepFor)) {
			b.ladders.Add(-old.dropLadder())
		}
	}
	for _, r := range []*ring{&b.refused, &b.ended} {
		for b.ladders.Load() > keepLadders && r.bare < len(r.list) {
			b.ladders.Add(-r.list[r.bare].dropLadder())
			r.bare++
		}
	}
}

// ring keeps the last entries that were put into it, the oldest first.
type ring struct {
	most int
	list []*Entry
	bare int // so many at the beginning have no ladder any more
}

// add puts an entry in and returns those that had to go.
func (r *ring) add(e *Entry) []*Entry {
	r.list = append(r.list, e)
	return r.cut(len(r.list) - r.most)
}

// before takes out those that ended before a time.
func (r *ring) before(t time.Time) []*Entry {
	n := 0
	for n < len(r.list) && r.list[n].endedAt.Before(t) {
		n++
	}
	return r.cut(n)
}

func (r *ring) cut(n int) []*Entry {
	if n <= 0 {
		return nil
	}
	gone := slices.Clone(r.list[:n])
	r.list = slices.Delete(r.list, 0, n)
	r.bare = max(0, r.bare-n)
	return gone
}
