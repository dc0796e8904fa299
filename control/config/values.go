package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// Value is an item with what it is set to, as it is stored and sent: entries by
// index. A list of values has Texts.
type Value struct {
	Path  string   `json:"path"`
	Text  string   `json:"text,omitempty"`
	Texts []string `json:"texts,omitempty"`
	// Item is the declaration; it is not stored.
	Item *Item `json:"-"`
}

// Values returns what of a tree differs from the defaults, in the order of the
// schema, secrets in the clear. FromValues makes the same tree of them.
func Values(n *Node) []Value {
	var out []Value
	collect("", "", reflect.ValueOf(n).Elem(), &out, false)
	return out
}

// collect adds the values below v. all also takes those that are at their default:
// in sections that need not be there, so that they are there again.
func collect(path, declaredAt string, v reflect.Value, out *[]Value, all bool) {
	for i := range v.NumField() {
		key, f, always := keyOf(v.Type().Field(i)), v.Field(i), all
		if key == "" {
			continue
		}
		schemaAt := join(declaredAt, key)
		if f.Kind() == reflect.Pointer {
			if f.IsNil() {
				continue
			}
			f, always = f.Elem(), true
		}
		switch {
		case isEntries(f.Type()):
			for j := range f.Len() {
				e := f.Index(j)
				collect(join(path, key)+"["+strconv.Itoa(entryIndex(e))+"]", schemaAt+"[]", e, out, false)
			}
		case f.Kind() == reflect.Struct && !isScalar(f.Type()):
			collect(join(path, key), schemaAt, f, out, always)
		case f.Kind() == reflect.Slice:
			if f.Len() > 0 {
				*out = append(*out, Value{Path: join(path, key), Texts: texts(f), Item: declared().byPath[schemaAt]})
			}
		default:
			item := declared().byPath[schemaAt]
			if text := valueText(f); always || key == "name" || text != defaultText(item, f) {
				*out = append(*out, Value{Path: join(path, key), Text: text, Item: item})
			}
		}
	}
}

// defaultText is what valueText gives of a value that was not set.
func defaultText(item *Item, v reflect.Value) string {
	if item.Default != "" {
		return item.Default
	}
	return valueText(reflect.Zero(v.Type()))
}

func texts(list reflect.Value) []string {
	out := make([]string, list.Len())
	for i := range out {
		out[i] = valueText(list.Index(i))
	}
	return out
}

// FromValues makes a tree of values. What this version does not know or would not
// take is left out and returned as problems.
func FromValues(values []Value) (*Node, Problems) {
	n, problems := newNode(), Problems(nil)
	for _, v := range values {
		if err := n.put(v); err != nil {
			problems = append(problems, Problem{Path: v.Path, Text: err.Error(), Err: err})
		}
	}
	return n, problems
}

// put sets a value; entries and sections on the way are made.
func (n *Node) put(v Value) error {
	f, err := find(n, v.Path, true)
	if err != nil {
		return err
	}
	item := declared().byPath[f.at]
	switch {
	case item == nil || item.Type == TypeEntries:
		return fmt.Errorf("%w: %s is a section: name a key in it", ErrPath, f.shown)
	case f.v.Kind() == reflect.Slice:
		return f.putList(item, v)
	case v.Texts != nil:
		return fmt.Errorf("%s takes one value, not %d", f.shown, len(v.Texts))
	}
	return f.putText(item, v.Text)
}

func (f *finder) putText(item *Item, text string) error {
	if f.list.IsValid() && !isEntries(f.list.Type()) && text == "" {
		f.list.Set(without(f.list, f.position)) // an empty value of a list is none
		return nil
	}
	if item.Secret() && text == Hidden {
		if f.v.String() == "" {
			return fmt.Errorf("%s is hidden: write the secret", f.shown)
		}
		return nil // as it was shown: it stays
	}
	if text == "" && !item.Required {
		f.v.SetZero()
		if item.Default == "" {
			return nil
		}
		text = item.Default
	}
	if err := setValue(item.Kind, text, f.v); err != nil {
		if item.Secret() {
			return fmt.Errorf("%s cannot be this: %w", f.shown, err)
		}
		return fmt.Errorf("%s cannot be %q: %w", f.shown, text, err)
	}
	return nil
}

func (f *finder) putList(item *Item, v Value) error {
	list := v.Texts
	if list == nil && v.Text != "" {
		list = []string{v.Text}
	}
	if len(list) > item.Many {
		return fmt.Errorf("%s would have %d values: keep at most %d", f.shown, len(list), item.Many)
	}
	f.v.Set(reflect.MakeSlice(f.v.Type(), len(list), len(list)))
	for i, text := range list {
		e := finder{shown: fmt.Sprintf("%s[%d]", f.shown, i+1), v: f.v.Index(i)}
		if err := e.putText(item, text); err != nil {
			return err
		}
	}
	return nil
}

// without returns a list without the value at a place.
func without(list reflect.Value, place int) reflect.Value {
	out := reflect.MakeSlice(list.Type(), 0, list.Len())
	for _, i := range slices.DeleteFunc(positions(list), func(i int) bool { return i == place }) {
		out = reflect.Append(out, list.Index(i))
	}
	return out
}
