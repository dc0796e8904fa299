package pooling

import (
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/resources"
)

// LI-06, OP-06: a node whose database is damaged admits nothing of what is of policy strict, and of what is of policy
// available all that there is; also after a change of either.
func TestApart(t *testing.T) {
	strict := []string{"licensing: {policy: strict}\n", "bandwidth: {policy: strict}\n"}
	for name, tc := range map[string]struct {
		more            string
		licences, pipes bool
	}{
		"available":       {"", true, true},
		"strict licences": {strict[0], false, true},
		"strict pipes":    {strict[1], true, false},
		"strict":          {strict[0] + strict[1], false, false},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(site, "links:\n", "links:\n  - {name: DT, node1: DefaultSubZone, node2: TraversalSubZone}\n", 1)
			r, err := resources.New(parsed(t, text+tc.more), halves(2), resources.Deps{})
			if err != nil {
				t.Fatal(err)
			}
			before, refused := r.Admit("1", call("Porto", 1000)) // that an earlier process had
			if refused != nil {
				t.Fatal(refused)
			}
			r.Share(NewApart(r, func() time.Duration { return time.Hour }))
			full := func(rest uint32, want resources.Cause) {
				t.Helper()
				all := call("Porto", rest)
				all.Patient = false
				g, _ := r.Admit("all of it", all)
				before := r.Refused()["pipe Porto"][want]
				if _, refused := r.Admit("one more", all); refused == nil || r.Refused()["pipe Porto"][want] != before+1 {
					t.Errorf("a full pipe: %v, refused for %v, want %s", refused, r.Refused()["pipe Porto"], want)
				}
				if g != nil {
					g.Release()
				}
			}
			cause := resources.OwnLimit
			if !tc.pipes {
				cause = resources.Damaged
			}
			check := func(what string, w resources.Want, want bool) {
				t.Helper()
				w.Patient = false
				g, refused := r.Admit("2", w)
				if all := refused == nil && g.Granted().Kbps[0] == w.Ways[0].Asked; all != want {
					t.Errorf("%s: %t, want %t (%v)", what, all, want, refused)
				}
				if g != nil {
					g.Release()
				}
			}
			license := stranger(64)
			license.Ways[0].From = phone("DefaultSubZone") // passes no pipe
			check("a licence", license, tc.licences)
			check("of a pipe", call("Porto", 3000), tc.pipes)
			check("of a full pipe", call("Porto", 3001), false)
			full(3000, cause)
			before.Release()
			check("what an earlier process had", call("Porto", 1000), tc.pipes)

			more := strings.Replace(text+tc.more, "kbps: 4000", "kbps: 6000", 1)
			if err := r.Change(parsed(t, more), halves(4)); err != nil {
				t.Fatal(err)
			}
			check("of a wider pipe", call("Porto", 6000), tc.pipes)
			g, refused := r.Admit("3", license)
			if (refused == nil) != tc.licences {
				t.Errorf("the first of two licences: %v", refused)
			}
			check("the second", license, tc.licences)
			if g != nil {
				g.Release()
			}
			if err := r.Change(parsed(t, text), halves(4)); err != nil {
				t.Fatal(err)
			}
			check("a licence, available by now", license, true)
			check("of a pipe, available by now", call("Porto", 4000), true)
			full(4000, resources.OwnLimit)
		})
	}
}

// A node may refuse something between the moment when it has such a use and the first offer to it.
func TestApartBeforeItsFirstOffer(t *testing.T) {
	a := NewApart(nil, func() time.Duration { return time.Hour })
	if got := a.Cause(resources.Unmet{Name: "pipe Porto"}); got != resources.OwnLimit {
		t.Errorf("refused for %s", got)
	}
}
