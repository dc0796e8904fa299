package config

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// shape is the fields of a section or an entry with their declarations. It is made once:
// looking up tags and joining paths for each of ten thousand entries at each change was
// what a change cost most.
type shape []field

// form is how a field is written.
type form uint8

const (
	formValue   form = iota
	formValues       // a list of values
	formSection      // keys of its own
	formEntries      // a list of entries
)

// field is a key of a section.
type field struct {
	index    int // in its struct
	key      string
	at       string // path of the schema
	item     *Item  // nil of a section
	form     form
	optional bool  // a section that need not be there
	below    shape // of a section, or of an entry
	initial  reflect.Value
}

var root = sync.OnceValue(func() shape { return shapeOf("", reflect.TypeFor[Node]()) })

func shapeOf(at string, t reflect.Type) shape {
	var s shape
	for i := range t.NumField() {
		key := keyOf(t.Field(i))
		if key == "" {
			continue
		}
		f := field{index: i, key: key, at: join(at, key), item: declared().byPath[join(at, key)]}
		ft := t.Field(i).Type
		if f.optional = ft.Kind() == reflect.Pointer && !isScalar(ft); f.optional {
			ft = ft.Elem()
		}
		switch {
		case isEntries(ft):
			f.form, f.below = formEntries, shapeOf(f.at+"[]", ft.Elem())
		case ft.Kind() == reflect.Struct && !isScalar(ft):
			f.form, f.below = formSection, shapeOf(f.at, ft)
		case ft.Kind() == reflect.Slice:
			f.form = formValues
		default:
			f.initial = initialOf(f.item, ft)
		}
		s = append(s, f)
	}
	return s
}

// initialOf returns the value that a key has when nobody sets it.
func initialOf(item *Item, t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	if item != nil && item.Default != "" {
		if err := setValue(item.Kind, item.Default, v); err != nil {
			panic("config: the default of " + item.Path + ": " + err.Error())
		}
	}
	return v
}

// sections are the keys of all sections and entries by their types, delivered the entries as they are when they are made,
// by the paths of their lists. Both are made once, for trees are made of ten thousands of values.
var (
	sections = sync.OnceValue(func() map[reflect.Type]map[string][]int {
		all := map[reflect.Type]map[string][]int{}
		eachSection("", reflect.TypeFor[Node](), func(_ string, t reflect.Type) { all[t] = tagsOf(t) })
		return all
	})
	delivered = sync.OnceValue(func() map[string]reflect.Value {
		all := map[string]reflect.Value{}
		eachSection("", reflect.TypeFor[Node](), func(at string, t reflect.Type) {
			if list, ok := strings.CutSuffix(at, "[]"); ok {
				e := reflect.New(t).Elem()
				setDefaults(at, e)
				all[list] = e
			}
		})
		return all
	})
)

// eachSection visits the type of each section and entry, with its path in the schema.
func eachSection(at string, t reflect.Type, visit func(at string, t reflect.Type)) {
	visit(at, t)
	for i := range t.NumField() {
		key, ft := keyOf(t.Field(i)), t.Field(i).Type
		if key == "" {
			continue
		}
		if ft.Kind() == reflect.Pointer && !isScalar(ft) {
			ft = ft.Elem()
		}
		switch {
		case isEntries(ft):
			eachSection(join(at, key)+"[]", ft.Elem(), visit)
		case ft.Kind() == reflect.Struct && !isScalar(ft):
			eachSection(join(at, key), ft, visit)
		}
	}
}

// isInitial reports whether a value is what it is when nobody sets it.
func (f *field) isInitial(v reflect.Value) bool { return v.Equal(f.initial) }

// of returns the field's value in a section, and whether it is there.
func (f *field) of(section reflect.Value) (reflect.Value, bool) {
	v := section.Field(f.index)
	if !f.optional {
		return v, true
	}
	return v.Elem(), !v.IsNil()
}

// named returns the field of a key.
func (s shape) named(key string) *field {
	for i := range s {
		if s[i].key == key {
			return &s[i]
		}
	}
	return nil
}

// spot is a path that is written out only when somebody wants to read it.
type spot struct {
	up   *spot
	step string // zones, [3], [out]
	text string // once it was asked for
}

// String returns the path.
func (s *spot) String() string {
	switch {
	case s == nil:
		return ""
	case s.text != "":
	case s.up == nil:
		s.text = s.step
	case s.step[0] == '[':
		s.text = s.up.String() + s.step
	default:
		s.text = s.up.String() + "." + s.step
	}
	return s.text
}

// key returns the path of a key below.
func (s *spot) key(key string) string { return join(s.String(), key) }

// entryAt is the step to an entry by its index.
func entryAt(v reflect.Value) string { return "[" + strconv.Itoa(entryIndex(v)) + "]" }
