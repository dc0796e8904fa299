package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// checker looks at what single values cannot show: sections against each other.
type checker struct {
	b *binder
	n *Node
	// names are those that may stand for an item that refers to others.
	names map[*Item]map[string]bool
}

// check reports what a node file says that cannot work.
func check(b *binder, n *Node) {
	c := checker{b: b, n: n, names: map[*Item]map[string]bool{}}
	c.system()
	c.interfaces()
	c.ports()
	c.media()
	c.tls()
	c.users()
	c.platform()
	c.admin()
	c.log()
	c.entries(nil, root(), reflect.ValueOf(n).Elem())
	c.network()
	c.cluster()
	c.signaling()
	c.zones()
	c.traversal()
	c.bandwidth()
	c.licensing()
	c.rules()
}

// at returns where the value of a key stands, or else the nearest section around it.
func (c checker) at(path string) *token.Token {
	if tok := c.b.values[path]; tok != nil {
		return tok
	}
	for path != "" {
		if tok := c.b.keys[path]; tok != nil {
			return tok
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return nil
}

func (c checker) wrong(path, text, advice string) {
	if c.b.lines == nil {
		c.b.problems = append(c.b.problems, Problem{Path: path, Text: text, Advice: advice})
		return
	}
	c.b.problem(c.at(path), text, advice)
}

func (c checker) system() {
	switch {
	case c.n.System.Name == "":
		c.wrong("system.name", "system.name is missing", "write system: {name: tp1}")
	case !label.MatchString(c.n.System.Name):
		c.wrong("system.name", fmt.Sprintf("system.name cannot be %q", c.n.System.Name),
			"use up to 63 letters, digits and hyphens, no hyphen first or last")
	}
	if !filepath.IsAbs(c.n.System.State) {
		c.wrong("system.state", "system.state is not an absolute path", "write for example /var/lib/turnpike")
	}
}

// interfaceName is what the kernel allows (IFNAMSIZ) and a command line can carry.
var interfaceName = regexp.MustCompile(`^[^\s/:]{1,15}$`)

func (c checker) interfaces() {
	in, ex := c.n.Interfaces.Internal, c.n.Interfaces.External
	if in == nil && ex == nil && c.n.TURN.Mode { // without both a node is closed, as it is installed
		c.wrong("interfaces", "no interface is named", "write interfaces: {external: {name: eth0}}")
	}
	if in != nil && !interfaceName.MatchString(in.Name) {
		c.wrong("interfaces.internal.name", "interfaces.internal.name is missing or no interface name", "see `ip -br link` for the names")
	}
	if ex == nil {
		return
	}
	if !interfaceName.MatchString(ex.Name) {
		c.wrong("interfaces.external.name", "interfaces.external.name is missing or no interface name", "see `ip -br link` for the names")
	}
	if in != nil && in.Name == ex.Name {
		c.wrong("interfaces.external.name", "both interfaces are "+ex.Name, "with one interface name only external")
	}
	if a := ex.StaticNAT; a.IsValid() && (!a.IsGlobalUnicast() || a.Zone() != "" || a.Is4In6()) {
		c.wrong("interfaces.external.static_nat", fmt.Sprintf("interfaces.external.static_nat cannot be %s", a),
			"write the address under which the internet sees the external interface")
	}
}

func (c checker) ports() {
	t := c.n.TURN
	ports := c.n.Ports()
	last := int(t.Port) + len(ports) - 1
	if t.Port < 1024 || last > 65534 {
		c.wrong("turn.port", fmt.Sprintf("turn.port cannot be %d", t.Port),
			fmt.Sprintf("want 1024 to %d", 65535-len(ports)))
	}
	m := t.MediaPorts
	c.pairs("turn.media_ports", m, 65535)
	if last >= int(m.Start) && t.Port <= m.End {
		c.wrong("turn.port", fmt.Sprintf("turn.port %d lies in turn.media_ports %d to %d", t.Port, m.Start, m.End),
			"keep request ports and relay ports apart")
	}
}

func (c checker) tls() {
	t := c.n.TURN.TLS
	if t == nil {
		return
	}
	if t.Port < 1024 || t.Port > 65534 {
		c.wrong("turn.tls.port", fmt.Sprintf("turn.tls.port cannot be %d", t.Port), "want 1024 to 65534")
	}
	if t.Certificate == "" && t.Key != "" {
		c.wrong("turn.tls.certificate", "turn.tls.certificate is missing", "name the file with the certificate chain in PEM, or leave turn.tls.key out too for the node's server certificate")
	}
	if t.Key == "" && t.Certificate != "" {
		c.wrong("turn.tls.key", "turn.tls.key is missing", "name the file with the private key in PEM")
	}
	for _, p := range c.n.Ports() {
		if p == t.Port && c.n.TURN.TCP {
			c.wrong("turn.tls.port", fmt.Sprintf("turn.tls.port %d is also a turn.port", t.Port), "use 5349, or turn.tcp: off")
		}
	}
}

func (c checker) users() {
	t := c.n.TURN
	if t.Mode && t.Realm == "" {
		c.wrong("turn.realm", "turn.realm is empty", "write a realm, for example your domain")
	}
	for i, s := range t.Secrets {
		if s == "" {
			c.wrong(fmt.Sprintf("turn.secrets[%d]", i+1), "a shared secret is empty", "take it out, or write one")
		}
	}
}

func (c checker) platform() {
	t, custom := c.n.TURN, c.n.System.Platform == PlatformCustom
	if t.Mode && c.n.System.Role != RoleEdge {
		c.wrong("turn.mode", "turn.mode is on, but the node's role is C", "TURN is an edge's work: write system.role: E, or turn.mode: off")
	}
	c.custom("registrations.max", c.n.Registrations.Max)
	c.custom("calls.max", c.n.Calls.Max)
	switch {
	case custom && (t.MaxRelays < 1 || t.MaxRelays > 65536):
		c.wrong("turn.max_relays", "platform custom needs turn.max_relays", "write a number from 1 to 65536")
	case !custom && t.MaxRelays != 0:
		c.wrong("turn.max_relays", fmt.Sprintf("turn.max_relays is for platform custom; %s has %d", c.n.System.Platform, c.n.MaxRelays()),
			"leave it out, or write system.platform: custom")
	}
}

// custom refuses a limit that the platform brings.
func (c checker) custom(path string, limit int) {
	if limit != 0 && c.n.System.Platform != PlatformCustom {
		c.wrong(path, fmt.Sprintf("%s is for platform custom; %s brings its own", path, c.n.System.Platform),
			"leave it out, or write system.platform: custom")
	}
}

func (c checker) log() {
	if f := c.n.Log.File; f != "" && f != "off" && !filepath.IsAbs(f) {
		c.wrong("log.file", "log.file is not an absolute path", "write for example /var/log/turnpike/event.log, or off")
	}
}

// LogFile returns the event log's file; empty when there is none.
func (n *Node) LogFile() string {
	switch n.Log.File {
	case "off":
		return ""
	case "":
		return filepath.Join(n.System.State, "event.log")
	default:
		return n.Log.File
	}
}
