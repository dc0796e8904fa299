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
func (c checker) entries(path *spot, s shape, v reflect.Value) {
	for i := range s {
		f := &s[i]
		switch {
		case f.optional:
		case f.form == formEntries:
			c.list(&spot{up: path, step: f.key}, f, v.Field(f.index))
		case f.form == formSection:
			c.entries(&spot{up: path, step: f.key}, f.below, v.Field(f.index))
		case f.form == formValue && f.item.Type == TypeName:
			c.reference(path, f, v.Field(f.index).String())
		}
	}
}

func (c checker) list(path *spot, f *field, list reflect.Value) {
	entry := f.item.Entry
	if list.Len() > f.item.Many {
		c.wrong(path.String(), fmt.Sprintf("%s would have %d entries", path, list.Len()), fmt.Sprintf("keep at most %d", f.item.Many))
	}
	names := f.below.named("name").item
	seen := make(map[string]bool, list.Len())
	for i := range list.Len() {
		v := list.Index(i)
		at := &spot{up: path, step: entryAt(v)}
		name := entryName(v)
		if name != "" && seen[name] {
			c.wrong(at.key("name"), fmt.Sprintf("this %s is there twice", entry), "keep one of them")
		}
		seen[name] = true
		if err := names.accept(name); err != nil && name != "" {
			c.wrong(at.key("name"), fmt.Sprintf("%s's name cannot be %q", article(entry), name), err.Error())
		}
		c.required(at, f.below, entry, v)
		c.entries(at, f.below, v)
	}
}

func (c checker) required(path *spot, s shape, entry string, v reflect.Value) {
	for i := range s {
		f := &s[i]
		if f.form != formValue || f.item == nil || !f.item.Required || (leaf{value: v.Field(f.index)}).text() != "" {
			continue
		}
		c.wrong(path.key(f.key), fmt.Sprintf("%s's %s is missing", article(entry), f.key), "write "+f.key+example(f.item))
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

func (c checker) reference(section *spot, f *field, name string) {
	if name == "" {
		return
	}
	item := f.item
	known := c.namesFor(item)
	if known[name] {
		return
	}
	path := section.key(f.key)
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
