package config

import (
	"reflect"
	"slices"
	"strings"
)

// Change is a key whose value differs between two trees.
type Change struct {
	Path string `json:"path"`
	// From and To are the values as written, secrets hidden.
	From string `json:"from"`
	To   string `json:"to"`
	// Live: a reload applies it; otherwise the node must be started again.
	Live bool `json:"live"`
}

// value is a key's value, and how it may be shown.
type value struct {
	text, shown string
	item        *Item
	list        []string // of a list of values
	initial     bool     // an entry has it when it is made
}

// Diff returns what differs between two trees, in the order of the schema.
// Entries of lists are compared by name; of one that comes or goes, what is at its
// default is not told.
func Diff(from, to *Node) []Change {
	a, b := prune(from, to)
	old, now := flatten(a), flatten(b)
	changed := map[*Item][]string{}
	for path, v := range old {
		if w, both := now[path]; v.text != w.text && (both || !v.initial) {
			changed[v.item] = append(changed[v.item], path)
		}
	}
	for path, v := range now {
		if _, both := old[path]; !both && v.text != "" && !v.initial {
			changed[v.item] = append(changed[v.item], path)
		}
	}
	var changes []Change
	items := declared().items
	for i := range items {
		if items[i].Path == "membership_rules" { // ties are broken by order (facts A1.1)
			if c, ok := orderChange(items[i].Path, namesIn(from, items[i].Path), namesIn(to, items[i].Path)); ok {
				changes = append(changes, c)
			}
		}
		paths := changed[&items[i]]
		slices.Sort(paths)
		for _, path := range paths {
			changes = append(changes, Change{
				Path: path, From: old[path].shown, To: now[path].shown, Live: items[i].Live(),
			})
		}
	}
	return changes
}

func flatten(n *Node) map[string]value {
	out := map[string]value{}
	walk(n, func(l leaf) {
		v := value{text: l.text(), shown: l.shown(), item: l.item}
		if l.value.Kind() == reflect.Slice {
			v.list = texts(l.value)
		} else if strings.Contains(l.item.Path, "[]") {
			v.initial = l.initial
		}
		out[l.path] = v
	})
	return out
}
