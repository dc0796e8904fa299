package clustertest

import (
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// history is what was asked of a counter that peers share, and what came of it.
type history struct {
	begin time.Time
	mu    sync.Mutex
	ops   []porcupine.Operation
}

// taking is a request: n more, or n less.
type taking struct {
	n    int
	back bool
}

// Outcomes of a request.
const (
	taken   = "taken"
	refused = "refused"
	unknown = "unknown" // nobody answered: it may have been either, at any time since
)

func newHistory() *history { return &history{begin: time.Now()} }

// oldWord is how long the cluster's word that there is no more counts at a node: a refusal may rest on what was so before
// it was asked.
const oldWord = 600 * time.Millisecond

// ask does a request and writes it down.
func (h *history) ask(client int, in taking, do func() string) string {
	call := time.Since(h.begin)
	out := do()
	op := porcupine.Operation{ClientId: client, Input: in, Call: int64(call), Output: out, Return: int64(time.Since(h.begin))}
	switch out {
	case unknown:
		op.Return = int64(24 * time.Hour)
	case refused:
		op.Call = int64(max(0, call-oldWord))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
	return out
}

// counter is how one that never gives out more than it has behaves. Exact: it refuses only what it does not have.
func counter(total int, exact bool) porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{0} },
		Step: func(state, input, output any) []any {
			used, in := state.(int), input.(taking)
			if in.back {
				return []any{used - in.n}
			}
			fits := used+in.n <= total
			switch {
			case output == unknown && fits:
				return []any{used, used + in.n}
			case output == unknown:
				return []any{used}
			case output == taken && fits:
				return []any{used + in.n}
			case output == refused && (!fits || !exact):
				return []any{used}
			}
			return nil
		},
	}
	return model.ToModel()
}

// holds checks that what came was possible with one counter (LI-06, BW-05).
func (h *history) holds(t *testing.T, total int, exact bool) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	count := map[string]int{}
	for _, op := range h.ops {
		if !op.Input.(taking).back {
			count[op.Output.(string)]++
		}
	}
	begin := time.Now()
	verdict := porcupine.CheckOperationsTimeout(counter(total, exact), h.ops, time.Minute)
	t.Logf("%d requests, of those that take %v: %s for one counter of %d (exact: %t), found in %v", len(h.ops), count, verdict, total, exact, time.Since(begin).Round(time.Millisecond))
	if verdict == porcupine.Ok {
		return
	}
	t.Errorf("the history is %s for one counter", verdict)
	if exact && porcupine.CheckOperationsTimeout(counter(total, false), h.ops, time.Minute) == porcupine.Ok {
		t.Error("somebody was refused what there was; nothing was given twice")
	}
}

// The checker finds what must not be.
func TestCounterModel(t *testing.T) {
	t.Parallel()
	op := func(call, ret int64, in taking, out string) porcupine.Operation {
		return porcupine.Operation{Input: in, Output: out, Call: call, Return: ret}
	}
	one, back := taking{n: 1}, taking{n: 1, back: true}
	for _, tt := range []struct {
		name string
		ops  []porcupine.Operation
		lax  bool
		want bool
	}{
		{"as many as there are", []porcupine.Operation{op(0, 1, one, taken), op(2, 3, one, taken), op(4, 5, one, refused)}, false, true},
		{"one too many", []porcupine.Operation{op(0, 1, one, taken), op(2, 3, one, taken), op(4, 5, one, taken)}, true, false},
		{"one too many, but one is given back meanwhile", []porcupine.Operation{op(0, 1, one, taken), op(2, 3, one, taken), op(4, 9, one, taken), op(5, 8, back, taken)}, false, true},
		{"refused though there is one", []porcupine.Operation{op(0, 1, one, taken), op(2, 3, one, refused)}, false, false},
		{"refused though there is one, which may be", []porcupine.Operation{op(0, 1, one, taken), op(2, 3, one, refused)}, true, true},
		{"nobody knows", []porcupine.Operation{op(0, 99, one, unknown), op(2, 3, one, taken), op(4, 5, one, refused)}, false, true},
	} {
		if got := porcupine.CheckOperations(counter(2, !tt.lax), tt.ops); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
