package config

import (
	"slices"
	"strings"
)

// Restart says what a change of an item waits for.
type Restart string

// Restarts. The zero value is the careful one.
const (
	RestartNode      Restart = ""          // `turnpike serve` is started again
	RestartSubsystem Restart = "subsystem" // the part takes it over by itself, and what runs on it ends
	RestartNone      Restart = "none"      // applied at once
)

// Item declares one key of the tree, or one list of entries. Everything that is
// said or checked about the key comes from it: decoding and its errors, help,
// the reference page, JSON schema, xConfiguration, replication, redaction.
type Item struct {
	// Path as in the node file; [] stands for the entry of a list: zones[].name.
	Path string
	// X is its path in xConfiguration (facts A6); [] stands for an index.
	X string
	Kind
	Default  string
	Required bool
	// Unset is what leaving it out means, where Default cannot say it.
	Unset   string
	Restart Restart
	// Peer: the item belongs to this node and is never shared with a cluster (PS).
	Peer bool
	// Kept: a factory reset leaves it (CL-14).
	Kept bool
	// Awaits says what an item waits for that may be set and has no effect yet; empty: it
	// has its effect.
	Awaits string
	Text   string
}

// Live reports whether a change is applied while the node runs.
func (i Item) Live() bool { return i.Restart != RestartNode }

// Secret reports whether values must never be shown.
func (i Item) Secret() bool { return i.Type == TypeSecret }

// Section returns the first word of the path.
func (i Item) Section() string {
	s, _, _ := strings.Cut(i.Path, ".")
	return strings.TrimSuffix(s, "[]")
}

// DefaultText says what leaving the item out means.
func (i Item) DefaultText() string {
	switch {
	case i.Unset != "":
		return i.Unset
	case i.Required:
		return "required"
	case i.Default == "":
		return "none"
	}
	return i.Default
}

// What items wait for that have no effect yet.
const (
	awaitsAccess  = "the machine's own SSH server and console decide (design/0044)"
	awaitsH323    = "comes with H.323 (a later issue)"
	awaitsOptimal = "the node stays in the signalling of every call; leaving it comes with a later issue"
	awaitsNobody  = "the machine's own time service keeps the clock (design/0021)"
)

// awaits marks those of the items that are at or below one of the paths as being without
// effect; without paths all of them.
func awaits(what string, items []Item, paths ...string) []Item {
	for i := range items {
		below := func(p string) bool {
			rest, ok := strings.CutPrefix(items[i].Path, p)
			return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
		}
		if len(paths) == 0 || slices.ContainsFunc(paths, below) {
			items[i].Awaits = what
		}
	}
	return items
}

// Note returns the help of an item, with what it waits for.
func (i Item) Note() string {
	if i.Awaits == "" {
		return i.Text
	}
	return "(No effect yet: " + i.Awaits + ".) " + i.Text
}

// live marks items that are applied at once.
func live(items ...Item) []Item {
	for i := range items {
		items[i].Restart = RestartNone
	}
	return items
}

// peer marks items that belong to one node (PS).
func peer(items ...Item) []Item {
	for i := range items {
		items[i].Peer = true
	}
	return items
}
