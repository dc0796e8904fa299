package config

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// leaf is a value of a tree: a scalar, or a list of scalars.
type leaf struct {
	path  string // entries by name: zones[out].type
	item  *Item
	value reflect.Value
}

// walk visits the leaves of a tree in the order of its fields. Sections that are
// not there have none.
func walk(n *Node, visit func(leaf)) { walkStruct("", "", reflect.ValueOf(n).Elem(), visit) }

// walkStruct visits the leaves of v, which stands at path and at a path of the schema.
func walkStruct(path, declaredAt string, v reflect.Value, visit func(leaf)) {
	for i := range v.NumField() {
		key, f := keyOf(v.Type().Field(i)), v.Field(i)
		if key == "" {
			continue
		}
		at, schemaAt := join(path, key), join(declaredAt, key)
		if f.Kind() == reflect.Pointer {
			if f.IsNil() {
				continue
			}
			f = f.Elem()
		}
		switch {
		case isEntries(f.Type()):
			for j := range f.Len() {
				walkStruct(at+entryStep(f.Index(j)), schemaAt+"[]", f.Index(j), visit)
			}
		case f.Kind() == reflect.Struct && !isScalar(f.Type()):
			walkStruct(at, schemaAt, f, visit)
		default:
			visit(leaf{at, declared().byPath[schemaAt], f})
		}
	}
}

func entryName(v reflect.Value) string { return v.FieldByName("Name").String() }

func entryIndex(v reflect.Value) int { return int(v.FieldByName("Index").Int()) }

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
