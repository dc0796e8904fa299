// Package cli is the second command language of a node: xConfiguration reads and
// sets, xStatus tells, xCommand acts (facts A6, OP-04).
//
// It exists because operators of this kind of system have these words in their
// fingers and in their scripts. It adds nothing of its own: xConfiguration is another
// way to write the paths of the configuration tree, and what tells or acts is
// registered here by whoever can.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
)

// ErrUsage is what an error about how a line is written is.
var ErrUsage = errors.New("wrong usage")

// Element is a piece of what a node tells: a value, or a name with more below it.
type Element struct {
	Name     string    `json:"name"`
	Value    any       `json:"value,omitempty"`
	Elements []Element `json:"elements,omitempty"`
}

// Answer is what a line gives: text for people, and the same for programs.
type Answer struct {
	Text     string    `json:"text"`
	Elements []Element `json:"elements,omitempty"`
}

// Caller is who wrote a line.
type Caller = store.Author

// Shell runs lines.
type Shell struct {
	store    *store.Store
	commands map[string]*Command
	status   map[string]*Status
	// waiting lists what is stored and waits for a restart.
	waiting func() []config.Change
}

// New returns a shell over a store, with the commands that the store alone can do.
func New(s *store.Store, waiting func() []config.Change) *Shell {
	sh := &Shell{store: s, commands: map[string]*Command{}, status: map[string]*Status{}, waiting: waiting}
	for _, c := range listCommands(s) {
		sh.AddCommand(c)
	}
	for _, c := range storeCommands(s) {
		sh.AddCommand(c)
	}
	return sh
}

// Roots of the language.
const (
	rootConfiguration = "xConfiguration"
	rootStatus        = "xStatus"
	rootCommand       = "xCommand"
)

// Run runs one line.
func (s *Shell) Run(ctx context.Context, line string, caller Caller) (Answer, error) {
	words, err := split(line)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if len(words) == 0 {
		return Answer{}, nil
	}
	rest, help := words[1:], ""
	if n := len(words); words[n-1].text == "?" || words[n-1].text == "??" {
		if n == 1 {
			return Answer{Text: rootConfiguration + "\n" + rootStatus + "\n" + rootCommand + "\n"}, nil
		}
		rest, help = words[1:n-1], words[n-1].text
	}
	switch strings.ToLower(words[0].text) {
	case "xconfiguration", "xconfig":
		return s.configuration(rest, help, caller)
	case "xstatus", "xstat":
		return s.tell(ctx, texts(rest), help)
	case "xcommand", "xcom":
		return s.act(ctx, rest, help, caller)
	case "help":
		return Answer{Text: "xConfiguration, xStatus or xCommand; ? behind them lists what there is, ?? explains it\n"}, nil
	}
	return Answer{}, fmt.Errorf("%w: unknown word %q: begin with xConfiguration, xStatus or xCommand", ErrUsage, words[0].text)
}

// nearby returns a hint at what may have been meant.
func nearby(word string, known []string) string {
	slices.SortFunc(known, func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	if near := config.Nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "known are " + strings.Join(known, ", ")
}
