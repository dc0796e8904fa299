package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var equal = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}), cmpopts.EquateEmpty()}

// blank is a tree that has nothing wrong.
func blank(t testing.TB) *Node {
	t.Helper()
	n, err := Parse("n", []byte("system: {name: a}\ninterfaces: {external: {name: s1}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// drawText draws what may stand for an item.
func drawText(t *rapid.T, item Item) string {
	switch item.Type {
	case TypeWord:
		return rapid.SampledFrom(item.Words).Draw(t, "word").Text
	case TypeInteger, TypeSeconds:
		return fmt.Sprint(rapid.Int64Range(item.Min, item.Max).Draw(t, "number"))
	case TypePort:
		return rapid.SampledFrom([]string{"off", "5060", "5061", "65534"}).Draw(t, "port")
	case TypeAddress:
		return rapid.SampledFrom([]string{"192.0.2.7", "2001:db8::7"}).Draw(t, "address")
	case TypePrefix:
		return rapid.SampledFrom([]string{"10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"}).Draw(t, "prefix")
	case TypeHost:
		return rapid.SampledFrom([]string{"192.0.2.7", "[2001:db8::7]:5070", "sip.example.org", "h.example.org:99"}).Draw(t, "host")
	case TypeListen:
		return rapid.SampledFrom([]string{"off", "127.0.0.1:9999"}).Draw(t, "listen")
	case TypeName:
		return rapid.SampledFrom([]string{"a", "b", "1", LocalZoneName, DefaultSubzoneName}).Draw(t, "name")
	case TypeFile:
		return rapid.SampledFrom([]string{"/a", "/b c/#d"}).Draw(t, "file")
	default:
		return rapid.StringMatching(`[ -~äé\x{2028}\x{1F600}]{1,12}`).Draw(t, "text")
	}
}

// drawOperation draws a step that may or may not fit.
func drawOperation(t *rapid.T) Operation {
	item := rapid.SampledFrom(Schema()).Draw(t, "item")
	path := item.Path
	for strings.Contains(path, "[]") {
		step := rapid.SampledFrom([]string{"[a]", "[b]", `["1"]`, "[1]", "[2]"}).Draw(t, "entry")
		path = strings.Replace(path, "[]", step, 1)
	}
	switch {
	case item.Type == TypeEntries:
		return Operation{Verb: Add, Path: path, Text: rapid.SampledFrom([]string{"a", "b", "1", "x y]"}).Draw(t, "new")}
	case rapid.IntRange(0, 5).Draw(t, "delete") == 0:
		if i := strings.LastIndexByte(path, ']'); i > 0 && rapid.Bool().Draw(t, "whole") {
			path = path[:i+1]
		}
		return Operation{Verb: Delete, Path: path}
	case item.Many > 0:
		return Operation{Verb: Set, Path: path, Texts: []string{drawText(t, item), drawText(t, item)}}
	}
	return Operation{Verb: Set, Path: path, Text: drawText(t, item)}
}

// drawTree draws a tree that has nothing wrong.
func drawTree(t *rapid.T, n *Node) *Node {
	for range rapid.IntRange(0, 40).Draw(t, "steps") {
		if next, err := Apply(n, []Operation{drawOperation(t)}); err == nil {
			n = next
		}
	}
	return n
}

func TestTreesAreWrittenAndRead(t *testing.T) {
	first := blank(t)
	zones, err := Apply(first, []Operation{
		{Verb: Set, Path: "zones[a].peers", Texts: []string{"192.0.2.1"}},
		{Verb: Set, Path: "zones[x y].peers", Texts: []string{"192.0.2.2:5070", "[2001:db8::1]:5060"}},
		{Verb: Set, Path: "zones[7b].traversal.password", Text: "it's \"#1\": "},
		{Verb: Set, Path: "zones[7b].peers", Text: "h.example.org"},
	})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := drawTree(t, rapid.SampledFrom([]*Node{first, zones}).Draw(t, "from"))
		again, problems := FromValues(Values(n))
		if diff := cmp.Diff(n, again, equal); diff != "" || problems != nil {
			t.Fatalf("values: %v\n%s", problems, diff)
		}
		doc := YAML(n, Writing{Secrets: true, Defaults: rapid.Bool().Draw(t, "defaults")})
		read, err := Parse("doc", doc)
		if err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if read, err = Adopt(n, read); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(n, read, equal); diff != "" {
			t.Fatalf("%s\n%s", diff, doc)
		}
		if c := Diff(n, read); c != nil {
			t.Fatalf("differs from itself: %v", c)
		}
		merged, err := Merge(n, n)
		if err != nil || !cmp.Equal(n, merged, equal) {
			t.Fatalf("merged: %v\n%s", err, cmp.Diff(n, merged, equal))
		}
	})
}

func TestACloneSharesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawTree(t, Default())
		before := Values(n.Clone())
		for range 20 {
			_, _ = Apply(n, []Operation{drawOperation(t)})
		}
		if diff := cmp.Diff(before, Values(n), cmpopts.IgnoreFields(Value{}, "Item")); diff != "" {
			t.Fatal(diff)
		}
	})
}
