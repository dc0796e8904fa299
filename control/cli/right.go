package cli

import (
	"slices"
	"strings"
)

// Right is what a line needs its caller to be allowed to do.
type Right int

// Rights. The zero value is the careful one.
const (
	Change  Right = iota // the configuration, or the node itself
	Operate              // end calls and registrations
	Look
)

// Needs says what a line needs. Help is for everybody, and so is a line that Run will not
// understand.
func (s *Shell) Needs(line string) Right {
	words, err := split(line)
	if err != nil || len(words) == 0 {
		return Look
	}
	if last := words[len(words)-1].text; last == "?" || last == "??" {
		return Look
	}
	switch strings.ToLower(words[0].text) {
	case "xconfiguration", "xconfig":
		if slices.ContainsFunc(words[1:], func(w word) bool { return w.colon }) { // Leaf: value
			return Change
		}
	case "xcommand", "xcom":
		if len(words) == 1 {
			return Look
		}
		if c := s.commands[strings.ToLower(words[1].text)]; c != nil {
			return c.Needs
		}
	}
	return Look
}
