package top

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
)

// View draws the screen.
func (m Model) View() tea.View {
	v := tea.NewView(m.Text())
	v.AltScreen = true
	return v
}

// Text is the screen as lines, none wider and no more of them than fit.
func (m Model) Text() string {
	lines := []string{m.palette.title(cut(m.title(), m.width))}
	foot := m.foot()
	room := max(m.height-len(foot), 1)
	switch {
	case m.help:
		lines = append(lines, m.helpText()...)
	case m.err != nil:
		lines = append(lines, "", m.palette.bad(cut(oneLine(m.err), m.width)), m.palette.dim(cut("Trying again.", m.width)))
	case !m.ready:
		lines = append(lines, "", m.palette.dim(cut("Waiting for the second sample.", m.width)))
	default:
		lines = append(lines, m.body(room-len(lines))...)
	}
	if len(lines) > room {
		lines = lines[:room]
	}
	for len(lines) < room {
		lines = append(lines, "")
	}
	lines = append(lines, foot...)
	narrow := lipgloss.NewStyle().MaxWidth(max(m.width, 1))
	for i := range lines {
		lines[i] = narrow.Render(lines[i])
	}
	return strings.Join(lines, "\n")
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func (m Model) title() string {
	parts := []string{"turnpike top", m.cfg.Node}
	if m.paused {
		parts = append(parts, "PAUSED")
	}
	if m.ready {
		parts = append(parts, m.rates.At.Format(time.TimeOnly), fmt.Sprintf("relays %d", len(m.rates.Relays)))
	}
	return strings.Join(append(parts, "every "+m.cfg.Interval.String()), "  ")
}

// body is everything between title and foot. The relays take what room is left.
func (m Model) body(room int) []string {
	lines := []string{""}
	lines = append(lines, m.paths()...)
	lines = append(lines, "")
	lines = append(lines, m.interfaces()...)
	lines = append(lines, "")
	lines = append(lines, m.reasons(max((room-len(lines))/3, 2))...)
	lines = append(lines, m.program()...)
	lines = append(lines, "")
	return append(lines, m.relayTable(max(room-len(lines), 2))...)
}

func (m Model) paths() []string {
	columns := []column{
		{head: "PATH", width: 10, left: true},
		{head: "UP pps", width: 7},
		{head: "bit/s", width: 7, rank: 2},
		{head: "DOWN pps", width: 8},
		{head: "bit/s", width: 7, rank: 2},
		{head: "POLICED", width: 7, rank: 1},
		{head: "HISTORY", left: true, rank: 3},
	}
	columns[6].width = clamp(m.width-52, 7, samples)
	keep := fit(columns, m.width)
	lines := []string{m.palette.head(line(columns, keep, heads(columns)))}
	for _, p := range m.rates.Paths {
		lines = append(lines, line(columns, keep, []string{
			string(p.Path), short(p.Up.Packets), short(p.Up.Bits), short(p.Down.Packets), short(p.Down.Bits),
			short(p.Policed), m.palette.bar(spark(m.traces["path "+string(p.Path)], columns[6].width)),
		}))
	}
	return lines
}

func (m Model) interfaces() []string {
	columns := []column{
		{head: "INTERFACE", width: 10, left: true},
		{head: "RX pps", width: 7},
		{head: "bit/s", width: 7, rank: 3},
		{head: "TX pps", width: 7},
		{head: "bit/s", width: 7, rank: 3},
		{head: "DROPPED", width: 7},
		{head: "PATH", width: 11, left: true, rank: 2},
		{head: "SPREAD", width: 13, left: true, rank: 1},
	}
	columns[7].width = clamp(m.width-63, 13, 80)
	keep := fit(columns, m.width)
	lines := []string{m.palette.head(line(columns, keep, heads(columns)))}
	for _, i := range m.rates.Interfaces {
		lines = append(lines, line(columns, keep, []string{
			i.Name, short(i.Receive.Packets), short(i.Receive.Bits), short(i.Transmit.Packets), short(i.Transmit.Bits),
			short(i.Dropped), strings.TrimSpace(i.Path + " " + i.Mode), spreadOf(i, columns[7].width),
		}))
	}
	return lines
}

// spreadOf draws one bar for each queue, and says how uneven they are.
func spreadOf(i InterfaceRate, width int) string {
	if len(i.Spread) == 0 {
		return "-"
	}
	text := fmt.Sprintf("%d %s", len(i.Spread), i.Over)
	if uneven := i.Imbalance(); uneven > 0 && len(i.Spread) > 1 {
		text += fmt.Sprintf(" %.1fx", uneven)
	}
	room := width - len(text) - 1
	if room < len(i.Spread) {
		return text
	}
	return text + " " + spark(i.Spread, room)
}

// reasons is why packets left the relay, at most so many lines.
func (m Model) reasons(room int) []string {
	columns := []column{
		{head: "LEFT THE RELAY", width: 24, left: true},
		{head: "PER SEC", width: 7},
		{head: "VERDICT", width: 7, left: true, rank: 1},
		{head: "PATH", width: 10, left: true, rank: 2},
		{head: "DROPS", left: true, rank: 3},
	}
	columns[4].width = clamp(m.width-52, 7, samples)
	keep := fit(columns, m.width)
	lines := []string{m.palette.head(line(columns, keep, heads(columns)))}
	for n, r := range m.rates.Reasons {
		if n == room {
			break
		}
		cells := []string{r.Reason, short(r.PerSecond), r.Verdict, r.Path, ""}
		if n == 0 {
			cells[4] = spark(m.traces["dropped"], columns[4].width)
		}
		text := line(columns, keep, cells)
		if r.Verdict == "drop" {
			text = m.palette.bad(text)
		}
		lines = append(lines, text)
	}
	if len(m.rates.Reasons) == 0 {
		lines = append(lines, m.palette.dim("nothing"))
	}
	return lines
}

// program is how long the XDP program takes, while that is measured.
func (m Model) program() []string {
	var text string
	switch {
	case m.timeFail != nil:
		text = "cannot time the program: " + oneLine(m.timeFail)
	case m.timing == nil:
		return nil
	case m.rates.Program.PerSecond == 0:
		text = "the program has not run since it is timed"
	default:
		p := m.rates.Program
		text = fmt.Sprintf("program %.0f ns a run, %s runs/s, %.1f%% of a CPU", p.Nanoseconds, short(p.PerSecond), 100*p.Share())
	}
	lines := []string{"", cut(text, m.width)}
	if m.timing != nil {
		lines = append(lines, m.palette.dim(cut(fmt.Sprintf("timing costs each packet %d ns; %d ns of a run are the clock's (t ends it)",
			m.timing.Cost.Nanoseconds(), m.timing.Floor.Nanoseconds()), m.width)))
	}
	return lines
}

// relayTable is the busiest relays, as many as there is room for.
func (m Model) relayTable(room int) []string {
	list := m.relays()
	columns := []column{
		{head: "RELAY", width: 8},
		{head: "USER", width: 16, left: true, rank: 1},
		{head: "CLIENT", width: 25, left: true, rank: 5},
		{head: "PATH", width: 10, left: true, rank: 3},
		{head: "UP pps", width: 7},
		{head: "DOWN pps", width: 8},
		{head: "bit/s", width: 7, rank: 2},
		{head: "LOST", width: 7, rank: 4},
	}
	keep := fit(columns, m.width)
	lines := []string{m.palette.head(line(columns, keep, heads(columns)))}
	for n, r := range list[min(m.first, len(list)):] {
		if n+1 >= room {
			break
		}
		lines = append(lines, line(columns, keep, []string{
			fmt.Sprint(r.ID), printable(r.User), r.Transport + " " + r.Client, orDash(r.Path),
			short(r.Up.Packets), short(r.Down.Packets), short(r.Bits()), lost(r),
		}))
	}
	return lines
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func lost(r RelayRate) string {
	if !r.HasRTP {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", r.Lost)
}

// foot is the keys, and what is typed.
func (m Model) foot() []string {
	keys := fmt.Sprintf("q quit  ? help  space pause  s sort (%s)  / filter%s  t time the program", m.order, shown(m.filter))
	if m.filtering {
		keys = "filter: " + m.filter + "█  enter keeps it, esc clears it"
	}
	return []string{m.palette.dim(cut(keys, m.width))}
}

func shown(filter string) string {
	if filter == "" {
		return ""
	}
	return " (" + filter + ")"
}

func (m Model) helpText() []string {
	text := []string{
		"",
		"PATH       who relays: the XDP program in the kernel, or the process (userspace)",
		"UP, DOWN   from clients to peers, from peers to clients; bits are UDP payload",
		"INTERFACE  what the driver counts, whole frames, of all programs",
		"SPREAD     a bar for each receive queue, or CPU where the driver counts none;",
		"           2.0x: the busiest has twice its share, and limits the node",
		"LEFT       why packets left the relay, and what the machine lost outside it;",
		"           `turnpike dataplane drops` says what each means and what to do",
		"LOST       RTP packets of one relay that did not come to this node",
		"t          has the kernel time every BPF program of this machine until it is",
		"           pressed again; what that costs is shown while it is on",
		"up, down   go through the relays",
		"/          shows relays with a text in user, address, path or transport",
		"",
		"?, esc     back",
	}
	for i := range text {
		text[i] = cut(text[i], m.width)
	}
	return text
}

func clamp(n, least, most int) int { return min(max(n, least), most) }
