package trace

import (
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	var tr Trace
	tr.Add(Step{Kind: "alias", Outcome: Noted, Why: "as received"})
	tr.Add(Step{Kind: "rule", Name: "a", Outcome: Skipped, Why: "no"})
	tr.Add(Step{Kind: "rule", Name: "b", Outcome: Skipped, Why: "no"})
	tr.Add(Step{Kind: "rule", Name: "c", Outcome: Took, Why: "strip", Before: "91", After: "1"})
	tr.In()
	tr.Add(Step{Kind: "transform", Name: "d", Outcome: Skipped, Why: "no"})
	tr.Out()
	tr.Add(Step{Kind: "target", Name: "z", Outcome: Missed, Why: "silent"})
	tr.Add(Step{Kind: "result", Outcome: Refused, Why: "not found"})
	for _, test := range []struct {
		all  bool
		want string
	}{
		{false, `
  alias      as received
  rule       2 rules did not apply
+ rule       "c": strip: 91 -> 1
      transform  1 transform did not apply
- target     "z": silent
! result     not found
`},
		{true, `
  alias      as received
- rule       "a": no
- rule       "b": no
+ rule       "c": strip: 91 -> 1
    - transform  "d": no
- target     "z": silent
! result     not found
`},
	} {
		var b strings.Builder
		if err := Write(&b, tr.Steps(), test.all); err != nil || "\n"+b.String() != test.want {
			t.Errorf("got\n%s, want%s%v", b.String(), test.want, err)
		}
	}
}

func TestNobodyAsks(t *testing.T) {
	var none *Trace
	none.In()
	none.Add(Step{})
	none.Out()
	if none.Steps() != nil || none.Lost() != 0 {
		t.Error("the nil trace has steps")
	}
}

func TestTraceIsBounded(t *testing.T) {
	var tr Trace
	for range maxSteps + 7 {
		tr.Add(Step{})
	}
	if len(tr.Steps()) != maxSteps || tr.Lost() != 7 {
		t.Errorf("%d steps, %d lost", len(tr.Steps()), tr.Lost())
	}
}
