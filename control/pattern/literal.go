package pattern

import (
	"regexp/syntax"
	"strings"
	"unicode"
)

// head returns what every match of the expression begins with, as far as it is plain
// ASCII: beyond it, case folding knows more spellings than lower case does.
func head(tree *syntax.Regexp) string {
	switch tree.Op {
	case syntax.OpLiteral:
		text, _ := ascii(tree.Rune)
		return text
	case syntax.OpCapture, syntax.OpPlus:
		return head(tree.Sub[0])
	case syntax.OpConcat:
		return head(skipEmpty(tree.Sub))
	}
	return ""
}

// skipEmpty returns the first part that is no anchor.
func skipEmpty(parts []*syntax.Regexp) *syntax.Regexp {
	for _, part := range parts {
		if part.Op != syntax.OpBeginText && part.Op != syntax.OpBeginLine {
			return part
		}
	}
	return &syntax.Regexp{Op: syntax.OpEmptyMatch}
}

// tail is head from the other end.
func tail(tree *syntax.Regexp) string {
	switch tree.Op {
	case syntax.OpLiteral:
		backwards := make([]rune, 0, len(tree.Rune))
		for i := len(tree.Rune) - 1; i >= 0; i-- {
			backwards = append(backwards, tree.Rune[i])
		}
		_, n := ascii(backwards)
		text, _ := ascii(tree.Rune[len(tree.Rune)-n:])
		return text
	case syntax.OpCapture, syntax.OpPlus:
		return tail(tree.Sub[0])
	case syntax.OpConcat:
		parts := tree.Sub
		for len(parts) > 0 && (parts[len(parts)-1].Op == syntax.OpEndText || parts[len(parts)-1].Op == syntax.OpEndLine) {
			parts = parts[:len(parts)-1]
		}
		if len(parts) > 0 {
			return tail(parts[len(parts)-1])
		}
	}
	return ""
}

// ascii returns the ASCII characters that runes begin with, in lower case, and how many.
func ascii(runes []rune) (string, int) {
	var b strings.Builder
	for i, r := range runes {
		if r > unicode.MaxASCII {
			return b.String(), i
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String(), len(runes)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] > unicode.MaxASCII {
			return false
		}
	}
	return true
}
