package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// BW-01, BW-02: what can be configured and is probably not meant.
func TestRemarks(t *testing.T) {
	const node = "system: {name: a}\ninterfaces: {external: {name: s1}}\n"
	const shipped = `
  - {name: a, node1: DefaultSubZone, node2: TraversalSubZone}
  - {name: b, node1: DefaultSubZone, node2: DefaultZone}
  - {name: c, node1: TraversalSubZone, node2: DefaultZone}
`
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"as it is shipped":     {node, nil},
		"new ones get links":   {node + "zones: [{name: z}]\nsubzones: [{name: s}]\n", nil},
		"a subzone on its own": {node + "subzones: [{name: s}]\nlinks:" + shipped, []string{"subzones[1]: subzone s has no link: its endpoints call each other only, and only past the node: add a link"}},
		"a zone on its own":    {node + "zones: [{name: z}]\nlinks:" + shipped, []string{"zones[1]: zone z has no link: no call goes there or comes from there: add a link"}},
		"no way through the node": {node + "subzones: [{name: s}, {name: t}]\nlinks:" + shipped + "  - {name: d, node1: s, node2: t}\n", []string{
			"subzones[1]: no links lead from subzone s to the Traversal Subzone: calls whose media passes the node fail: link it to TraversalSubZone",
			"subzones[2]: no links lead from subzone t to the Traversal Subzone: calls whose media passes the node fail: link it to TraversalSubZone",
		}},
		"a zone is no way through": {node + "zones: [{name: z}, {name: y}]\nlinks:" + shipped + "  - {name: d, node1: z, node2: TraversalSubZone}\n  - {name: e, node1: z, node2: y}\n", []string{
			"zones[2]: no links lead from zone y to the Traversal Subzone: calls whose media passes the node fail: link it to TraversalSubZone",
		}},
		"limits that are never reached": {node + `default_subzone: {bandwidth: {total: {mode: limited, kbps: 1000}, within: {mode: limited, kbps: 1000}, in_out: {mode: limited, kbps: 1001}}}
traversal_subzone: {total: {mode: none}, per_call: {mode: limited, kbps: 2000}}
`, []string{"default_subzone.bandwidth.in_out.kbps: one call may have 1001 kbit/s of a total of 1000: lower it, or raise the total"}},
		"pipes": {node + "pipes: [{name: p, policing: on}, {name: q, total: {mode: limited, kbps: 100}, per_call: {mode: limited, kbps: 200}}]\nlinks:" + shipped + "  - {name: d, node1: TraversalSubZone, node2: DefaultSubZone, pipe1: p}\n", []string{
			"pipes[1].policing: pipe p has no total: each of its calls is held to its grant, all together are not: give the pipe a total, or leave it at that",
			"pipes[2]: pipe q is on no link: it limits nothing: name it in links[].pipe1, or take it out",
			"pipes[2].per_call.kbps: one call may have 200 kbit/s of a total of 100: lower it, or raise the total",
			"links[4]: link d joins what a joins already: no call takes it: take one of them out",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := Parse("n", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range Remarks(n) {
				got = append(got, r.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
