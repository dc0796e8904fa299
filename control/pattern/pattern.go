// Package pattern matches aliases and other names against what an operator wrote:
// the whole name, its beginning, its end, or a regular expression.
//
// It exists so that every rule of a node (search rules, transforms, membership,
// restriction, access) means the same by a pattern, and so that thousands of them
// cost little: Set finds the few that can match. Regular expressions are RE2, which
// takes time in proportion to the name whatever was written, and bounded in length
// and in what they compile to. A pattern matches a whole name or nothing; case does
// not count.
package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Bounds of a pattern. Names of rules' patterns are at most 60 characters in systems
// of this kind (facts A1.1); room is left for what was written elsewhere.
const (
	MaxText = 256
	// maxProgram bounds what a regular expression compiles to: repetitions of
	// repetitions grow far beyond their text.
	maxProgram = 4096
)

// Type says how a pattern is compared.
type Type uint8

// Types.
const (
	Exact Type = iota
	Prefix
	Suffix
	Regex
)

var typeNames = [...]string{"exact", "prefix", "suffix", "regex"}

// String returns the type as traces and commands show it.
func (t Type) String() string { return nameOf(typeNames[:], int(t)) }

// MarshalText writes the type for JSON.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads a type; case does not count.
func (t *Type) UnmarshalText(text []byte) error {
	i, err := indexOf(typeNames[:], string(text))
	*t = Type(i)
	return err
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprint(i)
}

func indexOf(names []string, s string) (int, error) {
	for i, n := range names {
		if strings.EqualFold(n, s) {
			return i, nil
		}
	}
	last := len(names) - 1
	return 0, fmt.Errorf("%q is not known: want %s or %s", s, strings.Join(names[:last], ", "), names[last])
}

// Pattern is a compiled pattern.
type Pattern struct {
	typ  Type
	text string // as written
	fold string // in lower case, what names are compared with
	re   *regexp.Regexp
	// head and tail are what every name that the expression matches begins and ends
	// with, in ASCII.
	head, tail string
}

// Compile reads a pattern.
func Compile(typ Type, text string) (Pattern, error) {
	p := Pattern{typ: typ, text: text, fold: strings.ToLower(text)}
	switch {
	case text == "":
		return p, errors.New("a pattern cannot be empty")
	case len(text) > MaxText:
		return p, fmt.Errorf("a pattern cannot be longer than %d bytes", MaxText)
	case typ > Regex:
		return p, fmt.Errorf("type %s is not known", typ)
	case typ != Regex:
		return p, nil
	}
	return p, p.compile()
}

func (p *Pattern) compile() error {
	tree, err := syntax.Parse(p.text, syntax.Perl|syntax.FoldCase)
	if err != nil {
		return fmt.Errorf("regular expression %q: %w", p.text, explain(err))
	}
	tree = tree.Simplify()
	program, err := syntax.Compile(tree)
	if err != nil {
		return fmt.Errorf("regular expression %q: %w", p.text, err)
	}
	if len(program.Inst) > maxProgram {
		return fmt.Errorf("regular expression %q is too large: write its repetitions with smaller counts", p.text)
	}
	p.re, err = regexp.Compile(`(?i)\A(?:` + p.text + `)\z`)
	if err != nil {
		return fmt.Errorf("regular expression %q: %w", p.text, err)
	}
	p.head, p.tail = head(tree), tail(tree)
	return nil
}

// explain says what to write instead of what RE2 does not have.
func explain(err error) error {
	var e *syntax.Error
	if errors.As(err, &e) && e.Code == syntax.ErrInvalidPerlOp {
		return fmt.Errorf("%w: there is no looking ahead or behind; give what should be left out a rule of its own before this one", err)
	}
	return err
}

// Type returns how the pattern is compared.
func (p *Pattern) Type() Type { return p.typ }

// String returns the pattern as written.
func (p *Pattern) String() string { return p.typ.String() + " " + p.text }

// Match says whether a canonical name, in lower case, matches. It does not allocate.
func (p *Pattern) Match(name string) bool {
	switch p.typ {
	case Exact:
		return name == p.fold
	case Prefix:
		return strings.HasPrefix(name, p.fold)
	case Suffix:
		return strings.HasSuffix(name, p.fold)
	default:
		return p.re != nil && p.re.MatchString(name)
	}
}
