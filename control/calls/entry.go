package calls

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Entry is a call in the book of whoever carries it.
type Entry struct {
	book   *Book
	handle Handle

	mu      sync.Mutex // guards what follows, without the number and the serial
	call    Call
	ladder  ladder
	endedAt time.Time // also read under the book's lock; set before the entry gets there
}

// ID returns the call's number.
func (e *Entry) ID() uint64 { return e.call.ID }

// Serial returns the call's UUID.
func (e *Entry) Serial() string { return e.call.Serial }

// Update changes what is known of the call.
func (e *Entry) Update(change func(*Info)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.call.Info)
}

// Tell writes an event of the call to the log, with a detail of its own.
func (e *Entry) Tell(event, detail string) {
	e.mu.Lock()
	c := e.call
	e.mu.Unlock()
	e.book.tell(event, c, detail)
}

// Ringing notes that the callee is alerted.
func (e *Entry) Ringing() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.call.State == Trying {
		e.call.State = Ringing
	}
}

// Answered notes that the callee took the call.
func (e *Entry) Answered() {
	e.mu.Lock()
	if e.call.State == Ended || e.call.State == Connected {
		e.mu.Unlock()
		return
	}
	e.call.State, e.call.Answered = Connected, e.book.cfg.Now()
	c := e.call
	e.mu.Unlock()
	e.book.stats.setUp(c.Answered.Sub(c.Started))
	e.book.connected(c)
}

// End notes why the call is over. final are the last figures of its streams; without
// them the handle is asked. The call is out of Calls when it returns; ending it twice
// does nothing.
func (e *Entry) End(cause Cause, final ...Stream) {
	var rate *Rate
	if h := e.carrier(); h != nil {
		rate = h.Rate()
		if final == nil {
			final = h.Streams()
		}
	}
	e.mu.Lock()
	if e.call.State == Ended {
		e.mu.Unlock()
		return
	}
	carried := e.call.State != Trying
	e.call.State, e.call.Ended, e.call.Cause = Ended, e.book.cfg.Now(), &cause
	e.call.Streams = carrying(final)
	e.call.Media.MeasuredKbps = rate
	e.call.Seconds = seconds(e.call)
	e.endedAt = e.call.Ended
	e.handle = nil // what carried the call may go
	e.ladder.settle()
	e.call.Messages = e.ladder.len()
	c := e.call
	e.mu.Unlock()
	e.book.close(e, c.Ended, carried)
	e.book.stats.end(cause.Kind)
	e.book.finished(c)
}

// Keeps reports whether messages are kept now: whoever has to write them first need not
// where they are not.
func (e *Entry) Keeps() bool {
	return e.book.trace.Load() && e.book.ladders.Load() <= 2*keepLadders
}

// Message keeps a message of the call for its ladder. data is copied.
func (e *Entry) Message(at time.Time, local, remote netip.AddrPort, transport string, sent bool, data []byte) {
	if !e.Keeps() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.book.ladders.Add(e.ladder.add(Message{At: at, Local: local, Remote: remote, Transport: transport, Sent: sent, Data: data}))
}

// Call returns the call as it stands.
func (e *Entry) Call() Call {
	e.mu.Lock()
	c, h := e.call, e.handle
	c.Messages = e.ladder.len()
	e.mu.Unlock()
	if c.State != Ended {
		c.Streams, c.Seconds = []Stream{}, 0
		if h != nil {
			c.Streams = carrying(h.Streams())
			c.Media.MeasuredKbps = h.Rate()
		}
		if c.State == Connected {
			c.Seconds = e.book.cfg.Now().Sub(c.Answered).Seconds()
		}
	}
	return c
}

// carrier returns who carries the call, nil when it is over.
func (e *Entry) carrier() Handle {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.handle
}

func (e *Entry) ladderOf(secrets bool) Ladder {
	c := e.Call()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ladder.shown(c, secrets)
}

// dropLadder forgets the messages and returns how many bytes that frees.
func (e *Entry) dropLadder() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ladder.drop()
}

// carrying leaves out streams that carried nothing; of those that go past the node
// nobody here can tell.
func carrying(list []Stream) []Stream {
	out := make([]Stream, 0, len(list))
	for _, s := range list {
		if s.Path == PathDirect || s.A.Packets+s.B.Packets > 0 {
			out = append(out, s)
		}
	}
	return out
}

func seconds(c Call) float64 {
	if c.Answered.IsZero() {
		return 0
	}
	return c.Ended.Sub(c.Answered).Seconds()
}

// newSerial makes a random UUID (RFC 9562 section 5.4).
func newSerial() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // it never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
