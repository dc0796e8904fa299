package message

import (
	"errors"
	"slices"
	"strings"
)

// Param is one parameter. Value is as it is written: a quoted string has its quotes.
type Param struct{ Name, Value string }

// Params are parameters in the order they are written; names are compared without case.
type Params []Param

// Get returns a parameter's value without quotes. One without a value is there, and empty.
func (p Params) Get(name string) (value string, ok bool) {
	for _, q := range p {
		if strings.EqualFold(q.Name, name) {
			return unquote(q.Value), true
		}
	}
	return "", false
}

// Has reports whether there is a parameter of that name.
func (p Params) Has(name string) bool {
	return slices.ContainsFunc(p, func(q Param) bool { return strings.EqualFold(q.Name, name) })
}

// With returns the parameters with that one set; p stays as it is. What is no token is
// quoted.
func (p Params) With(name, value string) Params {
	set := Param{name, quoteUnlessToken(value)}
	i := slices.IndexFunc(p, func(q Param) bool { return strings.EqualFold(q.Name, name) })
	with := make(Params, len(p), len(p)+1)
	copy(with, p)
	if i < 0 {
		return append(with, set)
	}
	with[i] = set
	return with
}

// Without returns the parameters without that one; p stays as it is.
func (p Params) Without(name string) Params {
	if !p.Has(name) {
		return p
	}
	return slices.DeleteFunc(slices.Clone(p), func(q Param) bool { return strings.EqualFold(q.Name, name) })
}

func (p Params) append(b []byte) []byte {
	for _, q := range p {
		b = append(append(b, ';'), q.Name...)
		if q.Value != "" {
			b = append(append(b, '='), q.Value...)
		}
	}
	return b
}

var errParams = errors.New("a parameter has no name, or text stands where none belongs")

// parseParams reads *( ; name [ = value ] ), with the white space that RFC 3261 section
// 25.1 lets stand around each. One semicolon at the end is forgiven.
func (r reading) params(s string) (params Params, err error) {
	s = trim(s)
	if s == "" {
		return nil, nil
	}
	if r == keep {
		params = make(Params, 0, strings.Count(s, ";"))
	}
	for some := false; s != ""; {
		if s[0] != ';' {
			return nil, errParams
		}
		s = s[1:]
		end := indexUnquoted(s, ';')
		one := s[:end]
		s = s[end:]
		if s == "" && trim(one) == "" && some {
			break
		}
		name, value, has := strings.Cut(one, "=")
		name, value = trim(name), trim(value)
		if name == "" || !isToken(name) || has && !isParamValue(value) {
			return nil, errParams
		}
		some = true
		if r == keep {
			params = append(params, Param{name, value})
		}
	}
	return params, nil
}

// isParamValue accepts a quoted string, or text without what would end a parameter.
func isParamValue(v string) bool {
	if v != "" && v[0] == '"' {
		return quotedEnd(v) == len(v)
	}
	for i := range len(v) {
		switch v[i] {
		case '"', ',', ';', '<', '>':
			return false
		}
	}
	return true
}
