package eventlog

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxValue bounds one value of a record: what comes from the wire may be long.
const maxValue = 1024

// appendField appends key="value". The value is quoted so that nothing in it can
// end the quotes or the line: a user name cannot forge a field.
func appendField(dst []byte, key, value string) []byte {
	if len(dst) > 0 {
		dst = append(dst, ' ')
	}
	dst = appendKey(dst, key)
	dst = append(dst, '=')
	if len(value) > maxValue {
		value = truncate(value, maxValue) + "..."
	}
	return strconv.AppendQuote(dst, value)
}

// appendKey appends key with whatever is no letter, digit, hyphen or underscore
// made an underscore.
func appendKey(dst []byte, key string) []byte {
	if key == "" {
		return append(dst, '_')
	}
	for _, c := range []byte(key) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
		default:
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// truncate cuts s to at most n bytes without cutting a character in two.
func truncate(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Field is one key="value" of a record.
type Field struct{ Key, Value string }

// Parse reads a record that this package wrote.
func Parse(line string) ([]Field, error) {
	var fields []Field
	for rest := strings.TrimSuffix(line, "\n"); rest != ""; {
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, fmt.Errorf("no key=\"value\" at %q", rest)
		}
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil {
			return nil, fmt.Errorf("value of %s: %w", key, err)
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("value of %s: %w", key, err)
		}
		fields = append(fields, Field{key, value})
		rest = strings.TrimPrefix(after[len(quoted):], " ")
	}
	return fields, nil
}
