package config

import (
	"reflect"
	"slices"
)

// Merge returns a tree with the peer-specific items of one and the shared items of
// another (PS).
func Merge(own, shared *Node) (*Node, error) { return WithShared(own, Shared(shared)) }

// WithShared returns a tree with the peer-specific items of one and values of shared items.
func WithShared(own *Node, shared []Value) (*Node, error) {
	values := slices.DeleteFunc(Values(own), func(v Value) bool { return !v.Item.Peer })
	values = append(values, shared...)
	n, problems := FromValues(values)
	if len(problems) > 0 {
		return nil, problems
	}
	return n, Check(n)
}

// Shared returns what of a tree peers of a cluster share, in the order of the schema.
func Shared(n *Node) []Value {
	return slices.DeleteFunc(Values(n), func(v Value) bool { return v.Item.Peer })
}

// Reset returns what a factory reset leaves of a tree (CL-14).
func Reset(n *Node) *Node {
	values := slices.DeleteFunc(Values(n), func(v Value) bool { return !v.Item.Kept })
	kept, _ := FromValues(values) // they came out of a tree
	kept.Links = defaultLinks()
	// What the node is does not change, and without it there is no node.
	kept.System.Name, kept.System.Role, kept.System.Platform, kept.System.State = n.System.Name, n.System.Role, n.System.Platform, n.System.State
	if first := n.Interfaces.Relay(); n.Interfaces.Internal == nil && first != "" {
		kept.Interfaces.External = &External{Name: first} // the only one is the first
	}
	return kept
}

// Adopt prepares a document to follow n: entries that are there already keep their
// index where the order of the document allows it, and hidden secrets are filled in.
// Hidden secrets of which n knows nothing are problems.
func Adopt(n, document *Node) (*Node, error) {
	next := document.Clone()
	a := &adopter{known: flatten(n)}
	reindex(reflect.ValueOf(n).Elem(), reflect.ValueOf(next).Elem())
	walk(next, a.reveal)
	if len(a.problems) > 0 {
		return nil, a.problems
	}
	return next, nil
}

type adopter struct {
	known    map[string]value
	problems Problems
}

func (a *adopter) reveal(l leaf) {
	if !l.item.Secret() || l.value.Kind() == reflect.Slice || l.value.String() != Hidden {
		a.revealList(l)
		return
	}
	old, ok := a.known[l.path]
	if !ok || old.text == "" {
		a.problems = append(a.problems, Problem{Path: l.path, Text: l.path + " is hidden", Advice: "write the secret"})
		return
	}
	l.value.SetString(old.text)
}

// revealList keeps a list of secrets that is hidden as a whole.
func (a *adopter) revealList(l leaf) {
	if !l.item.Secret() || l.value.Kind() != reflect.Slice {
		return
	}
	for i := range l.value.Len() {
		if l.value.Index(i).String() != Hidden {
			continue
		}
		if i >= len(a.known[l.path].list) {
			a.problems = append(a.problems, Problem{Path: l.path, Text: l.path + " is hidden", Advice: "write the secret"})
			return
		}
		l.value.Index(i).SetString(a.known[l.path].list[i])
	}
}

// reindex gives the entries below next the indices that they have below old.
func reindex(old, next reflect.Value) {
	for i := range next.NumField() {
		o, n := old.Field(i), next.Field(i)
		if n.Kind() == reflect.Pointer {
			continue // no optional section has entries in it
		}
		switch {
		case isEntries(n.Type()):
			reindexList(o, n)
		case n.Kind() == reflect.Struct && !isScalar(n.Type()):
			reindex(o, n)
		}
	}
}

func reindexList(old, next reflect.Value) {
	had := map[string]int{}
	for i := range old.Len() {
		had[entryName(old.Index(i))] = entryIndex(old.Index(i))
	}
	indices, last := make([]int, next.Len()), 0
	for i := range indices {
		index := had[entryName(next.Index(i))]
		if index == 0 {
			index = last + 1
		}
		if index <= last {
			return // another order than before: the document's own, from 1
		}
		indices[i], last = index, index
	}
	for i, index := range indices {
		next.Index(i).FieldByName("Index").SetInt(int64(index))
	}
}
