package calls

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// laneWidth is how far apart the parties of a picture stand, and maxLanes how many
	// there are: of a call that rang more places the rest is drawn at the last.
	laneWidth, maxLanes = 26, 6
	timeWidth           = 9
	nodeName            = "turnpike"
)

// Picture draws a ladder as text: who said what to whom, one line a message. With
// messages, each is followed by its text.
func Picture(l Ladder, messages bool) string {
	var b strings.Builder
	lanes := lanesOf(l.Messages)
	heading(&b, lanes)
	for i, m := range l.Messages {
		if i == l.LeftOutAt && l.LeftOut > 0 {
			fmt.Fprintf(&b, "%*s  (%d messages are left out)\n", timeWidth, "", l.LeftOut)
		}
		at := m.At.Sub(l.Call.Started).Seconds()
		fmt.Fprintf(&b, "%*.3f  %s\n", timeWidth, at, row(lanes, m))
		if messages {
			indented(&b, m)
		}
	}
	return b.String()
}

// unknown stands for a party without an address.
var unknown = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)

// lanesOf returns who takes part, from left to right: the zero address is this node, and
// stands behind whoever spoke first.
func lanesOf(list []Message) []netip.AddrPort {
	var lanes []netip.AddrPort
	for _, m := range list {
		if m.Remote.IsValid() && !slices.Contains(lanes, m.Remote) && len(lanes) < maxLanes-1 {
			lanes = append(lanes, m.Remote)
		}
	}
	if len(lanes) == 0 {
		lanes = append(lanes, unknown) // nobody knows who
	}
	return slices.Insert(lanes, 1, netip.AddrPort{})
}

func heading(b *strings.Builder, lanes []netip.AddrPort) {
	line := make([]rune, 0, len(lanes)*laneWidth)
	for i, a := range lanes {
		name := nodeName
		if a.IsValid() {
			name = a.String()
		}
		at := max(place(i)-utf8.RuneCountInString(name)/2, len(line)+min(i, 1))
		line = append(line, []rune(strings.Repeat(" ", at-len(line))+name)...)
	}
	fmt.Fprintf(b, "%*s  %s\n", timeWidth, "seconds", string(line))
}

// place is the column of a lane.
func place(lane int) int { return laneWidth/2 + lane*laneWidth }

// row draws one message between its two lanes.
func row(lanes []netip.AddrPort, m Message) string {
	line := []rune(strings.Repeat(" ", place(len(lanes)-1)+1))
	for i := range lanes {
		line[place(i)] = '|'
	}
	const node = 1        // its lane
	far := len(lanes) - 1 // also of whoever has no lane
	if far == node {
		far = 0
	}
	if i := slices.Index(lanes, m.Remote); m.Remote.IsValid() && i >= 0 {
		far = i
	}
	left, right := place(min(node, far)), place(max(node, far))
	for x := left + 1; x < right; x++ {
		line[x] = '-'
	}
	if m.Sent == (far > node) {
		line[right-1] = '>'
	} else {
		line[left+1] = '<'
	}
	put(line, left, right, Summary(m.Data))
	return strings.TrimRight(string(line), " ") + "  " + m.Transport
}

// put writes a label into the middle of an arrow.
func put(line []rune, left, right int, label string) {
	text := []rune(" " + label + " ")
	if room := right - left - 5; len(text) > room {
		text = append(text[:room-1], ' ')
	}
	copy(line[left+1+(right-left-1-len(text))/2:], text)
}

// Summary says in a few words what a message is: INVITE (SDP), 200 OK.
func Summary(data []byte) string {
	first, _, _ := bytes.Cut(data, []byte{'\n'})
	words := strings.Fields(clean(string(bytes.TrimRight(first, "\r"))))
	if len(words) == 0 {
		return "?"
	}
	what := words[0]
	if strings.HasPrefix(what, "SIP/") && len(words) > 1 {
		what = strings.Join(words[1:], " ")
	}
	if hasSDP(data) {
		what += " (SDP)"
	}
	return what
}

func hasSDP(data []byte) bool {
	_, body, ok := bytes.Cut(data, []byte("\r\n\r\n"))
	return ok && (bytes.HasPrefix(body, []byte("v=0")) || bytes.Contains(body, []byte("\nv=0")))
}

// indented writes the text of a message so that nothing in it can act on a terminal.
func indented(b *strings.Builder, m Message) {
	for line := range strings.Lines(string(m.Data)) {
		text := fmt.Sprintf("%*s  %s", timeWidth, "", clean(strings.TrimRight(line, "\r\n")))
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	if m.Cut > 0 {
		fmt.Fprintf(b, "%*s  (%d bytes more)\n", timeWidth, "", m.Cut)
	}
	b.WriteByte('\n')
}

// clean makes a dot of whatever does not print.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, s)
}
