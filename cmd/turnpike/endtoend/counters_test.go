package endtoend_test

import (
	"slices"
	"strconv"
	"strings"
)

// parseCounter finds a counter in the text of a file under /proc/net.
func parseCounter(text, name string) (uint64, error) {
	group, column, grouped := strings.Cut(name, ": ")
	var names []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) < 2:
		case !grouped && fields[0] == name:
			return strconv.ParseUint(fields[1], 10, 64)
		case grouped && fields[0] == group+":" && names == nil:
			names = fields
		case grouped && fields[0] == group+":":
			if i := slices.Index(names, column); i > 0 && i < len(fields) {
				return strconv.ParseUint(fields[i], 10, 64)
			}
			return 0, errNoCounter
		}
	}
	return 0, errNoCounter
}
