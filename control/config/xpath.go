package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// XPath returns the xConfiguration path of what stands at a path of n: Zones Zone 3
// HopCount. Of a list of values it is the path up to the index.
func XPath(n *Node, path string) (string, error) {
	f, err := find(n, path, false)
	if err != nil {
		return "", err
	}
	item := declared().byPath[strings.TrimSuffix(f.at, "[]")]
	if item == nil {
		item = declared().byPath[f.at]
	}
	if item == nil {
		return "", fmt.Errorf("%w: %s is a section", ErrPath, path)
	}
	return withIndices(item.X, f.indices), nil
}

// withIndices puts indices where an xConfiguration path has room for them; it ends
// where there is none left.
func withIndices(x string, indices []int) string {
	for _, i := range indices {
		x = strings.Replace(x, "[]", strconv.Itoa(i), 1)
	}
	x, _, _ = strings.Cut(x, " []")
	return x
}

// XText returns a value as xConfiguration writes it.
func (i Item) XText(text string) string {
	if w, ok := i.Word(text); ok && i.Type == TypeWord {
		return w.X
	}
	return text
}

// Get returns what an item is set to, and the item. Secrets are hidden.
func Get(n *Node, path string) (string, Item, error) {
	f, err := find(n, path, false)
	if err != nil {
		return "", Item{}, err
	}
	item := declared().byPath[strings.TrimSuffix(f.at, "[]")]
	if f.v.Kind() == reflect.Pointer || item == nil || item.Type == TypeEntries {
		return "", Item{}, fmt.Errorf("%w: %s is a section", ErrPath, path)
	}
	return leaf{path: path, item: item, value: f.v}.shown(), *item, nil
}

// ChangeText says what changed in the words of xConfiguration, as the event log has
// it (AL-02, facts A9).
func ChangeText(old, now *Node, c Change) string {
	item, _ := Lookup(c.Path)
	x, err := XPath(now, c.Path)
	if err != nil {
		x, err = XPath(old, c.Path) // it is gone
	}
	if err != nil {
		x = c.Path
	}
	return fmt.Sprintf("xconfiguration %s - changed from: '%s' to: '%s'", x, item.XText(c.From), item.XText(c.To))
}

// Index returns the index of the entry at a path.
func Index(n *Node, path string) (int, error) {
	f, err := find(n, path, false)
	if err != nil {
		return 0, err
	}
	if len(f.indices) == 0 {
		return 0, fmt.Errorf("%w: %s is no entry", ErrPath, path)
	}
	return f.indices[len(f.indices)-1], nil
}
