package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestApply(t *testing.T) {
	n, err := Parse("node.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	set := func(path string, values ...string) Operation {
		if len(values) == 1 {
			return Operation{Verb: Set, Path: path, Text: values[0]}
		}
		return Operation{Verb: Set, Path: path, Texts: values}
	}
	tests := []struct {
		name string
		ops  []Operation
		want string // of the changes, or of the error
	}{
		{"one item", []Operation{set("turn.realm", "x")}, "turn.realm: turnpike -> x"},
		{"by index", []Operation{set("zones[1].hop_count", "7")}, "zones[out].hop_count: 15 -> 7"},
		{"by name", []Operation{set("zones[out].hop_count", "7")}, "zones[out].hop_count: 15 -> 7"},
		{"a quoted name", []Operation{{Verb: Add, Path: "pipes", Text: "a ] \" b"}, set(`pipes["a ] \" b"].total.kbps`, "7")}, `pipes["a ] \" b"].name:  -> a ] " b, pipes["a ] \" b"].total.kbps:  -> 7`},
		{"a list", []Operation{set("turn.deny", "10.0.0.0/8", "192.0.2.1")}, "turn.deny: [] -> [10.0.0.0/8 192.0.2.1/32]"},
		{"a value behind the last", []Operation{set("cluster.peers[3]", "192.0.2.12")}, "cluster.peers: [192.0.2.10 192.0.2.11] -> [192.0.2.10 192.0.2.11 192.0.2.12]"},
		{"a value of a list", []Operation{{Verb: Delete, Path: "cluster.peers[1]"}}, "cluster.peers: [192.0.2.10 192.0.2.11] -> [192.0.2.11]"},
		{"back to the default", []Operation{{Verb: Delete, Path: "admin.https.port"}}, "admin.https.port: 8443 -> 443"},
		{"a section that may be missing", []Operation{{Verb: Delete, Path: "turn.tls"}}, "turn.tls.port: 5349 -> , turn.tls.certificate: /c -> , turn.tls.key: /k -> "},
		{"a section", []Operation{{Verb: Delete, Path: "certificates"}}, "certificates.client_check: validate -> not_required"},
		{"an entry with its links", []Operation{{Verb: Delete, Path: "zones[out]"}}, "zones[out].name: out -> , zones[out].peers: [192.0.2.1] -> , links[outtoDefaultSZ].name: outtoDefaultSZ -> , links[outtoTraversalSZ].name: outtoTraversalSZ -> , links[outtoDefaultSZ].node1: out -> , links[outtoTraversalSZ].node1: out -> , links[outtoDefaultSZ].node2: DefaultSubZone -> , links[outtoTraversalSZ].node2: TraversalSubZone -> "},
		{"through a state that would be wrong", []Operation{set("turn.media_ports.start", "40000"), set("turn.media_ports.end", "40099")}, "turn.media_ports.start: 24000 -> 40000, turn.media_ports.end: 29999 -> 40099"},
		{"a secret that is shown", []Operation{set("accounts[alice].password", Hidden)}, ""},

		{"no such index", []Operation{set("zones[2].hop_count", "7")}, "zones has no zone 2"},
		{"no such key", []Operation{set("zones[out].hops", "7")}, "zones[out].hops: known are name, type, protocol"},
		{"a value too many", []Operation{set("turn.realm", "a", "b")}, "turn.realm takes one value, not 2"},
		{"a section has no value", []Operation{set("turn", "a")}, "turn is a section: name a key in it"},
		{"an entry has no value", []Operation{set("zones[out]", "a")}, "is a section: name a key in it"},
		{"an entry twice", []Operation{{Verb: Add, Path: "zones", Text: "out"}}, "zones has zone out already"},
		{"no list", []Operation{{Verb: Add, Path: "turn", Text: "out"}}, "turn is no list of entries"},
		{"a name that is too long", []Operation{{Verb: Add, Path: "zones", Text: strings.Repeat("x", 51)}}, "want at most 50 bytes"},
		{"a name that is taken", []Operation{{Verb: Add, Path: "subzones", Text: "out"}}, `a zone is called "out" too`},
		{"a reserved name", []Operation{{Verb: Add, Path: "zones", Text: "Local"}}, "the name of one that is always there"},
		{"two problems", []Operation{set("turn.port", "1"), set("turn.mode", "x")}, "1024 to 65534\nturn.mode cannot be"},
		{"an own peer as neighbour", []Operation{set("zones[out].peers", "192.0.2.11:5061")}, "peers of a cluster are not neighbours"}, // RG-07
		{"addresses and enforce", []Operation{set("cluster_tls", "enforce")}, "write the peer's FQDN"},                                 // CL-05
		{"no word", []Operation{{Verb: "change", Path: "turn.realm"}}, "want set, add or delete"},
		{"a path that ends", []Operation{set("zones[", "a")}, "in brackets"},
		{"no path", []Operation{set("", "a")}, "a path has"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := Values(n)
			next, err := Apply(n, test.ops)
			if diff := cmp.Diff(before, Values(n)); diff != "" {
				t.Fatalf("the tree that was changed is another:\n%s", diff)
			}
			if err != nil {
				var problems Problems
				if !errors.As(err, &problems) || test.want == "" || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v", err)
				}
				return
			}
			var got []string
			for _, c := range Diff(n, next) {
				got = append(got, c.Path+": "+c.From+" -> "+c.To)
			}
			if diff := cmp.Diff(test.want, strings.Join(got, ", ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Entries keep their index as long as they are there; a new one gets the lowest that
// is free, and a document in another order is numbered anew.
func TestIndicesAreStable(t *testing.T) {
	n := blank(t)
	var err error
	for _, op := range []Operation{
		{Verb: Add, Path: "pipes", Text: "a"},
		{Verb: Add, Path: "pipes", Text: "b"},
		{Verb: Add, Path: "pipes", Text: "c"},
		{Verb: Delete, Path: "pipes[a]"},
		{Verb: Set, Path: "pipes[3].name", Text: "d"},
	} {
		if n, err = Apply(n, []Operation{op}); err != nil {
			t.Fatal(err)
		}
	}
	adopted := func(names ...string) map[string]int {
		doc := blank(t)
		for i, name := range names {
			doc.Pipes = append(doc.Pipes, Pipe{Index: i + 1, Name: name})
		}
		next, err := Adopt(n, doc)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, p := range next.Pipes {
			got[p.Name] = p.Index
		}
		return got
	}
	for _, test := range []struct {
		names string
		want  map[string]int
	}{
		{"b d", map[string]int{"b": 2, "d": 3}},
		{"b d e", map[string]int{"b": 2, "d": 3, "e": 4}},
		{"d", map[string]int{"d": 3}},
		{"x b d", map[string]int{"x": 1, "b": 2, "d": 3}},
		{"d b", map[string]int{"d": 1, "b": 2}},
	} {
		if diff := cmp.Diff(test.want, adopted(strings.Fields(test.names)...)); diff != "" {
			t.Errorf("%s:\n%s", test.names, diff)
		}
	}
}

func TestAdoptFillsHiddenSecretsIn(t *testing.T) {
	n, err := Parse("node.yaml", []byte(whole+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := Parse("shown", YAML(n, Writing{}))
	if err != nil {
		t.Fatal(err)
	}
	next, err := Adopt(n, doc)
	if err != nil || Diff(n, next) != nil {
		t.Errorf("%v, %v", err, Diff(n, next))
	}
	doc.Accounts[0].Name = "bob"
	if _, err := Adopt(n, doc); err == nil || !strings.Contains(err.Error(), "accounts[bob].password is hidden: write the secret") {
		t.Errorf("got %v", err)
	}
}

func FuzzPath(f *testing.F) {
	for _, path := range []string{"turn.realm", "zones[out].peers[1]", `zones["a.b]"].name`, "cluster.peers[7]", "links[1]", "turn.tls.port", "[", "a..b", `a["`} {
		f.Add(path, "1")
	}
	n, err := Parse("node.yaml", []byte(whole))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path, value string) {
		for _, verb := range []Verb{Set, Add, Delete} {
			if next, err := Apply(n, []Operation{{Verb: verb, Path: path, Text: value}}); err == nil {
				if _, problems := FromValues(Values(next)); problems != nil {
					t.Errorf("%s %s %q: %v", verb, path, value, problems)
				}
			}
		}
		_, _, _ = Get(n, path)
		_, _ = XPath(n, path)
		_, _ = Index(n, path)
	})
}
