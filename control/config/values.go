package config

import (
	"fmt"
	"reflect"
	"slices"
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
	out := make([]Value, 0, valuesOf(n))
	collect(nil, root(), reflect.ValueOf(n).Elem(), &out, false)
	return out
}

// valuesOf guesses how many values there are.
func valuesOf(n *Node) int {
	const each, beside = 6, 128
	return beside + each*(len(n.Zones)+len(n.SearchRules)+len(n.Transforms)+len(n.MembershipRules)+len(n.Accounts))
}

// collect adds the values below v. all also takes those that are at their default:
// in sections that need not be there, so that they are there again.
func collect(path *spot, s shape, v reflect.Value, out *[]Value, all bool) {
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
				e := fv.Index(j)
				collect(&spot{up: list, step: entryAt(e)}, f.below, e, out, false)
			}
		case formSection:
			collect(&spot{up: path, step: f.key}, f.below, fv, out, all || f.optional)
		case formValues:
			if fv.Len() > 0 {
				*out = append(*out, Value{Path: path.key(f.key), Texts: texts(fv), Item: f.item})
			}
		default:
			if all || f.key == "name" || !f.isInitial(fv) {
				*out = append(*out, Value{Path: path.key(f.key), Text: valueText(fv), Item: f.item})
			}
		}
	}
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
