package config

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// BW-01: the shipped links go by what they join, not by their names (facts A1.3).
func TestMissingDefaultLinks(t *testing.T) {
	shipped := "system: {name: a}\ninterfaces: {external: {name: s1}}\n"
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"all are there": {shipped, nil},
		"renamed and turned round": {shipped + `links:
  - {name: a, node1: TraversalSubZone, node2: DefaultSubZone}
  - {name: b, node1: DefaultSubZone, node2: DefaultZone}
  - {name: c, node1: DefaultZone, node2: TraversalSubZone}
`, nil},
		"the name leads elsewhere": {shipped + `subzones: [{name: s}]
links:
  - {name: DefaultSZtoTraversalSZ, node1: DefaultSubZone, node2: s}
  - {name: b, node1: DefaultSubZone, node2: DefaultZone}
`, []string{"DefaultSZtoTraversalSZ", "TraversalSZtoDefaultZ"}},
		"a cluster's is made with it": {shipped + "cluster: {name: c.example.org, peers: [192.0.2.10, 192.0.2.11]}\n", nil},
		"a cluster without its own": {shipped + `cluster: {name: c.example.org, peers: [192.0.2.10, 192.0.2.11]}
links:
  - {name: a, node1: TraversalSubZone, node2: DefaultSubZone}
  - {name: b, node1: DefaultSubZone, node2: DefaultZone}
  - {name: c, node1: DefaultZone, node2: TraversalSubZone}
`, []string{"DefaultSZtoClusterSZ"}},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := Parse("n", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range MissingDefaultLinks(n) {
				got = append(got, l.Name)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			before := len(n.Links)
			n, err = Apply(n, RestoreDefaultLinks(n))
			if err != nil {
				t.Fatal(err)
			}
			if missing := MissingDefaultLinks(n); missing != nil || len(n.Links) != before+len(test.want) {
				t.Errorf("after restoring them %v are missing, there are %d links", missing, len(n.Links))
			}
		})
	}
}

// A cluster that is formed later brings its link, once.
func TestClusterBringsItsLink(t *testing.T) {
	n := Default()
	n.System.Name = "a"
	n.Interfaces.External = &External{Name: "s1"}
	peers := func(list ...string) []Operation { return []Operation{{Verb: Set, Path: "cluster.peers", Texts: list}} }
	form := append(peers("192.0.2.10", "192.0.2.11"), Operation{Verb: Set, Path: "cluster.name", Text: "c.example.org"})
	n, err := Apply(n, form)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Apply(n, peers("192.0.2.10", "192.0.2.11", "192.0.2.12"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Node{n, again} {
		if i := slices.IndexFunc(n.Links, func(l Link) bool { return l.joins(ClusterSubzoneName, DefaultSubzoneName) }); i != 3 || len(n.Links) != 4 {
			t.Errorf("got %+v", n.Links)
		}
	}
}
