package eventlog

import (
	"sync/atomic"

	"go.uber.org/zap/zapcore"
)

// Stats is what a log wrote and what it did not, since it was opened.
type Stats struct {
	Written map[string]uint64 // records by level: debug, info, warn, error
	Held    uint64            // not written one by one: the same event came too often
	Failed  uint64            // could not be written
}

// Stats returns the counters as they stand.
func (l *Log) Stats() Stats {
	if l == nil || l.stats == nil {
		return Stats{}
	}
	return l.stats()
}

// counts are what Stats is made of.
type counts struct {
	written [severities]atomic.Uint64
	failed  atomic.Uint64
}

// severities is how many levels there are: debug to error.
const severities = int(zapcore.ErrorLevel-zapcore.DebugLevel) + 1

// count counts one record that was written, or could not be.
func (c *counts) count(level zapcore.Level, err error) {
	if err != nil {
		c.failed.Add(1)
		return
	}
	if i := int(level - zapcore.DebugLevel); i >= 0 && i < severities {
		c.written[i].Add(1)
	}
}

func (c *counts) stats(held uint64) Stats {
	s := Stats{Written: map[string]uint64{}, Held: held, Failed: c.failed.Load()}
	for i := range c.written {
		s.Written[(zapcore.DebugLevel + zapcore.Level(i)).String()] = c.written[i].Load()
	}
	return s
}
