package clustertest

import (
	"slices"
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

// lateShare is of how many requests one may be refused what there is: who has waited as long as he may is refused also when
// the word of the cluster comes later, on a machine that has too much to do.
const lateShare = 100

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

// counter is how one behaves that never gives out more than it has. A refusal changes nothing.
func counter(total int) porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{0} },
		Step: func(state, input, output any) []any {
			used, in := state.(int), input.(taking)
			fits := used+in.n <= total
			switch {
			case in.back:
				return []any{used - in.n}
			case output == unknown && fits:
				return []any{used, used + in.n}
			case output == unknown:
				return []any{used}
			case output == taken && fits:
				return []any{used + in.n}
			}
			return nil
		},
	}
	return model.ToModel()
}

// since is how often something was taken that was asked for since then.
func (h *history) since(then time.Time) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, op := range h.ops {
		if op.Output == taken && !op.Input.(taking).back && op.Call >= int64(then.Sub(h.begin)) {
			n++
		}
	}
	return n
}

// never checks that what came was possible with one counter that never gives out more than it has (LI-06, BW-05).
func (h *history) never(t *testing.T, total int) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	effects := slices.DeleteFunc(slices.Clone(h.ops), func(op porcupine.Operation) bool { return op.Output == refused })
	begin := time.Now()
	verdict := porcupine.CheckOperationsTimeout(counter(total), effects, time.Minute)
	t.Logf("%d requests, %d of them refused: %s for one counter of %d, found in %v",
		len(h.ops), len(h.ops)-len(effects), verdict, total, time.Since(begin).Round(time.Millisecond))
	if verdict != porcupine.Ok {
		t.Errorf("the history is %s for one counter", verdict)
	}
}

// holds checks that, and that nobody was refused what there was.
func (h *history) holds(t *testing.T, total int) {
	t.Helper()
	h.never(t, total)
	h.mu.Lock()
	defer h.mu.Unlock()
	n := wrongly(h.ops, total)
	t.Logf("%d requests were refused though not all can have been in use", n)
	if n*lateShare > len(h.ops) {
		t.Errorf("%d of %d requests were refused though not all can have been in use", n, len(h.ops))
	}
}

// wrongly counts requests that were refused though at no moment, from when the word may be on which they were, all that
// there is can have been in use. A request that is under way counts as having it.
func wrongly(ops []porcupine.Operation, total int) (n int) {
	for _, op := range ops {
		if op.Output != refused {
			continue
		}
		if most := inUse(ops, op.Call, op.Return); most+op.Input.(taking).n <= total {
			n++
		}
	}
	return n
}

// inUse is the most that can have been in use at a moment of a time.
func inUse(ops []porcupine.Operation, from, to int64) (most int) {
	moments := []int64{from}
	for _, op := range ops {
		if op.Call > from && op.Call <= to {
			moments = append(moments, op.Call)
		}
	}
	for _, at := range moments {
		used := 0
		for _, op := range ops {
			switch in := op.Input.(taking); {
			case op.Output == refused:
			case in.back && op.Return <= at:
				used -= in.n
			case !in.back && op.Call <= at:
				used += in.n
			}
		}
		most = max(most, used)
	}
	return most
}

// The checker finds what must not be.
func TestCounterModel(t *testing.T) {
	t.Parallel()
	op := func(call, ret int64, in taking, out string) porcupine.Operation {
		return porcupine.Operation{Input: in, Output: out, Call: call, Return: ret}
	}
	one, back := taking{n: 1}, taking{n: 1, back: true}
	for _, tt := range []struct {
		name    string
		ops     []porcupine.Operation
		want    bool
		wrongly int
	}{
		{"as many as there are", []porcupine.Operation{op(0, 1, one, taken), op(2, 3, one, taken), op(4, 5, one, refused)}, true, 0},
		{"one too many", []porcupine.Operation{op(0, 1, one, taken), op(2, 3, one, taken), op(4, 5, one, taken)}, false, 0},
		{"one too many, but one is given back meanwhile", []porcupine.Operation{op(0, 1, one, taken), op(2, 3, one, taken), op(4, 9, one, taken), op(5, 8, back, taken)}, true, 0},
		{"refused though there is one", []porcupine.Operation{op(0, 1, one, taken), op(2, 3, one, refused)}, true, 1},
		{"refused while another asks", []porcupine.Operation{op(0, 1, one, taken), op(2, 5, one, taken), op(3, 4, one, refused)}, true, 0},
		{"refused before the last is given back", []porcupine.Operation{op(0, 1, one, taken), op(2, 3, one, taken), op(4, 9, back, taken), op(5, 6, one, refused)}, true, 0},
		{"refused after that", []porcupine.Operation{op(0, 1, one, taken), op(2, 3, one, taken), op(4, 5, back, taken), op(6, 7, one, refused)}, true, 1},
		{"nobody knows", []porcupine.Operation{op(0, 99, one, unknown), op(2, 3, one, taken), op(4, 5, one, refused)}, true, 0},
	} {
		effects := slices.DeleteFunc(slices.Clone(tt.ops), func(op porcupine.Operation) bool { return op.Output == refused })
		if got := porcupine.CheckOperations(counter(2), effects); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
		if got := wrongly(tt.ops, 2); got != tt.wrongly {
			t.Errorf("%s: %d refused wrongly", tt.name, got)
		}
	}
}
