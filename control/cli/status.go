package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Status is a branch of xStatus.
type Status struct {
	Name string
	Text string // what it tells, for help
	Tell func(ctx context.Context) []Element
}

// AddStatus adds a branch; it replaces one of the same name.
func (s *Shell) AddStatus(b Status) { s.status[strings.ToLower(b.Name)] = &b }

// tell shows branches of xStatus or what is below one.
func (s *Shell) tell(ctx context.Context, words []string, help string) (Answer, error) {
	if help != "" {
		return Answer{Text: s.statusHelp(help == "??")}, nil
	}
	branches := slices.Sorted(maps.Keys(s.status))
	if len(words) > 0 {
		if s.status[strings.ToLower(words[0])] == nil {
			return Answer{}, fmt.Errorf("%w: xStatus: no element %q: %s", ErrUsage, words[0], nearby(words[0], s.statusNames()))
		}
		branches = []string{strings.ToLower(words[0])}
	}
	var out Answer
	var b strings.Builder
	for _, key := range branches {
		branch := s.status[key]
		e := Element{Name: branch.Name, Elements: branch.Tell(ctx)}
		if len(words) > 1 {
			found, err := descend(e, words[1:])
			if err != nil {
				return Answer{}, err
			}
			e = found
		}
		out.Elements = append(out.Elements, e)
		b.WriteString("*s ")
		e.write(&b, 0)
		b.WriteString("*s/end\n")
	}
	out.Text = b.String() + "OK\n"
	return out, nil
}

// descend returns the element below e that words lead to.
func descend(e Element, words []string) (Element, error) {
	for _, w := range words {
		i := slices.IndexFunc(e.Elements, func(c Element) bool { return strings.EqualFold(c.Name, w) })
		if i < 0 {
			known := make([]string, len(e.Elements))
			for i, c := range e.Elements {
				known[i] = c.Name
			}
			return e, fmt.Errorf("%w: %s has no element %q: %s", ErrUsage, e.Name, w, nearby(w, known))
		}
		child := e.Elements[i]
		child.Name = e.Name + " " + child.Name
		e = child
	}
	return e, nil
}

// write writes an element and what is below it, four spaces deeper for each level.
func (e Element) write(b *strings.Builder, depth int) {
	switch v := e.Value.(type) {
	case nil:
		b.WriteString(e.Name + ":\n")
	case string:
		fmt.Fprintf(b, "%s: %q\n", e.Name, v)
	default:
		fmt.Fprintf(b, "%s: %v\n", e.Name, v)
	}
	for _, c := range e.Elements {
		b.WriteString(strings.Repeat("    ", depth+1))
		c.write(b, depth+1)
	}
}

func (s *Shell) statusHelp(all bool) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(s.status)) {
		b.WriteString(s.status[key].Name)
		if all {
			b.WriteString("\n    " + s.status[key].Text)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (s *Shell) statusNames() []string {
	var names []string
	for _, b := range s.status {
		names = append(names, b.Name)
	}
	return names
}
