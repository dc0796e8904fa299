package config

import (
	"fmt"
	"reflect"
)

// Verb is what an operation does.
type Verb string

// Verbs.
const (
	// Set gives an item a value. Entries that a path names and that are not there are
	// made; one that is addressed by index must be there.
	Set Verb = "set"
	// Add makes an entry in the list at the path; its name is the value. One of that
	// name must not be there.
	Add Verb = "add"
	// Delete takes an entry or an optional section away, or gives an item its default.
	Delete Verb = "delete"
)

// Operation is one step of a change.
type Operation struct {
	Verb  Verb     `json:"verb"`
	Path  string   `json:"path"`
	Text  string   `json:"text,omitempty"`
	Texts []string `json:"texts,omitempty"` // of a list of values
}

// Apply returns the tree that operations make of n. n stays as it is. The whole is
// checked at the end, so operations may pass through states that would be wrong.
func Apply(n *Node, operations []Operation) (*Node, error) {
	next := n.Clone()
	var problems Problems
	for _, op := range operations {
		if err := next.apply(op); err != nil {
			problems = append(problems, Problem{Path: op.Path, Text: err.Error(), Err: err})
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	addLinks(n, next)
	if err := Check(next); err != nil {
		return nil, err
	}
	return next, nil
}

func (n *Node) apply(op Operation) error {
	switch op.Verb {
	case Set:
		if err := n.indicesExist(op.Path); err != nil {
			return err
		}
		return n.put(Value{Path: op.Path, Text: op.Text, Texts: op.Texts})
	case Add:
		return n.add(op.Path, op.Text)
	case Delete:
		return n.remove(op.Path)
	default:
		return fmt.Errorf("no operation %q: want set, add or delete", op.Verb)
	}
}

// indicesExist keeps a set from making an entry that has no name.
func (n *Node) indicesExist(path string) error {
	steps, err := parsePath(path)
	if err != nil {
		return err
	}
	f := &finder{v: reflect.ValueOf(n).Elem()}
	for _, s := range steps {
		if s.key != "" {
			err = f.key(s.key)
		} else if !isEntries(f.v.Type()) {
			return nil // the value behind the last is made
		} else if err = f.entry(s); err != nil && s.name != "" {
			return nil
		}
		if err != nil || f.v.Kind() == reflect.Pointer {
			return err
		}
	}
	return nil
}

func (n *Node) add(path, name string) error {
	f, err := find(n, path, true)
	if err != nil {
		return err
	}
	item := declared().byPath[f.at]
	if item == nil || item.Type != TypeEntries {
		return fmt.Errorf("%w: %s is no list of entries", ErrPath, f.shown)
	}
	for i := range f.v.Len() {
		if entryName(f.v.Index(i)) == name {
			return fmt.Errorf("%s has %s %s already", f.shown, item.Entry, name)
		}
	}
	if f.v.Len() >= item.Many {
		return fmt.Errorf("%s is full: it holds %d", f.shown, item.Many)
	}
	if key := declared().byPath[f.at+"[].name"]; key.accept(name) != nil {
		return fmt.Errorf("a name cannot be %q: %w", name, key.accept(name))
	}
	addEntry(f.v, f.at, step{name: name})
	return nil
}

func (n *Node) remove(path string) error {
	f, err := find(n, path, false)
	if err != nil {
		return err
	}
	switch item := declared().byPath[f.at]; {
	case f.v.Kind() == reflect.Pointer: // it is not there
		return nil
	case f.list.IsValid():
		f.list.Set(without(f.list, f.position))
		return nil
	case item != nil && f.v.Kind() == reflect.Slice:
		f.v.Set(reflect.Zero(f.v.Type()))
		return nil
	case item != nil:
		f.v.SetZero()
		if item.Default == "" {
			return nil
		}
		return setValue(item.Kind, item.Default, f.v)
	}
	return n.removeSection(path, f)
}

// removeSection takes an optional section away, or empties one that is always there.
func (n *Node) removeSection(path string, f *finder) error {
	parent, key := reflect.ValueOf(n).Elem(), path
	if i := lastDot(path); i >= 0 {
		above, err := find(n, path[:i], false)
		if err != nil {
			return err
		}
		parent, key = above.v, path[i+1:]
	}
	field := parent.FieldByIndex(fieldsOf(parent.Type())[key])
	field.SetZero()
	if field.Kind() == reflect.Struct {
		setDefaults(f.at, field)
	}
	return nil
}

func lastDot(path string) int {
	for i := len(path) - 1; i >= 0 && path[i] != ']'; i-- {
		if path[i] == '.' {
			return i
		}
	}
	return -1
}

// Check reports what in a tree cannot work, as Problems.
func Check(n *Node) error {
	b := &binder{}
	check(b, n)
	if len(b.problems) > 0 {
		return b.problems
	}
	return nil
}
