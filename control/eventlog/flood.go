package eventlog

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// burst is how many times a second the same event is written.
	burst = 10
	// kinds bounds how many different events are counted apart; more share one count.
	kinds = 512
)

// flood is a zapcore.Core in front of another that holds back floods: the same
// event of the same module more than burst times in a second is counted, and the
// count is written when the second is over. What a scanner provokes a thousand
// times becomes two lines, and is still told.
type flood struct {
	zapcore.Core
	levels *levels
	state  *floodState
}

type floodState struct {
	mu   sync.Mutex
	seen map[kind]*window
	held atomic.Uint64
}

// kind is what counts as the same event. The zero value is all that are too many to be
// counted apart.
type kind struct{ module, event string }

// window is one event's current second.
type window struct {
	count int
	held  int
}

func newFlood(next *core) *flood {
	return &flood{Core: next, levels: next.levels, state: &floodState{seen: map[kind]*window{}}}
}

// With implements zapcore.Core.
func (f *flood) With(fields []zapcore.Field) zapcore.Core {
	return &flood{Core: f.Core.With(fields), levels: f.levels, state: f.state}
}

// Check implements zapcore.Core. What is held back is so before its fields are made.
func (f *flood) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if f.levels.of(e.LoggerName, e.Level) && f.admit(e) {
		return ce.AddCore(e, f.Core)
	}
	return ce
}

// admit reports whether the event is to be written, and counts it.
func (f *flood) admit(e zapcore.Entry) bool {
	s := f.state
	s.mu.Lock()
	defer s.mu.Unlock()
	key := kind{e.LoggerName, e.Message}
	w := s.seen[key]
	if w == nil && len(s.seen) >= kinds {
		key = kind{}
		w = s.seen[key]
	}
	if w == nil {
		w = &window{}
		s.seen[key] = w
		time.AfterFunc(time.Second, func() { f.endOf(key, e) })
	}
	w.count++
	if w.count > burst {
		w.held++
		s.held.Add(1)
		return false
	}
	return true
}

// endOf closes an event's second and tells what was held back in it.
func (f *flood) endOf(key kind, e zapcore.Entry) {
	f.state.mu.Lock()
	held := f.state.seen[key].held
	delete(f.state.seen, key)
	f.state.mu.Unlock()
	if held == 0 {
		return
	}
	e.Time = time.Now()
	_ = f.Core.Write(e, []zapcore.Field{
		zap.String("Detail", "the same event came more often than it is written"),
		zap.String("Repeated", strconv.Itoa(held)),
	})
}
