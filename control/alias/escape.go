package alias

import (
	"errors"
	"strings"
	"unicode/utf8"
)

var errEscape = errors.New("an escape is % and two hexadecimal digits")

const upperHex = "0123456789ABCDEF"

// unescape decodes the escapes of a user part, except those of characters that would
// end it or begin an escape.
func unescape(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errEscape
		}
		high, low := hexDigit(s[i+1]), hexDigit(s[i+2])
		if high > 15 || low > 15 {
			return "", errEscape
		}
		i += 2
		switch c := high<<4 | low; c {
		case '@', ':', '%':
			b.WriteString("%" + string(upperHex[high]) + string(upperHex[low]))
		default:
			b.WriteByte(c)
		}
	}
	if out := b.String(); utf8.ValidString(out) && strings.IndexFunc(out, isControl) < 0 {
		return out, nil
	}
	return "", errors.New("an escape hides a control character or text that is not UTF-8")
}

// hexDigit returns the value of a digit, or more than 15.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

// escape writes a user part for a URI: what is neither unreserved nor
// user-unreserved is escaped (RFC 3261 section 25.1). The escapes of a canonical URI
// stay.
func escape(s string, escaped bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if isAlphanumeric(c) || strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0 || c == '%' && escaped {
			b.WriteByte(c)
			continue
		}
		b.WriteString("%" + string(upperHex[c>>4]) + string(upperHex[c&15]))
	}
	return b.String()
}
