package message_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/message/torture"
)

// What is accepted is the same when it has been written and is read again, nothing that is
// asked of it panics, and neither does the answer to what is refused.
func FuzzParse(f *testing.F) {
	for _, c := range torture.Cases(f) {
		f.Add(c.Data)
	}
	f.Add([]byte(invite))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := message.Parse(data)
		if err != nil {
			var fault *message.Fault
			if !errors.As(err, &fault) {
				t.Fatalf("%v is no fault", err)
			}
			if fault.Message != nil {
				_ = message.NewResponse(fault.Message, fault.Status, fault.Reason).String()
			}
			return
		}
		once := m.Append(nil)
		again, err := message.ParseStream(once)
		if err != nil {
			t.Fatalf("%v\n%s", err, once)
		}
		if diff := cmp.Diff(string(once), again.String()); diff != "" {
			t.Fatal(diff)
		}
		rewrite(m)
		if _, err := message.ParseStream(m.Append(nil)); err != nil {
			t.Fatalf("rewritten: %v\n%s", err, m)
		}
	})
}

// rewrite sets everything to what it is, through the types.
func rewrite(m *message.Message) {
	m.SetFrom(m.From())
	m.SetTo(m.To())
	m.SetVia(m.Via())
	m.SetRoutes(m.Routes()...)
	m.SetContacts(m.Contacts()...)
	m.SetCSeq(m.CSeq())
	m.SetCallID(m.CallID())
	if m.IsRequest() {
		m.SetURI(m.URI())
	}
	if n, ok := m.MaxForwards(); ok {
		m.SetMaxForwards(n)
	}
	m.SetBody(m.ContentType(), m.Body())
	_, _ = m.Expires()
	_ = m.Tokens("Supported")
}

func FuzzParseURI(f *testing.F) {
	for _, c := range uris {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := message.ParseURI(s)
		if err != nil {
			return
		}
		again, err := message.ParseURI(u.String())
		if err != nil {
			t.Fatalf("%q is written as %q: %v", s, u, err)
		}
		if diff := cmp.Diff(u, again); diff != "" {
			t.Fatal(diff)
		}
		if !u.Equal(again) {
			t.Fatalf("%q is not equal to itself", u)
		}
	})
}

func FuzzParseAddress(f *testing.F) {
	for _, c := range addresses {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := message.ParseAddress(s)
		if err != nil {
			return
		}
		again, err := message.ParseAddress(a.String())
		if err != nil {
			t.Fatalf("%q is written as %q: %v", s, a, err)
		}
		if diff := cmp.Diff(a, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

// cutting is what a framer finds in a stream.
type cutting struct {
	messages []string
	replies  int
	err      error
}

// read gives a framer the stream in pieces, as the loop does.
func read(stream []byte, cuts []byte) (got cutting) {
	f := &message.Framer{}
	var have []byte
	for len(stream) > 0 {
		n := len(stream)
		if len(cuts) > 0 {
			n, cuts = min(n, int(cuts[0])+1), cuts[1:]
		}
		have, stream = append(have, stream[:n]...), stream[n:]
		for {
			var frame loop.Frame
			frame, got.err = f.Next(have)
			if got.err != nil {
				return got
			}
			if len(frame.Reply) > 0 {
				got.replies++
			}
			have = have[frame.Skip:]
			if frame.Size > 0 {
				got.messages = append(got.messages, string(have[:frame.Size]))
				have = have[frame.Size:]
			}
			if frame.Skip == 0 && frame.Size == 0 {
				break
			}
		}
	}
	return got
}

// However a stream is cut, the same messages are in it.
func FuzzFramer(f *testing.F) {
	for _, c := range torture.Cases(f) {
		f.Add(c.Data, []byte{1, 2, 3, 200})
	}
	f.Add([]byte("\r\n\r\n"+invite+"\r\n"+invite+"\r\n\r\n"), []byte{0, 0, 0, 9, 255})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		one, many := read(stream, nil), read(stream, cuts)
		if diff := cmp.Diff(one.messages, many.messages); diff != "" {
			t.Fatal(diff)
		}
		if one.replies != many.replies || !errors.Is(many.err, one.err) {
			t.Fatalf("%d replies, %v; in pieces %d, %v", one.replies, one.err, many.replies, many.err)
		}
		for _, text := range one.messages {
			_, _ = message.ParseStream([]byte(text))
		}
	})
}
