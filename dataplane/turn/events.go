package turn

import (
	"time"
)

// event is something an operator should see, on its way to the logger.
type event struct {
	name string
	kv   []any
}

// warnEvery is how often a warning of one name is logged: clients can provoke
// them, and the log must not be theirs to fill.
const warnEvery = 10 * time.Second

// warning is how often an event happened since it was last logged.
type warning struct {
	logged     time.Time
	suppressed uint64
}

// event has the logger called after the lock is released.
func (s *Server) event(name string, kv ...any) {
	s.events = append(s.events, event{name, kv})
}

// warn is event for what may come in floods: it is logged now and then, with how
// many were left out.
func (s *Server) warn(name string, kv ...any) {
	now := time.Now()
	w := s.warnings[name]
	if w == nil {
		w = new(warning)
		s.warnings[name] = w
	}
	if now.Sub(w.logged) < warnEvery {
		w.suppressed++
		return
	}
	if w.suppressed > 0 {
		kv = append(kv, "Suppressed", w.suppressed)
	}
	*w = warning{logged: now}
	s.event(name, kv...)
}
