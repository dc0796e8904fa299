package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// entries checks what all lists have in common, below v: names are there and once,
// what is required is there, and what names another entry names one that exists.
func (c checker) entries(path, declaredAt string, v reflect.Value) {
	for i := range v.NumField() {
		key, f := keyOf(v.Type().Field(i)), v.Field(i)
		at, schemaAt := join(path, key), join(declaredAt, key)
		switch {
		case key == "":
		case isEntries(f.Type()):
			c.list(at, schemaAt, f)
		case f.Kind() == reflect.Struct && !isScalar(f.Type()):
			c.entries(at, schemaAt, f)
		case f.Kind() == reflect.String:
			c.reference(at, declared().byPath[schemaAt], f.String())
		}
	}
}

func (c checker) list(path, declaredAt string, list reflect.Value) {
	entry := declared().byPath[declaredAt].Entry
	if most := declared().byPath[declaredAt].Many; list.Len() > most {
		c.wrong(path, fmt.Sprintf("%s would have %d entries", path, list.Len()), fmt.Sprintf("keep at most %d", most))
	}
	seen := map[string]bool{}
	for i := range list.Len() {
		v := list.Index(i)
		at, name := fmt.Sprintf("%s[%d]", path, entryIndex(v)), entryName(v)
		if name != "" && seen[name] {
			c.wrong(at+".name", fmt.Sprintf("this %s is there twice", entry), "keep one of them")
		}
		seen[name] = true
		if err := declared().byPath[declaredAt+"[].name"].accept(name); err != nil && name != "" {
			c.wrong(at+".name", fmt.Sprintf("%s's name cannot be %q", article(entry), name), err.Error())
		}
		c.required(at, declaredAt+"[]", entry, v)
		c.entries(at, declaredAt+"[]", v)
	}
}

func (c checker) required(path, declaredAt, entry string, v reflect.Value) {
	for i := range v.NumField() {
		key := keyOf(v.Type().Field(i))
		item := declared().byPath[declaredAt+"."+key]
		if item == nil || !item.Required || !isScalar(v.Field(i).Type()) || (leaf{value: v.Field(i)}).text() != "" {
			continue
		}
		c.wrong(path+"."+key, fmt.Sprintf("%s's %s is missing", article(entry), key), "write "+key+example(item))
	}
}

// example says what to write for an item.
func example(item *Item) string {
	switch {
	case item.Type == TypeWord || item.Type == TypeName && len(item.Words) > 0:
		return ": " + item.Words[0].Text
	case item.Type == TypeAddress || item.Type == TypeHost:
		return ": 192.0.2.1"
	case item.Secret():
		return ": SECRET"
	case item.Min > 0:
		return fmt.Sprintf(" with %d to %d bytes", item.Min, item.Max)
	default:
		return ": and a value"
	}
}

func article(noun string) string {
	if strings.ContainsRune("aeio", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

func (c checker) reference(path string, item *Item, name string) {
	if item == nil || item.Type != TypeName || name == "" {
		return
	}
	known := c.namesFor(item)
	if known[name] {
		return
	}
	advice := "name one of " + strings.Join(item.Lists, ", ")
	for _, w := range item.Words {
		advice += ", or " + w.Text
	}
	if near := Nearest(name, slices.Sorted(maps.Keys(known))); near != "" {
		advice = fmt.Sprintf("did you mean %s?", near)
	}
	c.wrong(path, fmt.Sprintf("%s names %q, which is not there", path, name), advice)
}

// namesFor returns what an item may name.
func (c checker) namesFor(item *Item) map[string]bool {
	if known := c.names[item]; known != nil {
		return known
	}
	known := map[string]bool{}
	for _, w := range item.Words {
		known[w.Text] = true
	}
	for _, list := range item.Lists {
		for _, name := range namesIn(c.n, list) {
			known[name] = true
		}
	}
	c.names[item] = known
	return known
}

// namesIn returns the names of a list at the top of a tree.
func namesIn(n *Node, list string) []string {
	v := reflect.ValueOf(n).Elem()
	for i := range v.NumField() {
		if keyOf(v.Type().Field(i)) != list {
			continue
		}
		names := make([]string, v.Field(i).Len())
		for j := range names {
			names[j] = entryName(v.Field(i).Index(j))
		}
		return names
	}
	return nil
}
