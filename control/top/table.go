package top

import (
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"
)

// column is one of a table. Where the screen is too narrow for all, those with the highest
// rank go first.
type column struct {
	head  string
	width int
	left  bool // aligned; numbers are not
	rank  int  // 0: always there
}

// fit leaves out the columns of one rank after the other until the rest is no wider than
// the screen. It returns the indices of those that stay.
func fit(columns []column, width int) []int {
	worst := 0
	for _, c := range columns {
		worst = max(worst, c.rank)
	}
	for {
		var keep []int
		total := -1
		for i, c := range columns {
			if c.rank <= worst {
				keep = append(keep, i)
				total += c.width + 1
			}
		}
		if total <= width || worst == 0 {
			return keep
		}
		worst--
	}
}

// line joins the cells of the columns that stay.
func line(columns []column, keep []int, cells []string) string {
	parts := make([]string, len(keep))
	for at, i := range keep {
		parts[at] = pad(cells[i], columns[i].width, columns[i].left)
	}
	return strings.TrimRight(strings.Join(parts, " "), " ")
}

func heads(columns []column) []string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.head
	}
	return list
}

// pad makes a cell as wide as its column.
func pad(s string, width int, left bool) string {
	s = cut(s, width)
	space := strings.Repeat(" ", max(width-lipgloss.Width(s), 0))
	if left {
		return s + space
	}
	return space + s
}

// cut shortens s to a width, and shows that it did.
func cut(s string, width int) string {
	if lipgloss.Width(s) <= width {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && lipgloss.Width(string(runes))+1 > width {
		runes = runes[:len(runes)-1]
	}
	if width < 1 {
		return ""
	}
	return string(runes) + "…"
}

// printable keeps what came from the wire from doing things to the terminal.
func printable(s string) string {
	q := strconv.QuoteToASCII(s)
	if q == `"`+s+`"` {
		return s
	}
	return q
}

// units are of a thousand each.
var units = [...]string{"", "k", "M", "G", "T"}

// short writes a number in at most seven places: 999, 12.3k, 1.23M.
func short(n float64) string {
	unit := 0
	for n >= 999.5 && unit < len(units)-1 {
		n /= 1000
		unit++
	}
	switch {
	case unit == 0 && (n == 0 || n >= 10):
		return strconv.FormatFloat(n, 'f', 0, 64)
	case n < 9.995:
		return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 2, 64), ".00") + units[unit]
	case n < 99.95:
		return strconv.FormatFloat(n, 'f', 1, 64) + units[unit]
	default:
		return strconv.FormatFloat(n, 'f', 0, 64) + units[unit]
	}
}

// bars are an eighth of a line to a whole one.
var bars = [...]rune{'▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'}

// spark draws the last values, the greatest of them as high as the line. What is nothing
// has no bar.
func spark(values []float64, width int) string {
	if len(values) > width {
		values = values[len(values)-width:]
	}
	var most float64
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	for _, v := range values {
		if v <= 0 || most == 0 {
			b.WriteRune(' ')
			continue
		}
		b.WriteRune(bars[min(int(v/most*float64(len(bars))), len(bars)-1)])
	}
	return b.String()
}
