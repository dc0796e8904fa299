package licences_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/resources"
)

// CA-02, CA-04: what all peers of a cluster carry together is told near its limit and at it, beside what this node does, and the
// alarms go with it.
func TestWholeCluster(t *testing.T) {
	r := newRig(t)
	r.install()
	standing := func() map[int]string {
		r.Look()
		out := map[int]string{}
		for _, a := range r.board.List() {
			if a.Stands() && strings.HasPrefix(a.Key, "cluster") {
				out[a.Number] = a.Detail
			}
		}
		return out
	}
	for _, step := range []struct {
		name  string
		whole []resources.Level
		want  map[int]string
	}{
		{"nothing is shared", nil, map[int]string{}},
		{"near", []resources.Level{{Name: resources.WholeCalls, Used: 90, Limit: 100}, {Name: resources.WholeRelays, Used: 10, Limit: 24000}}, map[int]string{
			30002: "all peers together use 90 of 100 units of calls, which is what the cluster carries",
		}},
		{"full", []resources.Level{{Name: resources.WholeCalls, Used: 1, Limit: 100}, {Name: resources.WholeRegistrations, Used: 20000, Limit: 20000}}, map[int]string{
			30010: "all peers together use 20000 of 20000 registrations, which is what the cluster carries",
			30030: "all peers together use 20000 of 20000 registrations, which is what the cluster carries",
		}},
		{"relays", []resources.Level{{Name: resources.WholeRelays, Used: 24000, Limit: 24000}}, map[int]string{
			30005: "all peers together use 24000 of 24000 TURN relays, which is what the cluster carries",
			30024: "all peers together use 24000 of 24000 TURN relays, which is what the cluster carries",
		}},
		{"registrations with other registrars", []resources.Level{{Name: resources.WholeRegistrations, Used: 1, Limit: 20000}, {Name: resources.WholeProxied, Used: 800, Limit: 800}}, map[int]string{
			30010: "all peers together use 800 of 800 registrations with other registrars, which is what the cluster carries",
			30030: "all peers together use 800 of 800 registrations with other registrars, which is what the cluster carries",
		}},
		{"another model", nil, map[int]string{}},
	} {
		r.whole = step.whole
		if diff := cmp.Diff(step.want, standing()); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
}
