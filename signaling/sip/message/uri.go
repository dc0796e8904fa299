package message

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// URI is a SIP or SIPS URI (RFC 3261 section 19.1.1), or another one, of which only scheme
// and Opaque are known. Text is as it is written, with its escapes.
type URI struct {
	Scheme   string // in lower case
	User     string
	Password string
	Host     string // an IPv6 address without brackets
	Port     uint16 // 0: none
	Params   Params
	Headers  string // what follows the question mark
	Opaque   string // what follows the colon of another scheme
}

// SIP reports whether it is a SIP or a SIPS URI.
func (u URI) SIP() bool { return u.Scheme == "sip" || u.Scheme == "sips" }

// IP returns the host where it is an address.
func (u URI) IP() (netip.Addr, bool) {
	a, err := netip.ParseAddr(u.Host)
	return a, err == nil
}

// String returns the URI as it is written.
func (u URI) String() string { return string(u.append(make([]byte, 0, 64))) }

func (u URI) append(b []byte) []byte {
	b = append(append(b, u.Scheme...), ':')
	if !u.SIP() {
		return append(b, u.Opaque...)
	}
	if u.User != "" {
		b = append(b, u.User...)
		if u.Password != "" {
			b = append(append(b, ':'), u.Password...)
		}
		b = append(b, '@')
	}
	b = u.Params.append(appendHostPort(b, u.Host, u.Port))
	if u.Headers != "" {
		b = append(append(b, '?'), u.Headers...)
	}
	return b
}

var (
	errURI    = errors.New("want scheme:user@host:port;parameters?headers without white space")
	errScheme = errors.New("want a scheme and a colon in front")
	errUser   = errors.New("there is no user in front of the @, or one with characters that have to be escaped")
)

// ParseURI reads a URI.
func ParseURI(s string) (URI, error) {
	u, err := keep.uri(s)
	if err != nil {
		return URI{}, fmt.Errorf("parse URI: %w", err)
	}
	return u, nil
}

func (r reading) uri(s string) (u URI, err error) {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '<' || c == '>' || c == '"' || c == 0x7f {
			return u, errURI
		}
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isScheme(scheme) {
		return u, errScheme
	}
	u.Scheme = strings.ToLower(scheme)
	if !u.SIP() {
		u.Opaque = rest
		if rest == "" {
			return u, errURI
		}
		return u, nil
	}
	// The user part may have semicolons and question marks, but no @ (RFC 3261 section 25.1);
	// neither may what follows it.
	if at := strings.IndexByte(rest, '@'); at >= 0 {
		u.User, u.Password, _ = strings.Cut(rest[:at], ":")
		rest = rest[at+1:]
		if u.User == "" || strings.IndexByte(rest, '@') >= 0 || strings.IndexByte(u.Password, ':') >= 0 || !escapesWhole(u.User) {
			return u, errUser
		}
	}
	rest, u.Headers, _ = strings.Cut(rest, "?")
	end := strings.IndexByte(rest, ';')
	if end < 0 {
		end = len(rest)
	}
	if u.Host, u.Port, err = parseHostPort(rest[:end]); err != nil {
		return u, err
	}
	u.Params, err = r.uriParams(rest[end:])
	return u, err
}

// isScheme accepts the schemes of RFC 3986 section 3.1.
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !('0' <= s[i] && s[i] <= '9' || s[i] == '+' || s[i] == '-' || s[i] == '.')) {
			return false
		}
	}
	return s != ""
}

// escapesWhole reports whether each % is followed by two hexadecimal digits.
func escapesWhole(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && (i+2 >= len(s) || hexDigit(s[i+1]) < 0 || hexDigit(s[i+2]) < 0) {
			return false
		}
	}
	return true
}

// uriParams reads the parameters of a URI: other characters than in a header field,
// and no white space or quotes (RFC 3261 section 25.1).
func (r reading) uriParams(s string) (params Params, err error) {
	if s == "" {
		return nil, nil
	}
	if r == keep {
		params = make(Params, 0, strings.Count(s, ";"))
	}
	for some := false; s != ""; {
		var one string
		one, s, _ = strings.Cut(s[1:], ";")
		if s != "" {
			s = ";" + s
		}
		name, value, _ := strings.Cut(one, "=")
		if name == "" {
			if s == "" && some {
				break // one semicolon at the end is forgiven
			}
			return nil, errParams
		}
		some = true
		if r == keep {
			params = append(params, Param{name, value})
		}
	}
	return params, nil
}
