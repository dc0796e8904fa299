package eventlog

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// queued is how many records wait for a slow reader before more are lost.
	queued = 4096
	// flushTime bounds the wait for a reader at the end.
	flushTime = time.Second
)

// Queue is a writer in front of one that may block, such as a pipe that nobody
// reads: it never blocks itself. What does not fit is lost, and counted in the output.
type Queue struct {
	records chan []byte
	lost    atomic.Uint64 // since the output was last told
	total   atomic.Uint64
	done    chan struct{}
	once    sync.Once
}

// NewQueue writes to out in the background until Close.
func NewQueue(out io.Writer) *Queue {
	q := &Queue{records: make(chan []byte, queued), done: make(chan struct{})}
	go q.run(out)
	return q
}

func (q *Queue) run(out io.Writer) {
	defer close(q.done)
	for r := range q.records {
		if lost := q.lost.Swap(0); lost > 0 {
			_, _ = fmt.Fprintf(out, "# %d records lost: standard output was not read\n", lost)
		}
		_, _ = out.Write(r) // there is nowhere to tell
	}
}

// Write takes one record, or loses it.
func (q *Queue) Write(p []byte) (int, error) {
	select {
	case q.records <- append([]byte(nil), p...):
	default:
		q.lost.Add(1)
		q.total.Add(1)
	}
	return len(p), nil
}

// Lost is how many records were lost because the reader was too slow.
func (q *Queue) Lost() uint64 { return q.total.Load() }

// Close waits a moment for what is queued to be written. Nothing may be written after it.
func (q *Queue) Close() {
	q.once.Do(func() { close(q.records) })
	select {
	case <-q.done:
	case <-time.After(flushTime):
	}
}
