package digest

import (
	"strconv"
	"strings"
)

// MaxHeader bounds a header field that is looked at.
const MaxHeader = 4096

// Credentials are an Authorization or Proxy-Authorization header field.
type Credentials struct {
	User, Realm, Nonce, URI, Response, CNonce, Opaque string

	Algorithm Algorithm
	Count     uint32 // nc

	count string // as it is written: it goes into the hash
}

// ParseCredentials reads a header field. Credentials without qop=auth are refused: they
// could be sent again by whoever has seen them.
func ParseCredentials(value string) (Credentials, error) {
	c := Credentials{Algorithm: MD5}
	qop := ""
	err := parameters(value, func(name, v string) bool {
		switch name {
		case "username":
			c.User = v
		case "realm":
			c.Realm = v
		case "nonce":
			c.Nonce = v
		case "uri":
			c.URI = v
		case "response":
			c.Response = v
		case "cnonce":
			c.CNonce = v
		case "opaque":
			c.Opaque = v
		case "nc":
			c.count = v
		case "qop":
			qop = v
		case "algorithm":
			return c.Algorithm.read(v)
		}
		return true
	})
	if err != nil {
		return Credentials{}, err
	}
	n, err := strconv.ParseUint(c.count, 16, 32)
	if err != nil || len(c.count) != 8 || n == 0 || !strings.EqualFold(qop, "auth") ||
		c.User == "" || c.Nonce == "" || c.URI == "" || c.CNonce == "" {
		return Credentials{}, ErrSyntax
	}
	c.Count = uint32(n)
	return c, nil
}

func (a *Algorithm) read(v string) bool {
	switch {
	case strings.EqualFold(v, string(MD5)):
		*a = MD5
	case strings.EqualFold(v, string(SHA256)):
		*a = SHA256
	default:
		return false
	}
	return true
}

// parameters calls each for the parameters behind "Digest", names in lower case. A name
// that is there twice, and one that each refuses, is an error.
func parameters(value string, each func(name, value string) bool) error {
	if len(value) > MaxHeader {
		return ErrSyntax
	}
	scheme, rest, ok := strings.Cut(strings.TrimLeft(value, " \t"), " ")
	if !ok || !strings.EqualFold(scheme, "Digest") {
		return ErrSyntax
	}
	var seen [24]string
	for n := 0; ; n++ {
		var name, v string
		if name, v, rest, ok = parameter(rest); !ok || n == len(seen) {
			return ErrSyntax
		}
		for _, s := range seen[:n] {
			if s == name {
				return ErrSyntax
			}
		}
		seen[n] = name
		if !each(name, v) {
			return ErrSyntax
		}
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return nil
		}
		if rest[0] != ',' {
			return ErrSyntax
		}
		rest = rest[1:]
	}
}

// parameter reads name=token or name="text".
func parameter(s string) (name, value, rest string, ok bool) {
	name, s, ok = strings.Cut(s, "=")
	name = strings.ToLower(strings.Trim(name, " \t"))
	if !ok || name == "" || strings.ContainsAny(name, " \t,\"\r\n") {
		return "", "", "", false
	}
	s = strings.TrimLeft(s, " \t")
	if strings.HasPrefix(s, `"`) {
		value, rest, ok = quoted(s[1:])
		return name, value, rest, ok
	}
	end := strings.IndexAny(s, ", \t")
	if end < 0 {
		end = len(s)
	}
	value = s[:end]
	return name, value, s[end:], value != "" && !strings.ContainsAny(value, "\"\r\n")
}

// quoted reads up to the closing quote.
func quoted(s string) (value, rest string, ok bool) {
	end := strings.IndexAny(s, `"\`)
	if end >= 0 && s[end] == '"' {
		return s[:end], s[end+1:], true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// quote writes a text between quotes.
func quote(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}
