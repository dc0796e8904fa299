package config

import (
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

// step is one word of a path: a key, or an entry of a list by index or by name.
type step struct {
	key   string
	name  string
	index int
}

// ErrPath is what an error about a path that leads nowhere is.
var ErrPath = errors.New("no such item")

// ErrNoEntry is what an error about an entry of a list that is not there is, too.
var ErrNoEntry = fmt.Errorf("%w", ErrPath)

// maxPath bounds a path; names in it are at most 508 bytes, quoted four times that.
const maxPath = 4096

// parsePath splits zones[out].sip.port, zones[3].name or turn.users["1 a"].password.
func parsePath(path string) ([]step, error) {
	var steps []step
	if path == "" || len(path) > maxPath {
		return nil, fmt.Errorf("%w: a path has 1 to %d bytes", ErrPath, maxPath)
	}
	for rest := path; rest != ""; {
		if rest[0] == '[' {
			s, n, err := parseEntry(rest)
			if err != nil {
				return nil, fmt.Errorf("%w: %s: %w", ErrPath, path, err)
			}
			steps, rest = append(steps, s), rest[n:]
			continue
		}
		if len(steps) > 0 {
			if rest[0] != '.' {
				return nil, fmt.Errorf("%w: %s: write a dot before %q", ErrPath, path, rest)
			}
			rest = rest[1:]
		}
		n := strings.IndexAny(rest, ".[")
		if n < 0 {
			n = len(rest)
		}
		if n == 0 {
			return nil, fmt.Errorf("%w: %s: a key is empty", ErrPath, path)
		}
		steps, rest = append(steps, step{key: rest[:n]}), rest[n:]
	}
	return steps, nil
}

// parseEntry reads [3], [name] or ["any name"] and returns its length.
func parseEntry(s string) (step, int, error) {
	if quoted, err := strconv.QuotedPrefix(s[1:]); err == nil && s[1] == '"' {
		end := 1 + len(quoted)
		if end >= len(s) || s[end] != ']' {
			return step{}, 0, errors.New("write ] behind the name")
		}
		name, err := strconv.Unquote(quoted)
		return step{name: name}, end + 1, err
	}
	end := strings.IndexByte(s, ']')
	if end < 2 {
		return step{}, 0, errors.New("write an index or a name in brackets, for example [1]")
	}
	word := s[1:end]
	if n, err := strconv.Atoi(word); err == nil {
		return step{index: n}, end + 1, nil
	}
	return step{name: word}, end + 1, nil
}

// finder walks a path down a tree.
type finder struct {
	create   bool   // what is not there on the way is made
	at       string // where it is, as the schema has it
	shown    string // and as an operator reads it
	v        reflect.Value
	list     reflect.Value // the list that v is an entry or a value of
	position int           // its place in it
	indices  []int         // of the entries and values on the way
}

// find returns what stands at a path of n.
func find(n *Node, path string, create bool) (*finder, error) {
	steps, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	f := &finder{create: create, v: reflect.ValueOf(n).Elem()}
	for _, s := range steps {
		if s.key != "" {
			err = f.key(s.key)
		} else {
			err = f.entry(s)
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *finder) key(name string) error {
	if f.v.Kind() != reflect.Struct || isScalar(f.v.Type()) {
		return fmt.Errorf("%w: %s has no keys below it", ErrPath, f.shown)
	}
	fields := fieldsOf(f.v.Type())
	i, ok := fields[name]
	if !ok {
		known := keysBelow(f.at)
		hint := "known are " + strings.Join(known, ", ")
		if near := Nearest(name, known); near != "" {
			hint = fmt.Sprintf("did you mean %s?", join(f.shown, near))
		}
		return fmt.Errorf("%w: %s: %s", ErrPath, join(f.shown, name), hint)
	}
	f.at, f.shown = join(f.at, name), join(f.shown, name)
	f.v, f.list = f.v.FieldByIndex(i), reflect.Value{}
	if f.v.Kind() != reflect.Pointer {
		return nil
	}
	if f.v.IsNil() {
		if !f.create {
			return nil
		}
		f.v.Set(reflect.New(f.v.Type().Elem()))
		setDefaults(f.at, f.v.Elem())
	}
	f.v = f.v.Elem()
	return nil
}

func (f *finder) entry(s step) error {
	if f.v.Kind() != reflect.Slice || isScalar(f.v.Type()) {
		return fmt.Errorf("%w: %s is no list", ErrPath, f.shown)
	}
	item := declared().byPath[f.at]
	if s.name == "" && (s.index < 1 || s.index > item.Many) {
		return fmt.Errorf("%w: %s has indices from 1 to %d", ErrPath, f.shown, item.Many)
	}
	list := f.v
	if !isEntries(list.Type()) {
		return f.element(list, s)
	}
	i, there := placeOf(list, s)
	if !there {
		if !f.create {
			return fmt.Errorf("%w: %s has no %s %s", ErrNoEntry, f.shown, item.Entry, s)
		}
		i = addEntry(list, f.at, s)
	}
	f.list, f.position, f.v = list, i, list.Index(i)
	f.indices = append(f.indices, entryIndex(f.v))
	f.at += "[]"
	f.shown += entryStep(f.v)
	return nil
}

// placeOf returns where an entry stands, and whether it is there. Entries are in the order of their indices.
func placeOf(list reflect.Value, s step) (place int, there bool) {
	if s.name == "" {
		return sort.Find(list.Len(), func(i int) int { return s.index - entryIndex(list.Index(i)) })
	}
	for i := range list.Len() {
		if entryName(list.Index(i)) == s.name {
			return i, true
		}
	}
	return 0, false
}

// element finds a value of a list of values; the one behind the last is made.
func (f *finder) element(list reflect.Value, s step) error {
	if s.name != "" {
		return fmt.Errorf("%w: the values of %s have no names: write an index", ErrPath, f.shown)
	}
	if s.index > list.Len()+1 || s.index > list.Len() && !f.create {
		return fmt.Errorf("%w: %s has %d values", ErrPath, f.shown, list.Len())
	}
	if s.index > list.Len() {
		list.Set(reflect.Append(list, reflect.Zero(list.Type().Elem())))
	}
	f.list, f.position, f.v = list, s.index-1, list.Index(s.index-1)
	f.indices = append(f.indices, s.index)
	f.shown += fmt.Sprintf("[%d]", s.index)
	return nil
}

// String returns the step as it was written.
func (s step) String() string {
	if s.name == "" {
		return strconv.Itoa(s.index)
	}
	return s.name
}

func positions(list reflect.Value) []int {
	all := make([]int, list.Len())
	for i := range all {
		all[i] = i
	}
	return all
}

// addEntry puts a new entry into a list, kept in the order of indices, and returns
// its place. A step by name gets the lowest index that is free.
func addEntry(list reflect.Value, path string, s step) int {
	index, place := s.index, 0
	if index == 0 {
		for index = 1; place < list.Len() && entryIndex(list.Index(place)) == index; place++ {
			index++
		}
	} else {
		place, _ = placeOf(list, step{index: index})
	}
	e := reflect.New(list.Type().Elem()).Elem()
	e.Set(delivered()[path])
	e.FieldByName("Index").SetInt(int64(index))
	e.FieldByName("Name").SetString(s.name)
	list.Set(reflect.Append(list, e))
	reflect.Copy(list.Slice(place+1, list.Len()), list.Slice(place, list.Len()-1))
	list.Index(place).Set(e)
	return place
}
