package config

import "reflect"

// prune returns copies of two trees without the sections and entries that are the
// same in both: most of a large tree is, and comparing is cheaper than writing out.
func prune(old, now *Node) (o, n *Node) {
	a, b := *old, *now
	va, vb := reflect.ValueOf(&a).Elem(), reflect.ValueOf(&b).Elem()
	for i := range va.NumField() {
		fa, fb := va.Field(i), vb.Field(i)
		switch {
		case reflect.DeepEqual(fa.Interface(), fb.Interface()):
			fa.SetZero()
			fb.SetZero()
		case isEntries(fa.Type()):
			la, lb := unlike(fa, fb), unlike(fb, fa)
			fa.Set(la)
			fb.Set(lb)
		}
	}
	return &a, &b
}

// unlike returns the entries of a list that are not just so in the other.
func unlike(list, other reflect.Value) reflect.Value {
	there := make(map[string]reflect.Value, other.Len())
	for i := range other.Len() {
		there[entryName(other.Index(i))] = other.Index(i)
	}
	out := reflect.MakeSlice(list.Type(), 0, 0)
	for i := range list.Len() {
		e := list.Index(i)
		if o, ok := there[entryName(e)]; !ok || !reflect.DeepEqual(e.Interface(), o.Interface()) {
			out = reflect.Append(out, e)
		}
	}
	return out
}
