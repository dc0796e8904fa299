package config

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// schema is the tree's declaration, made once and never changed.
type schema struct {
	items  []Item
	byPath map[string]*Item
}

var declared = sync.OnceValue(func() *schema {
	s := &schema{byPath: map[string]*Item{}}
	for _, area := range [][]Item{
		systemItems(), interfaceItems(), networkItems(), clusterItems(), licensingItems(), certificateItems(),
		turnItems(), mediaItems(), dataplaneItems(),
		sipItems(), h323Items(), accountItems(), registrationItems(),
		zoneItems(), subzoneItems(), bandwidthItems(),
		dialPlanItems(), policyItems(), callItems(),
		adminItems(), logItems(),
	} {
		s.items = append(s.items, area...)
	}
	for i := range s.items {
		s.byPath[s.items[i].Path] = &s.items[i]
	}
	return s
})

// Schema returns every key of the tree, in the order of the reference page. A list
// of entries comes before the keys of its entries.
func Schema() []Item { return slices.Clone(declared().items) }

// Lookup returns the item at a path, with or without indices in its brackets.
func Lookup(path string) (Item, bool) {
	if item := declared().byPath[itemOf(path)]; item != nil {
		return *item, true
	}
	return Item{}, false
}

var index = regexp.MustCompile(`\[(?:"(?:[^"\\]|\\.)*"|[^\]"]*)\]`)

// itemOf returns the path of the schema that covers a path of a file.
func itemOf(path string) string {
	if !strings.Contains(path, "[") {
		return path
	}
	path = index.ReplaceAllString(path, "[]")
	if _, ok := declared().byPath[path]; !ok {
		return strings.TrimSuffix(path, "[]") // a value of a list of values
	}
	return path
}
