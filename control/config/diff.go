package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
)

// Change is a key whose value differs between two node files.
type Change struct {
	Path string `json:"path"`
	// From and To are the values as written, secrets hidden.
	From string `json:"from"`
	To   string `json:"to"`
	// Live: a reload applies it; otherwise the node must be started again.
	Live bool `json:"live"`
}

// Diff returns what differs between two node files, in the order of the schema.
func Diff(from, to *Node) []Change {
	old, now := flatten(from), flatten(to)
	var changes []Change
	for _, item := range Schema() {
		for _, path := range pathsOf(item.Path, old, now) {
			if old[path] != now[path] {
				changes = append(changes, Change{
					Path: path, From: old[path].shown, To: now[path].shown, Live: item.Live,
				})
			}
		}
	}
	return changes
}

// value is a key's value, and how it may be shown.
type value struct{ text, shown string }

var index = regexp.MustCompile(`\[.*\]`)

// pathsOf returns the paths in either file that an item of the schema covers.
func pathsOf(item string, files ...map[string]value) []string {
	var paths []string
	for _, f := range files {
		for path := range f {
			if index.ReplaceAllString(path, "[]") == item {
				paths = append(paths, path)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

func flatten(n *Node) map[string]value {
	out := map[string]value{}
	walk("", reflect.ValueOf(n).Elem(), out)
	return out
}

// walk collects the values below v. Users go by name, not by place in the list.
func walk(path string, v reflect.Value, out map[string]value) {
	switch {
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			walk(path, v.Elem(), out)
		}
	case v.Type() == reflect.TypeFor[[]User]():
		for _, u := range v.Interface().([]User) {
			key := fmt.Sprintf("%s[%s].", path, u.Name)
			out[key+"name"] = value{u.Name, u.Name}
			out[key+"password"] = value{string(u.Password), u.Password.String()}
		}
	case v.Type() == reflect.TypeFor[[]Secret]():
		var all string
		for _, s := range v.Interface().([]Secret) {
			all += fmt.Sprintf("%q ", string(s))
		}
		out[path] = value{all, fmt.Sprint(v.Interface())}
	case v.Kind() == reflect.Struct && v.Type().PkgPath() == reflect.TypeFor[Node]().PkgPath() && !isText(v):
		for i := range v.NumField() {
			walk(join(path, v.Type().Field(i).Tag.Get("yaml")), v.Field(i), out)
		}
	default:
		text := fmt.Sprint(v.Interface())
		out[path] = value{text, text}
	}
}

// isText reports whether v is written as one word.
func isText(v reflect.Value) bool {
	_, ok := v.Interface().(fmt.Stringer)
	return ok
}
