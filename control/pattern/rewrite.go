package pattern

import (
	"errors"
	"fmt"
	"strings"
)

// Behavior says what becomes of a name that matched.
type Behavior uint8

// Behaviors. Strip takes the matching beginning or end away; Replace puts a text in
// the place of what matched, in which \1 to \9 are the groups of a regular expression.
const (
	Leave Behavior = iota
	Strip
	Replace
	AddPrefix
	AddSuffix
)

var behaviorNames = [...]string{"leave", "strip", "replace", "addprefix", "addsuffix"}

// String returns the behavior as traces and commands show it.
func (b Behavior) String() string { return nameOf(behaviorNames[:], int(b)) }

// MarshalText writes the behavior for JSON.
func (b Behavior) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads a behavior; case does not count.
func (b *Behavior) UnmarshalText(text []byte) error {
	i, err := indexOf(behaviorNames[:], string(text))
	*b = Behavior(i)
	return err
}

// Rewrite is a pattern with what becomes of the names that match it.
type Rewrite struct {
	Pattern  Pattern
	Behavior Behavior
	text     string // as written
	parts    []part // of the replacement for a regular expression
}

// part is a piece of a replacement: text, or a group.
type part struct {
	text  string
	group int // -1: text
}

// CompileRewrite reads a behavior and its text for a pattern.
func CompileRewrite(p Pattern, behavior Behavior, text string) (Rewrite, error) {
	r := Rewrite{Pattern: p, Behavior: behavior, text: text}
	if len(text) > MaxText {
		return r, fmt.Errorf("a replacement cannot be longer than %d bytes", MaxText)
	}
	switch behavior {
	case Leave:
		return r, nil
	case Strip:
		if p.typ == Exact || p.typ == Regex {
			return r, fmt.Errorf("strip needs a prefix or a suffix to take away: with %s use replace", p.typ)
		}
		return r, nil
	case AddPrefix, AddSuffix:
		if text == "" {
			return r, fmt.Errorf("%s needs a text to add", behavior)
		}
		return r, nil
	case Replace:
		return r, r.compile()
	}
	return r, fmt.Errorf("behavior %s is not known", behavior)
}

// compile reads the groups of a replacement.
func (r *Rewrite) compile() error {
	if r.Pattern.typ != Regex {
		if r.text == "" && r.Pattern.typ == Exact {
			return errors.New("replace needs a text: it would leave nothing")
		}
		return nil
	}
	if r.text == "" {
		return errors.New("replace needs a text: it would leave nothing")
	}
	var text strings.Builder
	for i := 0; i < len(r.text); i++ {
		c := r.text[i]
		if c != '\\' {
			text.WriteByte(c)
			continue
		}
		if i++; i == len(r.text) {
			return errors.New(`a replacement cannot end with a backslash: write \\ for one`)
		}
		if c = r.text[i]; c < '0' || c > '9' {
			text.WriteByte(c)
			continue
		}
		group := int(c - '0')
		if n := r.Pattern.re.NumSubexp(); group > n {
			return fmt.Errorf(`the replacement names group \%d, and the expression has %d`, group, n)
		}
		r.parts = append(r.parts, part{text.String(), -1}, part{"", group})
		text.Reset()
	}
	r.parts = append(r.parts, part{text.String(), -1})
	return nil
}

// Apply returns what becomes of a name, and whether it matched. It allocates only
// where the name changes.
func (r *Rewrite) Apply(name string) (string, bool) {
	if !r.Pattern.Match(name) {
		return name, false
	}
	return r.rewrite(name), true
}

func (r *Rewrite) rewrite(name string) string {
	switch r.Behavior {
	case Strip:
		return r.around(name, "")
	case Replace:
		if r.Pattern.typ == Regex {
			return r.expand(name)
		}
		return r.around(name, r.text)
	case AddPrefix:
		return r.text + name
	case AddSuffix:
		return name + r.text
	}
	return name
}

// around puts text in the place of what the pattern matches.
func (r *Rewrite) around(name, text string) string {
	n := len(r.Pattern.fold)
	switch r.Pattern.typ {
	case Prefix:
		return text + name[n:]
	case Suffix:
		return name[:len(name)-n] + text
	}
	return text
}

func (r *Rewrite) expand(name string) string {
	at := r.Pattern.re.FindStringSubmatchIndex(name)
	if at == nil {
		return name
	}
	var b strings.Builder
	for _, p := range r.parts {
		if p.group < 0 {
			b.WriteString(p.text)
			continue
		}
		if from := at[2*p.group]; from >= 0 {
			b.WriteString(name[from:at[2*p.group+1]])
		}
	}
	return b.String()
}

// String returns the behavior as traces show it.
func (r *Rewrite) String() string {
	if r.Behavior == Leave || r.Behavior == Strip {
		return r.Behavior.String()
	}
	return r.Behavior.String() + " " + r.text
}
