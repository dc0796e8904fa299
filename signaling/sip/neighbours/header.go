package neighbours

import (
	"strconv"
	"strings"
)

// Header is how Turnpike nodes tell each other in answers to OPTIONS how much they carry
// (RG-06), and in those of traversal clients that ask:
//
//	Turnpike-Media-Sessions: maximum=500;current=12;maintenance
//
// Nobody but peers of zones of the list is told.
const Header = "Turnpike-Media-Sessions"

const (
	maxHeader   = 128
	maxSessions = 1_000_000
)

// String writes the header's value.
func (l Load) String() string {
	s := "maximum=" + strconv.Itoa(l.Maximum) + ";current=" + strconv.Itoa(l.Current)
	if l.Maintenance {
		s += ";maintenance"
	}
	return s
}

// parseLoad reads the header's value. Parameters that it does not know are for nodes to
// come. What names no maximum, or no sense, is nothing.
func parseLoad(value string) (Load, bool) {
	var l Load
	if len(value) > maxHeader {
		return l, false
	}
	known := false
	for part := range strings.SplitSeq(value, ";") {
		name, text, _ := strings.Cut(strings.TrimSpace(part), "=")
		var ok bool
		switch strings.ToLower(name) {
		case "maximum":
			l.Maximum, ok = sessions(text)
			known = true
		case "current":
			l.Current, ok = sessions(text)
		case "maintenance":
			l.Maintenance, ok = true, text == ""
		default:
			ok = true
		}
		if !ok {
			return Load{}, false
		}
	}
	return l, known
}

func sessions(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return int(min(n, maxSessions)), err == nil && n <= maxSessions
}

// free is how many sessions are left.
func (l Load) free() int { return max(0, l.Maximum-l.Current) }
