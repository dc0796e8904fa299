package cli

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a line.
const (
	maxLine  = 16 << 10
	maxWords = 256
)

// word is one word of a line.
type word struct {
	text   string
	quoted bool
	colon  bool // a value follows: Name:
}

// split reads a line into words. Text in double quotes is one word; within it \" and
// \\ stand for themselves.
func split(line string) ([]word, error) {
	if len(line) > maxLine {
		return nil, fmt.Errorf("a line has at most %d bytes", maxLine)
	}
	if !utf8.ValidString(line) {
		return nil, errors.New("the line is not UTF-8")
	}
	var words []word
	for rest := strings.TrimLeftFunc(line, unicode.IsSpace); rest != ""; rest = strings.TrimLeftFunc(rest, unicode.IsSpace) {
		if len(words) == maxWords {
			return nil, fmt.Errorf("a line has at most %d words", maxWords)
		}
		w, n, err := next(rest)
		if err != nil {
			return nil, err
		}
		words, rest = append(words, w), rest[n:]
	}
	return words, nil
}

// next reads the first word and returns its length.
func next(s string) (word, int, error) {
	if s[0] == '"' {
		return quotedWord(s)
	}
	end := strings.IndexFunc(s, unicode.IsSpace)
	if end < 0 {
		end = len(s)
	}
	// Name:"value" has no space, addresses have colons within.
	if i := strings.Index(s[:end], ":\""); i > 0 {
		return word{text: s[:i], colon: true}, i + 1, nil
	}
	text, colon := strings.CutSuffix(s[:end], ":")
	if text == "" {
		return word{}, 0, errors.New("a colon stands alone: write it behind the name")
	}
	return word{text: text, colon: colon}, end, nil
}

func quotedWord(s string) (word, int, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return word{text: b.String(), quoted: true}, i + 1, nil
		case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return word{}, 0, errors.New(`a quotation mark is open: write another " at the end of the text`)
}

// pair is a parameter with its value.
type pair struct{ name, value string }

// pairs reads Name: value ...
func pairs(words []word) ([]pair, error) {
	var out []pair
	for i := 0; i < len(words); i += 2 {
		switch {
		case !words[i].colon:
			return nil, fmt.Errorf("%q stands where a parameter should: write Name: value", words[i].text)
		case i+1 == len(words):
			return nil, fmt.Errorf("%s: has no value", words[i].text)
		}
		value := words[i+1].text
		if words[i+1].colon {
			value += ":" // it was the value's own
		}
		out = append(out, pair{words[i].text, value})
	}
	return out, nil
}

// texts returns words without what came with them.
func texts(words []word) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w.text
	}
	return out
}
