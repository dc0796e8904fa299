package config

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// leaf is a value of a tree: a scalar, or a list of scalars.
type leaf struct {
	path    string // entries by name: zones[out].type
	item    *Item
	value   reflect.Value
	initial bool // as it is when nobody sets it
}

// walk visits the leaves of a tree in the order of its fields. Sections that are
// not there have none.
func walk(n *Node, visit func(leaf)) { walkShape(nil, root(), reflect.ValueOf(n).Elem(), visit) }

// walkShape visits the leaves of v, which stands at path.
func walkShape(path *spot, s shape, v reflect.Value, visit func(leaf)) {
	for i := range s {
		f := &s[i]
		fv, there := f.of(v)
		if !there {
			continue
		}
		switch f.form {
		case formEntries:
			list := &spot{up: path, step: f.key}
			for j := range fv.Len() {
				walkShape(&spot{up: list, step: entryStep(fv.Index(j))}, f.below, fv.Index(j), visit)
			}
		case formSection:
			walkShape(&spot{up: path, step: f.key}, f.below, fv, visit)
		case formValues:
			visit(leaf{path: path.key(f.key), item: f.item, value: fv})
		default:
			visit(leaf{path: path.key(f.key), item: f.item, value: fv, initial: f.isInitial(fv)})
		}
	}
}

// Of all entries the first two fields are Index and Name; a test holds them to it.
const indexField, nameField = 0, 1

func entryName(v reflect.Value) string { return v.Field(nameField).String() }

func entryIndex(v reflect.Value) int { return int(v.Field(indexField).Int()) }

// simple is a name that cannot be taken for an index or end a path early.
var simple = regexp.MustCompile(`^[^\s"\[\]=:,]*[^\s"\[\]=:,0-9][^\s"\[\]=:,]*$`)

// entryStep is how a path names an entry: [out], or ["1 a"].
func entryStep(v reflect.Value) string {
	name := entryName(v)
	if !simple.MatchString(name) {
		name = strconv.Quote(name)
	}
	return "[" + name + "]"
}

// text is what the value is written as; lists are joined by commas.
func (l leaf) text() string {
	if l.value.Kind() != reflect.Slice {
		return valueText(l.value)
	}
	parts := make([]string, l.value.Len())
	for i := range parts {
		parts[i] = valueText(l.value.Index(i))
	}
	return strings.Join(parts, ",")
}

// shown is text without what is secret.
func (l leaf) shown() string {
	switch {
	case l.value.Kind() == reflect.Slice:
		parts := make([]string, l.value.Len())
		for i := range parts {
			if parts[i] = valueText(l.value.Index(i)); l.item.Secret() {
				parts[i] = "***"
			}
		}
		return "[" + strings.Join(parts, " ") + "]"
	case l.item.Secret() && l.value.Len() > 0:
		return "***"
	default:
		return valueText(l.value)
	}
}
