package config

import "reflect"

// TakeLive returns a running tree with what of next may change while the node runs.
// Optional sections neither come nor go.
func TakeLive(running, next *Node) *Node {
	c := running.Clone()
	takeLive("", reflect.ValueOf(c).Elem(), reflect.ValueOf(next.Clone()).Elem())
	return c
}

func takeLive(path string, dst, src reflect.Value) {
	for i := range dst.NumField() {
		at := join(path, keyOf(dst.Type().Field(i)))
		d, s := dst.Field(i), src.Field(i)
		if d.Kind() == reflect.Pointer {
			if d.IsNil() || s.IsNil() {
				continue
			}
			d, s = d.Elem(), s.Elem()
		}
		switch item := declared().byPath[at]; {
		case item == nil:
			takeLive(at, d, s)
		case item.Live():
			d.Set(s)
		}
	}
}
