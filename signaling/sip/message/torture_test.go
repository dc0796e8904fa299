package message_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/message/torture"
)

func TestEachMessageOfRFC4475HasItsAnswer(t *testing.T) {
	for _, c := range torture.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			m, err := message.Parse(c.Data)
			var f *message.Fault
			switch {
			case err == nil && (c.Layer == torture.Message || c.Layer == torture.Nobody):
				t.Fatalf("accepted: %s", c.Why)
			case err == nil:
				if again, err := message.Parse(m.Append(nil)); err != nil || again.String() != m.String() {
					t.Errorf("it is not the same again: %v\n%s", err, m)
				}
				return
			case !errors.As(err, &f):
				t.Fatalf("%v is no fault", err)
			}
			switch c.Layer {
			case torture.Message:
				if f.Status != c.Status || f.Message == nil {
					t.Fatalf("%v, answered: %t; want %d and an answer: %s", f, f.Message != nil, c.Status, c.Why)
				}
				answer := message.NewResponse(f.Message, f.Status, f.Reason)
				if !strings.HasPrefix(answer.String(), "SIP/2.0 ") || answer.Vias() == 0 {
					t.Errorf("the answer is\n%s", answer)
				}
			case torture.Nobody:
				if f.Message != nil {
					t.Errorf("%v is answered, want nobody to hear of it", f)
				}
			default:
				t.Errorf("%v, want it accepted: %s", f, c.Why)
			}
		})
	}
}

// What is accepted is read as another implementation reads it.
func TestAnotherParserReadsTheSame(t *testing.T) {
	for _, c := range torture.Cases(t) {
		theirs, err := sip.ParseMessage(c.Data)
		ours, fault := message.Parse(c.Data)
		if err != nil || fault != nil {
			continue // what is to be refused is another test's
		}
		t.Run(c.Name, func(t *testing.T) {
			n, method := ours.CSeq()
			if ours.CallID() != theirs.CallID().Value() || n != theirs.CSeq().SeqNo || string(method) != strings.TrimSpace(string(theirs.CSeq().MethodName)) {
				t.Errorf("Call-ID %q, CSeq %d %s; they read %s, %s", ours.CallID(), n, method, theirs.CallID(), theirs.CSeq())
			}
			if string(ours.Body()) != string(theirs.Body()) {
				t.Errorf("body %q; they read %q", ours.Body(), theirs.Body())
			}
			if got, want := ours.Via().Host, theirs.Via().Host; got != want {
				t.Errorf("Via of %q; they read %q", got, want)
			}
			if got, want := ours.Via().Branch(), theirs.Via().Params; got != "" && !want.Has("branch") {
				t.Errorf("branch %q; they read %v", got, want)
			}
		})
	}
}
