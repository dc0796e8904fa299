package top

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// palette says how parts of the screen look. Nothing is told by colour alone.
type palette struct {
	title, head, bad, dim, bar func(string) string
}

func colours() palette {
	style := func(s lipgloss.Style) func(string) string {
		return func(text string) string { return s.Render(text) }
	}
	return palette{
		title: style(lipgloss.NewStyle().Bold(true)),
		head:  style(lipgloss.NewStyle().Foreground(lipgloss.BrightBlue)),
		bad:   style(lipgloss.NewStyle().Foreground(lipgloss.BrightRed)),
		dim:   style(lipgloss.NewStyle().Faint(true)),
		bar:   style(lipgloss.NewStyle().Foreground(lipgloss.BrightGreen)),
	}
}

// plain is for NO_COLOR, and for the golden files.
func plain() palette {
	same := func(text string) string { return strings.TrimRight(text, " ") }
	return palette{same, same, same, same, same}
}
