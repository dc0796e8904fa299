package message

import (
	"slices"
	"strings"
)

// Equal compares by RFC 3261 section 19.1.4: escapes are what they stand for, user and
// password with case, everything else without; a port or one of the parameters user, ttl,
// method, maddr and transport that only one has makes them different.
func (u URI) Equal(v URI) bool {
	if u.Scheme != v.Scheme {
		return false
	}
	if !u.SIP() {
		return u.Opaque == v.Opaque
	}
	return unescape(u.User) == unescape(v.User) && unescape(u.Password) == unescape(v.Password) &&
		sameHost(u.Host, v.Host) && u.Port == v.Port && sameParams(u.Params, v.Params) && sameHeaders(u.Headers, v.Headers)
}

func sameHost(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	x, ok1 := URI{Host: a}.IP()
	y, ok2 := URI{Host: b}.IP()
	return ok1 && ok2 && x == y
}

// distinctive are the parameters that have to be in both.
var distinctive = []string{"user", "ttl", "method", "maddr", "transport"}

func sameParams(a, b Params) bool {
	for _, p := range a {
		v, ok := b.Get(p.Name)
		if ok && !strings.EqualFold(unescape(unquote(p.Value)), unescape(v)) {
			return false
		}
	}
	for _, name := range distinctive {
		if a.Has(name) != b.Has(name) {
			return false
		}
	}
	return true
}

func sameHeaders(a, b string) bool {
	if a == b {
		return true
	}
	x, y := splitHeaders(a), splitHeaders(b)
	return slices.Equal(x, y)
}

// splitHeaders returns them in an order that does not depend on how they are written.
func splitHeaders(s string) []string {
	all := strings.Split(s, "&")
	for i, h := range all {
		name, value, _ := strings.Cut(h, "=")
		all[i] = strings.ToLower(unescape(name)) + "=" + unescape(value)
	}
	slices.Sort(all)
	return all
}

// unescape replaces what is escaped by percent signs (RFC 3261 section 19.1.2). What is no
// escape stays.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2]); hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
