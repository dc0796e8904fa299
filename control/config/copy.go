package config

import "reflect"

// Clone returns a copy that shares nothing with n.
func (n *Node) Clone() *Node {
	c := *n
	detach(reflect.ValueOf(&c).Elem())
	return &c
}

// detach gives v its own copies of what it points to.
func detach(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		p := reflect.New(v.Type().Elem())
		p.Elem().Set(v.Elem())
		v.Set(p)
		detach(p.Elem())
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		s := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(s, v)
		v.Set(s)
		if !isScalar(v.Type().Elem()) {
			for i := range s.Len() {
				detach(s.Index(i))
			}
		}
	case reflect.Struct:
		if isScalar(v.Type()) {
			return
		}
		for i := range v.NumField() {
			detach(v.Field(i))
		}
	}
}
