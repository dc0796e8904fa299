package config

import (
	"fmt"
	"net/netip"
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
	changed := map[string][]string{} // paths by item
	for path := range old {
		if old[path] != now[path] {
			changed[itemOf(path)] = append(changed[itemOf(path)], path)
		}
	}
	for path := range now {
		if _, both := old[path]; !both && now[path] != (value{}) {
			changed[itemOf(path)] = append(changed[itemOf(path)], path)
		}
	}
	var changes []Change
	for _, item := range Schema() {
		paths := changed[item.Path]
		slices.Sort(paths)
		for _, path := range paths {
			changes = append(changes, Change{
				Path: path, From: old[path].shown, To: now[path].shown, Live: item.Live,
			})
		}
	}
	return changes
}

// value is a key's value, and how it may be shown.
type value struct{ text, shown string }

var index = regexp.MustCompile(`\[.*\]`)

// itemOf returns the path of the schema that covers a path of a file.
func itemOf(path string) string { return index.ReplaceAllString(path, "[]") }

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
	case v.Type() == reflect.TypeFor[netip.Addr]() && v.IsZero():
		out[path] = value{}
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
