package ledger_test

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
)

// BW-05: what the table has for a peer is its until it says that it does not use it, also of a pipe that came and went
// meanwhile: nothing is lost to the others.
func TestNothingIsForgottenThatTheTableHas(t *testing.T) {
	exists := ledger.Entry{Resource: pool, Total: &ledger.Total{Amount: 6, Policy: ledger.Strict}}
	gone := ledger.Entry{Resource: pool, Gone: true}
	for name, entries := range map[string][]ledger.Entry{
		"its request is agreed when nobody remembers it": {gone, exists, want("b", 1, 9, 2, false)},
		"and it goes again before it has said so":        {exists, want("b", 1, 9, 2, false), gone, exists},
	} {
		t.Run(name, func(t *testing.T) {
			b := holder{Core: ledger.New(ledger.Config{Self: "b", Incarnation: 1}, ledger.NewTable())}
			b.step(ledger.Members{Peers: []cluster.ID{"a", "b"}})
			for _, e := range entries {
				b.agrees(e)
			}
			b.said = ledger.Want{}
			for range 30 {
				b.pass(100 * time.Millisecond)
			}
			if !b.said.Held || b.said.Amount != 0 {
				t.Errorf("it says %+v, the table has 2 for it and it uses none", b.said)
			}
		})
	}
}

// holder is a peer that uses nothing, whose counters answer at once; nothing that it says is heard.
type holder struct {
	*ledger.Core
	now  time.Duration
	said ledger.Want // last
}

func (h *holder) step(e ledger.Event) {
	for _, a := range h.Step(h.now, e) {
		switch a := a.(type) {
		case ledger.Lower:
			h.step(ledger.Lowered{Resource: a.Resource})
		case ledger.Send:
			if b, ok := a.Message.(ledger.Beat); ok && len(b.Wants) > 0 {
				h.said = b.Wants[0]
			}
		}
	}
}

// agrees is about what is agreed, and what the configuration has then, for long enough to be swept.
func (h *holder) agrees(e ledger.Entry) {
	h.step(ledger.Applied{Entry: e})
	switch {
	case e.Total != nil:
		h.step(ledger.Totals{Of: map[ledger.Resource]ledger.Total{e.Resource: *e.Total}})
	case e.Gone:
		h.step(ledger.Totals{Of: map[ledger.Resource]ledger.Total{}})
	}
	h.pass(3 * time.Second)
}

func (h *holder) pass(d time.Duration) {
	h.now += d
	h.step(ledger.Tick{})
}
