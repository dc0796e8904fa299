package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the file says anew is taken from it; what was set by command since stays.
func TestReread(t *testing.T) {
	parse := func(text string) *Node {
		n, err := Parse("n", []byte("system: {name: a}\ninterfaces: {external: {name: s1}}\n"+text))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const file = "log: {level: warn}\ncluster: {name: c.test, peers: [a.test]}\n"
	for _, test := range []struct{ name, before, cur, now, want string }{
		{"nothing is new", file, "log: {level: debug}\ncluster: {name: c.test, peers: [a.test, b.test]}", file, "log: {level: debug}\ncluster: {name: c.test, peers: [a.test, b.test]}"},
		{"the list is new", file, "log: {level: debug}\ncluster: {peers: [a.test, b.test]}", "log: {level: warn}\ncluster: {name: c.test, peers: [c.test]}", "log: {level: debug}\ncluster: {peers: [c.test]}"},
		{"an item is gone", file, "log: {level: debug}", "cluster: {name: c.test, peers: [a.test]}", ""},
		{"never said", "", "cluster: {peers: [a.test]}\noption_keys: [{name: 1X4757T5-1-60BAD5CD}]", "", "cluster: {peers: [a.test]}\noption_keys: [{name: 1X4757T5-1-60BAD5CD}]"},
		{"a list of entries as one", "log: {levels: [{name: a, level: debug}]}", "log: {levels: [{name: a, level: debug}, {name: b, level: info}]}", "log: {levels: [{name: c, level: debug}]}", "log: {levels: [{name: c, level: debug}]}"},
		{"a section comes", "", "", "interfaces: {internal: {name: s0}}", "interfaces: {internal: {name: s0}}"},
		{"shared items stay", "", "turn: {realm: r}", "turn: {realm: other}", "turn: {realm: r}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "a section comes" {
				now := parse("")
				now.Interfaces.Internal = &Internal{Name: "s0"}
				if got := Reread(parse(""), now, SaidBy(parse(""))); got.Interfaces.Internal == nil {
					t.Error("it did not")
				}
				return
			}
			got := Reread(parse(test.cur), parse(test.now), SaidBy(parse(test.before)))
			if diff := cmp.Diff(parse(test.want), got, equal); diff != "" {
				t.Error(diff)
			}
		})
	}
}
