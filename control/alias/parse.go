package alias

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Errors of Parse.
var (
	ErrEmpty   = errors.New("an alias cannot be empty")
	ErrTooLong = fmt.Errorf("an alias cannot be longer than %d bytes", MaxLength)
)

// Parse reads an alias in any of its forms: a URI of one of the schemes, user@domain,
// a number, an address with or without port, or an H.323 id. Parsing a Name gives
// the same Name again.
func Parse(s string) (Alias, error) {
	switch {
	case s == "":
		return Alias{}, ErrEmpty
	case len(s) > MaxLength:
		return Alias{}, ErrTooLong
	case !utf8.ValidString(s):
		return Alias{}, errors.New("an alias must be UTF-8")
	}
	if i := strings.IndexFunc(s, isControl); i >= 0 {
		return Alias{}, fmt.Errorf("an alias cannot hold the control character %q", s[i])
	}
	scheme, rest := cutScheme(strings.TrimSpace(s))
	switch scheme {
	case "tel":
		return number(rest)
	case "":
		return plain(rest)
	}
	return uri(rest)
}

func isControl(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// cutScheme cuts a scheme that is known off s.
func cutScheme(s string) (scheme, rest string) {
	before, after, ok := strings.Cut(s, ":")
	if !ok || len(before) > len("h323") {
		return "", s
	}
	switch lower := strings.ToLower(before); lower {
	case "sip", "sips", "h323", "tel":
		return lower, after
	}
	return "", s
}

// number reads what stands behind tel: (RFC 3966 section 3).
func number(s string) (Alias, error) {
	digits, _, _ := strings.Cut(s, ";")
	digits = dropSeparators(digits)
	if !isNumber(digits) {
		return Alias{}, fmt.Errorf("%q is no telephone number", s)
	}
	return Alias{Name: digits, Kind: E164}, nil
}

// plain reads an alias without a scheme.
func plain(s string) (Alias, error) {
	if a, ok := address(s); ok {
		return a, nil
	}
	if strings.Contains(s, "@") {
		if a, err := userAtHost(s, false); err == nil {
			return a, nil
		}
	}
	return text(s)
}

// text reads an alias that is no URI and no address.
func text(s string) (Alias, error) {
	if s == "" {
		return Alias{}, ErrEmpty
	}
	if isNumber(s) {
		return Alias{Name: s, Kind: E164}, nil
	}
	return bounded(Alias{Name: strings.ToLower(s), Kind: ID})
}

// bounded refuses a name that became too long on its way: lower case letters may take
// more bytes.
func bounded(a Alias) (Alias, error) {
	if len(a.Name) > MaxLength {
		return Alias{}, ErrTooLong
	}
	return a, nil
}

// uri reads what stands behind sip:, sips: or h323: (RFC 3261 section 19.1.1).
func uri(s string) (Alias, error) {
	user, host, ok := strings.Cut(s, "@")
	if !ok {
		host = s
	}
	host, tail := cutHost(host)
	if !ok {
		return hostAlone(host)
	}
	return userAtHost(user+"@"+host, isPhone(tail))
}

// hostAlone reads a URI without a user. Some write a number where the host belongs.
func hostAlone(s string) (Alias, error) {
	if isNumber(s) {
		return Alias{Name: s, Kind: E164}, nil
	}
	name, addr, port, err := parseHost(s)
	if err != nil {
		return Alias{}, err
	}
	if addr.IsValid() {
		return FromAddr(netip.AddrPortFrom(addr, port)), nil
	}
	return Alias{Name: name, Kind: ID, Port: port}, nil
}

// cutHost cuts parameters and headers off a host.
func cutHost(s string) (host, tail string) {
	if i := strings.IndexAny(s, ";?"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// isPhone says whether the parameters call the user a telephone number.
func isPhone(tail string) bool {
	params, _, _ := strings.Cut(tail, "?")
	for param := range strings.SplitSeq(params, ";") {
		if strings.EqualFold(param, "user=phone") {
			return true
		}
	}
	return false
}

// userAtHost reads user@host, or user:password@host:port.
func userAtHost(s string, phone bool) (Alias, error) {
	user, host, _ := strings.Cut(s, "@")
	user, _, _ = strings.Cut(user, ":")
	user, err := unescape(user)
	if err != nil {
		return Alias{}, err
	}
	if phone {
		user, _, _ = strings.Cut(user, ";")
		user = dropSeparators(user)
	}
	if user = strings.TrimSpace(user); user == "" {
		return Alias{}, fmt.Errorf("%q has no user before the @", s)
	}
	domain, addr, port, err := parseHost(host)
	if err != nil {
		return Alias{}, err
	}
	return bounded(Alias{Name: strings.ToLower(user) + "@" + domain, Kind: URI, Port: port, addr: addr})
}

// address reads an IP address with or without port or brackets.
func address(s string) (Alias, bool) {
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	if a, err := netip.ParseAddr(bare); err == nil && a.Zone() == "" {
		return FromAddr(netip.AddrPortFrom(a, 0)), true
	}
	if a, err := netip.ParseAddrPort(s); err == nil && a.Addr().Zone() == "" {
		return FromAddr(a), true
	}
	return Alias{}, false
}

// parseHost reads a domain or an address, with or without port.
func parseHost(s string) (name string, addr netip.Addr, port uint16, err error) {
	host, text := s, ""
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, text = s[:i], s[i+1:]
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return "", addr, 0, fmt.Errorf("%q is no port", text)
		}
		port = uint16(n)
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || a.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return "", addr, 0, fmt.Errorf("%q is no IPv6 address", host)
		}
		return bracketed(a.Unmap()), a.Unmap(), port, nil
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		return a.String(), a, port, nil
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !isDomain(host) {
		return "", addr, 0, fmt.Errorf("%q is no host", s)
	}
	return host, addr, port, nil
}

func bracketed(a netip.Addr) string {
	if a.Is4() {
		return a.String()
	}
	return "[" + a.String() + "]"
}

// isDomain accepts what may stand as a host (RFC 3261 section 25.1), and the
// underscore that is found in the wild. The last label begins with a letter: some
// resolvers take "127.1" for an address.
func isDomain(s string) bool {
	if s == "" || len(s) > 253 || !isLetter(s[strings.LastIndexByte(s, '.')+1:]) {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !isAlphanumeric(c) && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// isNumber says whether s could be dialled: dialledDigits of H.225.0, or a global
// number of RFC 3966.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "+")
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && c != '*' && c != '#' && c != ',' {
			return false
		}
	}
	return s != ""
}

// dropSeparators drops the visual separators of RFC 3966 section 3.
func dropSeparators(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '-', '.', '(', ')':
			return -1
		}
		return r
	}, s)
}

// isLetter says whether s begins with a letter.
func isLetter(s string) bool { return s != "" && isAlphanumeric(s[0]) && (s[0] < '0' || s[0] > '9') }

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
