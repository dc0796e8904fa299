package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	rto      = 500 * time.Millisecond // RFC 8489 section 6.2.1
	maxTries = 7
	window   = 64
)

// runner takes all sessions of a fleet through a script.
type runner struct {
	*Fleet
	pace   Pace
	script func(peers int) []exchange
	start  time.Time
	begun  int // sessions begun; they begin in order
	active int
	// waiting holds sent requests in the order of their sending; answered ones are
	// skipped when they come to the front.
	waiting []sentRequest
	report  Report
	first   error // of the failed sessions
	buf     [2048]byte
}

type sentRequest struct {
	session *session
	sent    time.Time
}

// run returns when every session is through or has failed. The error says how many
// failed and why the first did.
func (f *Fleet) run(ctx context.Context, p Pace, script func(peers int) []exchange) (Report, error) {
	if p.Window == 0 {
		p.Window = window
	}
	r := &runner{Fleet: f, pace: p, script: script, start: time.Now()}
	events := make([]unix.EpollEvent, 256)
	for r.active > 0 || r.begun < len(f.sessions) {
		if err := ctx.Err(); err != nil {
			return r.report, err
		}
		wait := r.begin(time.Now())
		n, err := unix.EpollWait(f.epoll, events, int(wait/time.Millisecond))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return r.report, fmt.Errorf("wait for answers: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			r.read(f.sessions[e.Fd])
		}
		r.repeat(time.Now())
	}
	return r.result()
}

func (r *runner) result() (Report, error) {
	r.report.Elapsed = time.Since(r.start)
	slices.Sort(r.report.Latencies)
	if r.report.Failed > 0 {
		return r.report, fmt.Errorf("%d of %d relays failed: %w", r.report.Failed, len(r.sessions), r.first)
	}
	return r.report, nil
}

// begin starts the sessions whose time has come and returns how long there is
// nothing to do unless an answer comes.
func (r *runner) begin(now time.Time) time.Duration {
	const poll = 20 * time.Millisecond
	for r.begun < len(r.sessions) && r.active < r.pace.Window {
		if r.pace.Rate > 0 {
			at := r.start.Add(time.Duration(float64(r.begun) / r.pace.Rate * float64(time.Second)))
			if wait := at.Sub(now); wait > 0 {
				return min(wait, poll)
			}
		}
		s := r.sessions[r.begun]
		r.begun++
		r.active++
		s.script, s.pos, s.refused, s.begun = r.script(len(s.peers)), 0, 0, now
		r.next(s)
	}
	return poll
}

// next sends the session's next request.
func (r *runner) next(s *session) {
	s.tries = 0
	rand.Read(s.id[:]) //nolint:errcheck // never fails (crypto/rand)
	r.send(s)
}

func (r *runner) send(s *session) {
	raw, err := r.codec.request(s)
	if err != nil {
		r.fail(s, err)
		return
	}
	s.tries++
	s.sent = time.Now()
	r.waiting = append(r.waiting, sentRequest{s, s.sent})
	// What cannot be sent now is sent again like what was lost.
	_, _ = unix.Write(s.fd, raw)
}

func (r *runner) read(s *session) {
	n, err := unix.Read(s.fd, r.buf[:])
	if err != nil {
		return // ICMP errors are reported here; the request is sent again
	}
	challenged := s.challenged
	err = r.codec.answer(s, r.buf[:n])
	r.report.Challenged += s.challenged - challenged
	switch {
	case errors.Is(err, errNotMine):
	case err != nil:
		r.fail(s, err)
	case s.done():
		r.report.Done++
		r.report.Latencies = append(r.report.Latencies, time.Since(s.begun))
		r.active--
	default:
		r.next(s)
	}
}

// repeat sends requests again whose answer is overdue.
func (r *runner) repeat(now time.Time) {
	for len(r.waiting) > 0 && now.Sub(r.waiting[0].sent) >= rto {
		w := r.waiting[0]
		r.waiting = r.waiting[1:]
		if w.session.done() || w.session.sent != w.sent {
			continue
		}
		if w.session.tries == r.cfg.Tries {
			r.fail(w.session, fmt.Errorf("no answer from %s to %s", w.session.server, w.session.script[w.session.pos].method))
			continue
		}
		r.report.Repeated++
		r.send(w.session)
	}
}

func (r *runner) fail(s *session, err error) {
	s.pos = len(s.script)
	r.active--
	r.report.Failed++
	if r.first == nil {
		r.first = err
	}
}
