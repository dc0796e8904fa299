package message

import (
	"iter"
	"strings"
)

// reading is what becomes of the parameters that are read: the same functions check what
// only has to be right, and what is kept.
type reading bool

const (
	look reading = false
	keep reading = true
)

// lws is white space inside a header field's value; folding is undone before.
const lws = " \t"

func isLWS(c byte) bool { return c == ' ' || c == '\t' }

func trim(s string) string { return trimRight(trimLeft(s)) }

func trimLeft(s string) string {
	for s != "" && isLWS(s[0]) {
		s = s[1:]
	}
	return s
}

func trimRight(s string) string {
	for s != "" && isLWS(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// indexSpace returns where white space first stands, -1 for nowhere.
func indexSpace(s string) int {
	for i := range len(s) {
		if isLWS(s[i]) {
			return i
		}
	}
	return -1
}

// tokenChars are the characters of a token (RFC 3261 section 25.1).
var tokenChars = func() (t [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~" {
		t[c] = true
	}
	return t
}()

func isToken(s string) bool {
	for i := range len(s) {
		if !tokenChars[s[i]] {
			return false
		}
	}
	return s != ""
}

// isControl reports characters that a line has only behind a backslash, in a quoted string.
func isControl(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f }

// isText reports whether a line has no control character, except as the quoted-pair of RFC
// 3261 section 25.1 allows it.
func isText(line string) bool {
	for i := range len(line) {
		if line[i] >= ' ' && line[i] != 0x7f {
			continue
		}
		if isControl(line[i]) && (i == 0 || line[i-1] != '\\' || line[i] == '\r') {
			return false
		}
	}
	return true
}

// quotedEnd returns the length of the quoted string that s begins with, -1 when it does
// not end.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// indexUnquoted returns where c first stands outside quoted strings and angle brackets,
// len(s) for nowhere.
func indexUnquoted(s string, c byte) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case c:
			return i
		case '"':
			end := quotedEnd(s[i:])
			if end < 0 {
				return len(s)
			}
			i += end - 1
		case '<':
			end := strings.IndexByte(s[i:], '>')
			if end < 0 {
				return len(s)
			}
			i += end
		}
	}
	return len(s)
}

// elements cuts a list at its commas; the elements have no white space around them.
func elements(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			end := indexUnquoted(s, ',')
			if !yield(trim(s[:end])) || end == len(s) {
				return
			}
			s = s[end+1:]
		}
	}
}

// unquote returns the text of a quoted string, and other text as it is.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '\r' || c == '\n': // nothing makes them part of a value
			c = ' '
		case c == '"' || c == '\\' || isControl(c):
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return append(b, '"')
}

func quoteUnlessToken(s string) string {
	plain := func(c byte) bool { return tokenChars[c] || strings.IndexByte("[]/:&+$", c) >= 0 }
	for i := range len(s) {
		if !plain(s[i]) {
			return string(appendQuoted(nil, s))
		}
	}
	return s
}
