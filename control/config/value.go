package config

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
)

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// isScalar reports whether a type is written as one value.
func isScalar(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Pointer:
		return false
	default:
		return true
	}
}

// isEntries reports whether a type is a list of entries.
func isEntries(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && !isScalar(t.Elem())
}

// setValue reads one value into v; the error says what to write instead.
func setValue(k Kind, s string, v reflect.Value) error {
	if err := k.accept(s); err != nil {
		return err
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return readable(u.UnmarshalText([]byte(s)), v.Type())
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Int:
		n, err := strconv.ParseInt(s, 10, 64)
		v.SetInt(n)
		return err
	case reflect.Uint16, reflect.Uint32:
		n, err := strconv.ParseUint(s, 10, v.Type().Bits())
		v.SetUint(n)
		return err
	default:
		panic("config: no way to read a " + v.Type().String())
	}
	return nil
}

// readable turns errors of the standard library into what to write.
func readable(err error, t reflect.Type) error {
	if err != nil && t.PkgPath() == "net/netip" {
		return fmt.Errorf("want an IP address, for example 192.0.2.1")
	}
	return err
}

// valueText is what setValue would read v from. A secret is told.
func valueText(v reflect.Value) string {
	switch v.Kind() { // the frequent ones, without an interface
	case reflect.String:
		return v.String()
	case reflect.Int:
		return strconv.FormatInt(v.Int(), 10)
	}
	switch x := v.Interface().(type) {
	case netip.Addr:
		if !x.IsValid() {
			return ""
		}
		return x.String()
	case fmt.Stringer:
		return x.String()
	default:
		return fmt.Sprint(x)
	}
}

// newNode returns a tree with the defaults of the schema and empty lists.
func newNode() *Node {
	n := new(Node)
	setDefaults("", reflect.ValueOf(n).Elem())
	return n
}

// setDefaults fills what the schema has defaults for below v, which stands at a
// path of the schema. Optional sections and lists stay as they are.
func setDefaults(path string, v reflect.Value) {
	for i := range v.NumField() {
		key, f := keyOf(v.Type().Field(i)), v.Field(i)
		if key == "" {
			continue
		}
		at := join(path, key)
		switch {
		case isScalar(f.Type()):
			if item := declared().byPath[at]; item != nil && item.Default != "" {
				if err := setValue(item.Kind, item.Default, f); err != nil {
					panic("config: the default of " + at + ": " + err.Error())
				}
			}
		case f.Kind() == reflect.Struct:
			setDefaults(at, f)
		}
	}
}

// keyOf returns the key that fills a field; empty when none does.
func keyOf(f reflect.StructField) string {
	if key := f.Tag.Get("yaml"); key != "-" {
		return key
	}
	return ""
}
