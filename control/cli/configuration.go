package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
)

// configuration reads, sets or explains items.
func (s *Shell) configuration(words []word, help string, caller Caller) (Answer, error) {
	words = peerOrder(words)
	if help != "" {
		return explain(texts(words), help == "??")
	}
	if i := slices.IndexFunc(words, func(w word) bool { return w.colon }); i >= 0 {
		return s.set(words, i, caller)
	}
	return s.read(texts(words))
}

// peerOrder accepts Alternates 1 Peer Address, as one of the sources' examples has it.
func peerOrder(words []word) []word {
	if len(words) < 3 || !strings.EqualFold(words[0].text, "Alternates") || !strings.EqualFold(words[2].text, "Peer") || !isIndex(words[1].text) {
		return words
	}
	words = slices.Clone(words)
	words[1], words[2] = words[2], words[1]
	return words
}

func isIndex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// read shows what is at or below a path.
func (s *Shell) read(prefix []string) (Answer, error) {
	cur := s.store.Current()
	if cur == nil {
		return Answer{}, store.ErrEmpty
	}
	var out Answer
	var b strings.Builder
	for _, v := range config.XValues(cur.Node) {
		if !begins(v.X, prefix) {
			continue
		}
		fmt.Fprintf(&b, "*c xConfiguration %s: %s\n", v.X, v.Text)
		out.Elements = append(out.Elements, Element{Name: v.X, Value: strings.Trim(v.Text, `"`)})
	}
	if out.Elements == nil {
		if _, err := below(prefix); err != nil {
			return Answer{}, err
		}
	}
	out.Text = b.String() + "OK\n"
	return out, nil
}

// begins reports whether an xConfiguration path begins with words, in any case.
func begins(x string, prefix []string) bool {
	words := strings.Fields(x)
	if len(prefix) > len(words) {
		return false
	}
	for i, p := range prefix {
		if !strings.EqualFold(p, words[i]) {
			return false
		}
	}
	return true
}

// set gives items at one path a value each: ... Leaf: value, and further leaves of
// the same branch.
func (s *Shell) set(words []word, first int, caller Caller) (Answer, error) {
	branch := texts(words[:first])
	list, err := assignments(branch, words[first:])
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	list, insist, err := insists(list)
	if err != nil {
		return Answer{}, err
	}
	var ops []config.Operation
	for _, a := range list {
		path, item, ok := config.FromX(a.path)
		if !ok {
			return Answer{}, unknown(a.path)
		}
		ops = append(ops, config.Operation{Verb: config.Set, Path: path, Text: item.TextOf(a.value)})
	}
	result, err := s.store.Propose(store.Proposal{Author: caller, Operations: ops, Insist: insist})
	if errors.Is(err, config.ErrNoEntry) {
		return Answer{}, fmt.Errorf("%w: entries are added by xCommand, for example ZoneAdd", err)
	}
	if err != nil {
		return Answer{}, err
	}
	return s.changed(result), nil
}

// insists takes "Insist: On" from the end, which no item is called: the change is made although the node
// warns of it, as of a TLS mode that shuts peers out (CL-05).
func insists(list []assignment) (rest []assignment, insist bool, err error) {
	last := list[len(list)-1]
	if len(list) < 2 || !strings.EqualFold(last.path[len(last.path)-1], "Insist") {
		return list, false, nil
	}
	switch {
	case strings.EqualFold(last.value, "On"):
		insist = true
	case !strings.EqualFold(last.value, "Off"):
		return nil, false, fmt.Errorf("%w: Insist: %s: write On or Off", ErrUsage, last.value)
	}
	return list[:len(list)-1], insist, nil
}

type assignment struct {
	path  []string
	value string
}

// assignments reads Leaf: value; a leaf may have several words.
func assignments(branch []string, words []word) ([]assignment, error) {
	var out []assignment
	for len(words) > 0 {
		i := slices.IndexFunc(words, func(w word) bool { return w.colon })
		switch {
		case i < 0:
			return nil, fmt.Errorf("%q stands where Leaf: value should", words[0].text)
		case i+1 == len(words):
			return nil, fmt.Errorf(`%s: has no value: write "" for none`, words[i].text)
		}
		value := words[i+1].text
		if words[i+1].colon {
			value += ":"
		}
		out = append(out, assignment{slices.Concat(branch, texts(words[:i+1])), value})
		words = words[i+2:]
	}
	return out, nil
}

// changed says what a change came to.
func (s *Shell) changed(r store.Result) Answer {
	var b strings.Builder
	for _, c := range s.waiting() {
		fmt.Fprintf(&b, "%s waits for a restart\n", c.Path)
	}
	return Answer{Text: b.String() + "OK\n", Elements: []Element{{Name: "Revision", Value: r.Revision}}}
}

// explain lists what is below a path, or with all describes each item.
func explain(prefix []string, all bool) (Answer, error) {
	items, err := below(prefix)
	if err != nil {
		return Answer{}, err
	}
	var b strings.Builder
	if all {
		for _, i := range items {
			fmt.Fprintf(&b, "xConfiguration %s: %s\n    %s Default: %s.", i.XIndexed(), i.ValueSpace(), i.Note(), orNone(i.XText(i.Default)))
			if i.Peer {
				b.WriteString(" † of this node alone.")
			}
			b.WriteByte('\n')
		}
		return Answer{Text: b.String()}, nil
	}
	var lines []string
	for _, i := range items {
		lines = append(lines, nextWord(i, len(prefix)))
	}
	slices.Sort(lines)
	for _, line := range slices.Compact(lines) {
		b.WriteString(line + "\n")
	}
	return Answer{Text: b.String()}, nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// nextWord is the word of an item's path at a place, with its value space if it is
// the last one.
func nextWord(i config.Item, place int) string {
	words := strings.Fields(i.XIndexed())
	if place >= len(words) {
		return i.ValueSpace()
	}
	if place == len(words)-1 {
		return words[place] + ": " + i.ValueSpace()
	}
	return words[place]
}

// below returns the items at or below a path, whatever its indices.
func below(prefix []string) ([]config.Item, error) {
	pattern := config.XPattern(prefix)
	var out []config.Item
	for _, i := range config.Schema() {
		x := strings.ToLower(i.X)
		if i.Type != config.TypeEntries && (pattern == "" || x == pattern || strings.HasPrefix(x, pattern+" ")) {
			out = append(out, i)
		}
	}
	if len(out) == 0 {
		return nil, unknown(prefix)
	}
	return out, nil
}

// unknown says how far a path leads and what may have been meant.
func unknown(words []string) error {
	for n := len(words) - 1; n >= 0; n-- {
		if items, err := below(words[:n]); err == nil {
			var known []string
			for _, i := range items {
				if w := strings.Fields(i.XIndexed()); n < len(w) && !slices.Contains(known, w[n]) {
					known = append(known, w[n])
				}
			}
			return fmt.Errorf("%w: %s: no element %q: %s", ErrUsage, strings.Join(append([]string{rootConfiguration}, words[:n]...), " "), words[n], nearby(words[n], known))
		}
	}
	return fmt.Errorf("%w: an element is missing", ErrUsage)
}
