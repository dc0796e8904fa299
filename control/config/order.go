package config

import (
	"slices"
	"strings"
)

// orderChange tells that the entries of a list whose order matters changed places;
// Diff compares entries by name and would not see it.
func orderChange(path string, old, now []string) (Change, bool) {
	if slices.Equal(old, now) { // nearly always
		return Change{}, false
	}
	from, to := kept(old, now), kept(now, old)
	if slices.Equal(from, to) {
		return Change{}, false
	}
	return Change{Path: path, From: "[" + strings.Join(from, " ") + "]", To: "[" + strings.Join(to, " ") + "]", Live: true}, true
}

// kept returns what of a list is in the other one too.
func kept(list, other []string) []string {
	there := make(map[string]bool, len(other))
	for _, s := range other {
		there[s] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !there[s] })
}
