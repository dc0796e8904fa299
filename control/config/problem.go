package config

import (
	"fmt"
	"regexp"
	"strings"
)

// maxShown is how many problems an error lists; one mistake early in a file can
// make many.
const maxShown = 10

// Problem is one thing that is wrong with a file.
type Problem struct {
	// Path is where a change that comes from no file is wrong; then there is no line.
	Path         string
	File         string
	Line, Column int
	// Width is how many characters the caret underlines.
	Width  int
	Source string // the line, with secrets starred out
	Text   string // what is wrong
	Advice string // what to write instead; may be empty
	Err    error  // what callers may test; may be nil
}

// Problems is everything that is wrong with a file, as an error.
type Problems []Problem

// Error returns the problems in the order of the file, each with its line and a
// caret below what is meant.
func (p Problems) Error() string {
	var b strings.Builder
	for i, problem := range p {
		if i == maxShown {
			fmt.Fprintf(&b, "\n... and %d more", len(p)-maxShown)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		problem.write(&b)
	}
	return b.String()
}

// Unwrap returns the errors that callers may test.
func (p Problems) Unwrap() []error {
	var errs []error
	for _, problem := range p {
		if problem.Err != nil {
			errs = append(errs, problem.Err)
		}
	}
	return errs
}

func (p Problem) write(b *strings.Builder) {
	if p.Line == 0 {
		p.writePath(b)
		return
	}
	fmt.Fprintf(b, "%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
	number := fmt.Sprint(p.Line)
	fmt.Fprintf(b, "\n  %s | %s", number, p.Source)
	fmt.Fprintf(b, "\n  %*s | %s%s", len(number), "", indent(p.Source, p.Column-1), strings.Repeat("^", max(p.Width, 1)))
	if p.Advice != "" {
		fmt.Fprintf(b, "\n  %*s   %s", len(number), "", p.Advice)
	}
}

// writePath says in one line what is wrong where there is no file to show.
func (p Problem) writePath(b *strings.Builder) {
	if p.Path != "" && !strings.Contains(p.Text, p.Path) {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Text)
	if p.Advice != "" {
		b.WriteString(": " + p.Advice)
	}
}

// indent returns white space as wide as the first n characters of line; tabs stay,
// so that the caret stands right in any terminal.
func indent(line string, n int) string {
	var b strings.Builder
	for i, r := range []rune(line) {
		if i >= n {
			break
		}
		if r == '\t' {
			b.WriteRune(r)
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

var (
	secretValue = regexp.MustCompile(`(?i)((?:password|secrets?|key)["']?\s*:\s*)([^,}\]\s][^,}]*)`)
	listItem    = regexp.MustCompile(`^(\s*-\s+)([^\s:]+)\s*$`)
)

// redact stars out what may be a secret, keeping columns. It goes by the text
// alone, because a file that cannot be parsed has no structure to go by; that it
// sometimes hides too much does no harm.
// column is where a secret is known to begin; 0: nowhere.
func redact(line string, column int) string {
	if runes := []rune(line); column > 0 && column <= len(runes) {
		line = string(runes[:column-1]) + strings.Repeat("*", len(runes)-column+1)
	}
	star := func(re *regexp.Regexp, line string) string {
		return re.ReplaceAllStringFunc(line, func(m string) string {
			parts := re.FindStringSubmatch(m)
			return parts[1] + strings.Repeat("*", len([]rune(parts[2])))
		})
	}
	return star(listItem, star(secretValue, line))
}

// Nearest returns the candidate that differs from word in the fewest letters, if
// few enough that it may be meant.
func Nearest(word string, candidates []string) string {
	best, limit := "", max(len(word)/3, 1)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance, with a swap of neighbours counted once.
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
