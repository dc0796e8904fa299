package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// XValue is an item as xConfiguration shows it.
type XValue struct {
	X    string // with indices
	Text string // quoted where it is text, secrets hidden
	Item *Item
}

// XValues returns every item of a tree, also those at their default, in the order of
// the schema.
func XValues(n *Node) []XValue {
	var out []XValue
	collectX("", nil, reflect.ValueOf(n).Elem(), &out)
	return out
}

func collectX(path string, indices []int, v reflect.Value, out *[]XValue) {
	for i := range v.NumField() {
		key, f := keyOf(v.Type().Field(i)), v.Field(i)
		if key == "" || f.Kind() == reflect.Pointer && f.IsNil() {
			continue
		}
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		at := join(path, key)
		switch item := declared().byPath[at]; {
		case isEntries(f.Type()):
			for j := range f.Len() {
				collectX(at+"[]", append(indices, entryIndex(f.Index(j))), f.Index(j), out)
			}
		case f.Kind() == reflect.Struct && !isScalar(f.Type()):
			collectX(at, indices, f, out)
		case f.Kind() == reflect.Slice:
			for j := range f.Len() {
				*out = append(*out, XValue{fill(item.X, append(indices, j+1)), item.xQuoted(f.Index(j)), item})
			}
		default:
			*out = append(*out, XValue{fill(item.X, indices), item.xQuoted(f), item})
		}
	}
}

// fill puts indices into an xConfiguration path.
func fill(x string, indices []int) string {
	for _, i := range indices {
		x = strings.Replace(x, "[]", strconv.Itoa(i), 1)
	}
	return x
}

// xQuoted is a value as xConfiguration writes it.
func (i Item) xQuoted(v reflect.Value) string {
	s := valueText(v)
	if i.Secret() && s != "" {
		s = Hidden
	}
	switch {
	case s == "":
		return `""`
	case i.Type == TypeInteger, i.Type == TypeSeconds:
		return s
	case i.Type == TypeWord:
		return i.XText(s)
	case i.Type == TypePort && s == "off":
		return "Off"
	case i.Type == TypePort:
		return s
	}
	return strconv.Quote(s)
}

// XPattern names an xConfiguration path whatever its case and its indices.
func XPattern(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if _, err := strconv.Atoi(w); err == nil {
			w = "[]"
		}
		out[i] = strings.ToLower(w)
	}
	return strings.Join(out, " ")
}

// FromX returns the path of the item at an xConfiguration path, and the item.
func FromX(words []string) (string, Item, bool) {
	item := byX()[XPattern(words)]
	if item == nil || item.Type == TypeEntries {
		return "", Item{}, false
	}
	path := item.Path
	for _, w := range words {
		if _, err := strconv.Atoi(w); err != nil {
			continue
		}
		if strings.Contains(path, "[]") {
			path = strings.Replace(path, "[]", "["+w+"]", 1)
		} else {
			path += "[" + w + "]"
		}
	}
	return path, *item, true
}

var byX = sync.OnceValue(func() map[string]*Item {
	m := map[string]*Item{}
	for i := range declared().items {
		m[strings.ToLower(declared().items[i].X)] = &declared().items[i]
	}
	return m
})

// TextOf returns a value of xConfiguration as it is written in the tree.
func (i Item) TextOf(x string) string {
	if w, ok := i.Word(x); ok && i.Type == TypeWord {
		return w.Text
	}
	if strings.EqualFold(x, "off") && (i.Type == TypePort || i.Type == TypeListen) {
		return "off"
	}
	return x
}

// ValueSpace is what may stand for an item, as the help of xConfiguration says it:
// <0..63>, <S: 0,50>, <On/Off>.
func (k Kind) ValueSpace() string {
	switch k.Type {
	case TypeInteger, TypeSeconds:
		return fmt.Sprintf("<%d..%d>", k.Min, k.Max)
	case TypePort:
		return fmt.Sprintf("<%d..%d/Off>", k.Min, k.Max)
	case TypeWord:
		words := make([]string, len(k.Words))
		for i, w := range k.Words {
			words[i] = w.X
		}
		return "<" + strings.Join(words, "/") + ">"
	default:
		return fmt.Sprintf("<S: %d,%d>", k.Min, k.Max)
	}
}

// XIndexed returns an item's xConfiguration path with the bounds of its indices:
// Zones Zone [1..1000] Name.
func (i Item) XIndexed() string {
	x, path := i.X, i.Path
	var bounds []int
	for at := strings.Index(path, "[]"); at >= 0; {
		bounds = append(bounds, declared().byPath[path[:at]].Many)
		next := strings.Index(path[at+2:], "[]")
		if next < 0 {
			break
		}
		at += 2 + next
	}
	if i.Type != TypeEntries && i.Many > 0 {
		bounds = append(bounds, i.Many)
	}
	for _, most := range bounds {
		x = strings.Replace(x, "[]", fmt.Sprintf("[1..%d]", most), 1)
	}
	return x
}
