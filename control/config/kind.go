package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Type is the family that a value belongs to.
type Type string

// Types of values.
const (
	TypeInteger Type = "integer"
	TypePort    Type = "port" // or off
	TypeSeconds Type = "seconds"
	TypeText    Type = "text"
	TypeSecret  Type = "secret"
	TypeWord    Type = "word" // one of a few
	TypeAddress Type = "address"
	TypePrefix  Type = "prefix"
	TypeHost    Type = "host" // an address or a DNS name, with or without a port
	TypeListen  Type = "listen"
	TypeFile    Type = "file"
	TypeName    Type = "name" // of an entry of another list
	TypeEntries Type = "entries"
)

// Word is one of the words of an enumeration: as the node file has it, and as
// xConfiguration does.
type Word struct{ Text, X string }

// Kind says what may be written for an item.
type Kind struct {
	Type Type
	// Min and Max bound an integer, or the length of a text in bytes.
	Min, Max int64
	Words    []Word
	// Lists are the paths of the lists whose names may stand here, besides Words.
	Lists []string
	// Many, if not 0, makes the item a list of at most so many of these; of entries
	// it is always set.
	Many int
	// Shown replaces what the reference page says may be written.
	Shown string
	// Entry is what one entry of a list is called.
	Entry string
}

func integer(low, high int64) Kind { return Kind{Type: TypeInteger, Min: low, Max: high} }

func port(low int64) Kind { return Kind{Type: TypePort, Min: low, Max: 65534} }

func seconds(low, high int64) Kind { return Kind{Type: TypeSeconds, Min: low, Max: high} }

func text(low, high int64) Kind { return Kind{Type: TypeText, Min: low, Max: high} }

func secret() Kind { return Kind{Type: TypeSecret, Min: 0, Max: 255} }

func file() Kind { return Kind{Type: TypeFile, Min: 0, Max: 4095} }

func one(t Type) Kind { return Kind{Type: t, Max: 255} }

// words takes the words of an enumeration; "neighbour=Neighbor" has another one
// in xConfiguration, "on" is On there.
func words(list ...string) Kind {
	k := Kind{Type: TypeWord}
	for _, w := range list {
		t, x, ok := strings.Cut(w, "=")
		if !ok {
			x = camel(t)
		}
		k.Words = append(k.Words, Word{t, x})
	}
	return k
}

func onOff() Kind { return words("on", "off") }

// nameOf is a reference to an entry of one of the lists.
func nameOf(lists ...string) Kind { return Kind{Type: TypeName, Max: 50, Lists: lists} }

// or adds words that may stand besides names.
func (k Kind) or(list ...string) Kind {
	k.Words = words(list...).Words
	return k
}

// many makes a list of values.
func (k Kind) many(most int) Kind {
	k.Many = most
	return k
}

// shown replaces the text of the reference page.
func (k Kind) shown(s string) Kind {
	k.Shown = s
	return k
}

func entries(entry string, most int) Kind {
	return Kind{Type: TypeEntries, Many: most, Entry: entry}
}

// camel turns some_word into SomeWord.
func camel(s string) string {
	parts := strings.Split(s, "_")
	for i, p := range parts {
		if p != "" {
			parts[i] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "")
}

// String says what may be written, for the reference page.
func (k Kind) String() string {
	s := k.Shown
	if s == "" {
		s = k.single()
	}
	if k.Many > 0 && k.Shown == "" {
		return fmt.Sprintf("list of up to %d %s", k.Many, s)
	}
	return s
}

func (k Kind) single() string {
	switch k.Type {
	case TypeInteger:
		return fmt.Sprintf("%d–%d", k.Min, k.Max)
	case TypePort:
		return fmt.Sprintf("%d–%d or `off`", k.Min, k.Max)
	case TypeSeconds:
		return fmt.Sprintf("%d–%d seconds", k.Min, k.Max)
	case TypeText:
		return fmt.Sprintf("text, up to %d bytes", k.Max)
	case TypeSecret:
		return "secret text"
	case TypeAddress:
		return "IP address"
	case TypePrefix:
		return "address or prefix"
	case TypeHost:
		return "host or address, with or without :port"
	case TypeListen:
		return "address:port or `off`"
	case TypeFile:
		return "absolute path"
	case TypeEntries:
		return "entries"
	default:
		return k.choices()
	}
}

func (k Kind) choices() string {
	var out []string
	for _, w := range k.Words {
		out = append(out, "`"+w.Text+"`")
	}
	for _, l := range k.Lists {
		out = append(out, "name in `"+l+"`")
	}
	if len(out) == 2 && k.Type == TypeWord {
		return out[0] + " or " + out[1]
	}
	return strings.Join(out, ", ")
}

// Word returns the word of an enumeration that text means in either language,
// whatever its case.
func (k Kind) Word(text string) (Word, bool) {
	for _, w := range k.Words {
		if strings.EqualFold(w.Text, text) || strings.EqualFold(w.X, text) {
			return w, true
		}
	}
	return Word{}, false
}

// accept checks what may be checked of one value without looking at others, and
// says what to write instead.
func (k Kind) accept(s string) error {
	switch k.Type {
	case TypeWord:
		return k.oneOf(s)
	case TypeInteger, TypeSeconds:
		return k.number(s)
	case TypePort:
		if s == "off" {
			return nil
		}
		if k.number(s) != nil {
			return fmt.Errorf("want a port from %d to %d, or off", k.Min, k.Max)
		}
		return nil
	case TypeText, TypeFile, TypeHost, TypeName, TypeSecret:
		return k.length(s)
	default: // its Go type knows
		return nil
	}
}

func (k Kind) number(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < k.Min || n > k.Max || strings.HasPrefix(s, "+") {
		return fmt.Errorf("want a whole number from %d to %d", k.Min, k.Max)
	}
	return nil
}

func (k Kind) length(s string) error {
	switch {
	case int64(len(s)) > k.Max:
		return fmt.Errorf("want at most %d bytes", k.Max)
	case int64(len(s)) < k.Min:
		return fmt.Errorf("want at least %d bytes", k.Min)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("has characters that do not print: leave them out")
	}
	return nil
}

// oneOf wants one of the words exactly as it is written in node files.
func (k Kind) oneOf(s string) error {
	names := make([]string, len(k.Words))
	for i, w := range k.Words {
		names[i] = w.Text
	}
	if slices.Contains(names, s) {
		return nil
	}
	if w, ok := k.Word(s); ok {
		return fmt.Errorf("is written %s", w.Text)
	}
	last := len(names) - 1
	return fmt.Errorf("want %s or %s", strings.Join(names[:last], ", "), names[last])
}

// Accept checks what may be checked of one value without looking at others, and
// says what to write instead.
func (k Kind) Accept(text string) error { return k.accept(text) }

// Integer is the kind of a whole number within bounds.
func Integer(low, high int64) Kind { return integer(low, high) }

// Text is the kind of a text of so many bytes.
func Text(low, high int64) Kind { return text(low, high) }

// Words is the kind of an enumeration, "on=On" with another word in xConfiguration.
func Words(list ...string) Kind { return words(list...) }
