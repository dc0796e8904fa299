package main

import (
	"fmt"
	"strings"

	"turnpike.dev/turnpike/control/config"
)

const configurationHead = `# The configuration

Generated from the declarations in ` + "`control/config`" + `.

` + "`turnpike serve -c FILE`" + ` reads one YAML file. Keys that nobody knows are errors; ` + "`turnpike config check FILE`" + `
says what is wrong with line, column and what to write instead. The smallest file that makes a TURN server:

` + "```yaml" + `
system: {name: tp1}
interfaces: {external: {name: eth0}}
turn: {mode: on, realm: example.org, users: [{name: alice, password: secret}]}
` + "```" + `

The file is where a node begins. Its configuration is in a store in the state directory, as revisions with who made
them, and can be changed without the file:

` + "```sh" + `
turnpike config set turn.realm example.org             # or: turnpike xconfiguration Traversal Server TURN Authentication Realm: example.org
turnpike config add zones office peers=192.0.2.1       # or: turnpike xcommand ZoneAdd ZoneName: office Type: Neighbor
turnpike config set 'zones[office].hop_count' 5        # entries go by name or by index
turnpike config history
turnpike config rollback 3
turnpike config show > node.yaml                       # secrets as ***; where a file has ***, the secret stays
turnpike config apply node.yaml
` + "```" + `

At each start the file sets what belongs to the node (†). Everything else it sets as long as the store holds only what
the file put there; once it was changed by command, the store counts, and ` + "`status`" + ` says what of the file is not in force.
` + "`turnpike reload`" + ` (or SIGHUP) does the same while the node runs; ` + "`turnpike config apply FILE`" + ` takes the whole file.

*live*: a change is applied at once. *part*: the part takes it over by itself, and what runs on it ends. The others wait
for the next start; the answer to the change says so. †: belongs to this node and is never shared with a cluster.
The second line of a key is its path in xConfiguration, with the bounds of its indices.

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
		switch item.Restart {
		case config.RestartNone:
			marks = "live"
		case config.RestartSubsystem:
			marks = "part"
		}
		if item.Peer {
			marks += " †"
		}
		t.row("`"+item.Path+"`<br>"+item.XIndexed(), item.Kind.String(), item.DefaultText(), strings.TrimSpace(marks), item.Note())
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
