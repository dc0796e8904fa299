package main

import (
	"fmt"
	"strings"

	"turnpike.dev/turnpike/control/config"
)

const configurationHead = `# The node file

Generated from the declarations in ` + "`control/config`" + `.

` + "`turnpike serve -c FILE`" + ` reads one YAML file. Keys that nobody knows are errors; ` + "`turnpike config check FILE`" + `
says what is wrong with line, column and what to write instead. The smallest file that makes a TURN server:

` + "```yaml" + `
system: {name: tp1}
interfaces: {external: {name: eth0}}
turn: {mode: on, realm: example.org, users: [{name: alice, password: secret}]}
` + "```" + `

*live*: ` + "`turnpike reload`" + ` (or SIGHUP) applies a change; the others wait for the next start, and reload says so.
†: belongs to this node and is never shared with a cluster.

`

// configuration is the reference of the node file.
func configuration(string) ([]byte, error) {
	var t table
	t.WriteString(configurationHead)
	section := ""
	for _, item := range config.Schema() {
		if s := item.Section(); s != section {
			section = s
			fmt.Fprintf(&t, "## %s\n\n", section)
			t.row("key", "value", "default", "", "meaning")
			t.WriteString("|---|---|---|---|---|\n")
		}
		marks := ""
		if item.Live() {
			marks = "live"
		}
		if item.Peer {
			marks += " †"
		}
		t.row("`"+item.Path+"`", item.Kind.String(), item.DefaultText(), strings.TrimSpace(marks), item.Text)
		if last(item) {
			t.WriteString("\n")
		}
	}
	t.WriteString(platforms())
	return t.Bytes(), nil
}

// last reports whether an item ends its section.
func last(item config.Item) bool {
	items := config.Schema()
	for i := range items {
		if items[i].Path == item.Path {
			return i+1 < len(items) && items[i+1].Section() != item.Section()
		}
	}
	return false
}

// platforms is the table of limits (CA-01, CA-03).
func platforms() string {
	var t table
	t.WriteString("\n## Platforms\n\n")
	t.row("platform", "TURN relays", "request ports with multiplexing off", "registrations", "calls video / audio")
	t.WriteString("|---|---|---|---|---|\n")
	for _, p := range []config.PlatformName{config.PlatformCE1200, config.PlatformLarge, config.PlatformMedium, config.PlatformSmall} {
		l := p.Limits()
		t.row(string(p), fmt.Sprint(l.Relays), fmt.Sprint(l.RequestPorts), fmt.Sprint(l.Registrations), fmt.Sprintf("%d / %d", l.VideoCalls, l.AudioCalls))
	}
	t.row("custom", "`turn.max_relays`", "6", "", "")
	return t.String()
}
