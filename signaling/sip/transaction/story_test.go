package transaction

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// story is one end whose other side is the test: it writes down, with the time, what is sent and what users are told.
type story struct {
	*end
	t     *testing.T
	began time.Time
	lines []string
	tr    loop.Transport
	sent  []*message.Message
	fails func(error) // of the last message that was sent with one
}

// tell runs a story in a bubble of its own.
func tell(t *testing.T, tr loop.Transport, options []Option, f func(s *story)) {
	synctest.Test(t, func(t *testing.T) {
		s := &story{end: newEnd(t, here, options...), t: t, began: time.Now(), tr: tr}
		s.carry = func(_ transport.Hop, data []byte, failed func(error)) {
			m, err := message.Parse(data)
			if err != nil {
				t.Errorf("sent %q: %v", data, err)
				return
			}
			s.sent = append(s.sent, m)
			if failed != nil {
				s.fails = failed
			}
			s.note("%s", summary(m))
		}
		f(s)
	})
}

func summary(m *message.Message) string {
	if m.IsRequest() {
		return string(m.Method())
	}
	return fmt.Sprint(m.Status(), " ", m.Method())
}

func (s *story) note(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf("%v %s", time.Since(s.began), fmt.Sprintf(format, args...)))
}

// Response and Failed make the story the user of its clients.
func (s *story) Response(_ *Client, m *message.Message) { s.note("told %s", summary(m)) }
func (s *story) Failed(_ *Client, err error)            { s.note("failed: %v", err) }

// wait lets time pass.
func (s *story) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *story) expect(want string) {
	s.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(want), "\n"), s.lines); diff != "" {
		s.t.Error(diff)
	}
	s.lines = nil
}

func (s *story) empty() {
	s.t.Helper()
	if st := s.Stats(); st.Servers+st.Clients+st.Ended != 0 {
		s.t.Errorf("left: %+v", st)
	}
	s.do(func() {
		tb := s.tables[0]
		if len(tb.acks)+len(tb.merged)+len(tb.records) != 0 || s.shard.Stats().Timers != 0 {
			s.t.Errorf("left: %d waiting for ACKs, %d merged, %d records, %d timers", len(tb.acks), len(tb.merged), len(tb.records), s.shard.Stats().Timers)
		}
	})
}

func (s *story) hop() transport.Hop { return transport.Hop{Transport: s.tr, Remote: there} }

// ask sends a request.
func (s *story) ask(method message.Method) (c *Client) {
	s.do(func() { c = s.Layer.Send(s.shard, request(method, "1"), s.hop(), s) })
	return c
}

// answer has the other side answer the first request.
func (s *story) answer(status int) {
	m := message.NewResponse(s.sent[0], status, "")
	if status > 100 {
		m.SetTo(m.To().WithTag("theirs"))
	}
	s.arrive(s.source(), m.Append(nil))
	synctest.Wait()
}

func (s *story) source() loop.Source { return loop.Source{Transport: s.tr, Local: here, Remote: there} }

// come has a request arrive under a branch.
func (s *story) come(method message.Method, branch string, change ...func(*message.Message)) *message.Message {
	m := request(method, "1")
	m.PushVia(message.Via{Transport: "UDP", Host: "192.0.2.2", Port: 5060, Params: message.Params{{Name: "branch", Value: branch}}})
	for _, f := range change {
		f(m)
	}
	s.arrive(s.source(), m.Append(nil))
	synctest.Wait()
	return m
}

// reply has the user answer the request that came last.
func (s *story) reply(status int) {
	s.do(func() { s.requests[len(s.requests)-1].Reply(status, "") })
	synctest.Wait()
}

func withTag(tag string) func(*message.Message) {
	return func(m *message.Message) { m.SetTo(m.To().WithTag(tag)) }
}

var errBroken = errors.New("no way there")
