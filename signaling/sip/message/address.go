package message

import (
	"errors"
	"strings"
)

// Address is a name-addr or an addr-spec with the header field's parameters (RFC 3261
// section 20.10).
type Address struct {
	Name   string // display name, without quotes
	URI    URI
	Params Params // of the header field, not of the URI
	Star   bool   // "*" of a Contact that removes all (RFC 3261 section 10.2.2)
}

// Tag returns the tag parameter (RFC 3261 section 19.3).
func (a Address) Tag() string {
	tag, _ := a.Params.Get("tag")
	return tag
}

// WithTag returns the address with that tag; empty: without one.
func (a Address) WithTag(tag string) Address {
	if tag == "" {
		a.Params = a.Params.Without("tag")
	} else {
		a.Params = a.Params.With("tag", tag)
	}
	return a
}

// String returns the address as a header field writes it.
func (a Address) String() string {
	if a.Star {
		return "*"
	}
	b := make([]byte, 0, 96)
	if a.Name != "" {
		b = append(appendQuoted(b, a.Name), ' ')
	}
	b = append(b, '<')
	b = append(a.URI.append(b), '>')
	return string(a.Params.append(b))
}

var (
	errNoAddress   = errors.New("an address is missing")
	errDisplayName = errors.New("a display name has to be quoted, or its quotes do not end")
	errBrackets    = errors.New("an address needs angle brackets around its URI")
)

// ParseAddress reads one address.
func ParseAddress(s string) (Address, error) { return keep.address(s) }

func (r reading) address(s string) (Address, error) {
	s = trim(s)
	switch s {
	case "":
		return Address{}, errNoAddress
	case "*":
		return Address{Star: true}, nil
	}
	name, rest, err := cutDisplayName(s)
	if err != nil {
		return Address{}, err
	}
	if rest == "" || rest[0] != '<' {
		return r.bareAddress(s)
	}
	end := strings.IndexByte(rest, '>')
	if end < 0 {
		return Address{}, errBrackets
	}
	a := Address{Name: name}
	if a.URI, err = r.uri(rest[1:end]); err != nil {
		return Address{}, err
	}
	a.Params, err = r.params(rest[end+1:])
	return a, err
}

// cutDisplayName takes the name in front of the bracket. Without quotes it may not have
// what separates addresses; everything else is taken as it comes.
func cutDisplayName(s string) (name, rest string, err error) {
	if s[0] == '"' {
		end := quotedEnd(s)
		if end < 0 {
			return "", "", errDisplayName
		}
		rest = trimLeft(s[end:])
		if rest == "" || rest[0] != '<' {
			return "", "", errBrackets
		}
		return unquote(s[:end]), rest, nil
	}
	open := strings.IndexByte(s, '<')
	if open < 0 {
		return "", "", nil
	}
	if strings.ContainsAny(s[:open], "\",;:>@") {
		if strings.IndexByte(s[:open], ';') >= 0 {
			return "", "", nil // a bracket in a parameter of a bare address
		}
		return "", "", errDisplayName
	}
	return trimRight(s[:open]), s[open:], nil
}

// bareAddress reads an addr-spec without brackets: what follows the first semicolon are
// the header field's parameters, and the URI may have neither comma nor question mark (RFC
// 3261 section 20).
func (r reading) bareAddress(s string) (a Address, err error) {
	end := strings.IndexByte(s, ';')
	if end < 0 {
		end = len(s)
	}
	text := trimRight(s[:end])
	if strings.ContainsAny(text, ",?\"") {
		return Address{}, errBrackets
	}
	if a.URI, err = r.uri(text); err != nil {
		return Address{}, err
	}
	a.Params, err = r.params(s[end:])
	return a, err
}
