package endtoend_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/dataplane/xdp"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// Who may use the nodes.
const (
	user     = "u"
	password = "p"
	realm    = "test"
	port     = 3478
)

// file is a node file, section by section; what stands in them besides the usual.
type file struct {
	name       string // empty: that of the lab
	platform   string // with what else stands in system; empty: CE1200
	interfaces string // empty: both of the lab, or its only one
	turn       string // besides mode, realm and user
	users      string // empty: the one user
	more       string // other sections
}

func (f file) text(l *lab.Lab, state string) string {
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	both := "internal: {name: s0}, external: {name: s1}"
	if len(l.Node.Links) == 1 {
		both = "external: {name: s0}"
	}
	turn := fmt.Sprintf("mode: on, realm: %s, users: [%s]", realm,
		or(f.users, fmt.Sprintf("{name: %s, password: %s}", user, password)))
	if f.turn != "" {
		turn += ", " + f.turn
	}
	return fmt.Sprintf("system: {name: %s, state: %q, platform: %s}\ninterfaces: {%s}\nturn: {%s}\n%s\n",
		or(f.name, l.Name), state, or(f.platform, "CE1200"), or(f.interfaces, both), turn, f.more)
}

// node is a node of these tests.
type node struct{ *nodetest.Node }

// newNode makes a lab and starts a node in it. At the end of the test the node is
// cleaned up, and must leave nothing.
func newNode(t *testing.T, opts lab.Options, f file) *node {
	t.Helper()
	n := nodeIn(t, labtest.New(t, opts), nodetest.Built(t))
	n.configure(t, f)
	n.Start(t)
	return n
}

// nodeIn is a node in a lab, not started.
func nodeIn(t *testing.T, l *lab.Lab, bin string) *node {
	t.Helper()
	return &node{nodetest.New(t, l, bin)}
}

// configure writes the node file; a node that runs reads it at its next start or reload.
func (n *node) configure(t *testing.T, f file) {
	t.Helper()
	n.Write(t, f.text(n.Lab, n.State))
}

// list is what `turnpike relay list -o json` says.
func (n *node) list(t *testing.T) []api.Relay {
	t.Helper()
	var relays []api.Relay
	if err := json.Unmarshal([]byte(n.Command(t, 0, "relay", "list", "-o", "json")), &relays); err != nil {
		t.Fatal(err)
	}
	return relays
}

func (n *node) pins(t *testing.T) string {
	t.Helper()
	st, err := n.API.Dataplane(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st.Pins
}

// noTrace checks that a cleaned-up node left nothing.
func (n *node) noTrace(t *testing.T) {
	t.Helper()
	pins, err := xdp.PinDir("any", n.State)
	if err != nil {
		t.Fatal(err)
	}
	_, hash, _ := strings.Cut(filepath.Base(pins), "-")
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(pins), "*"+hash)); len(left) > 0 {
		t.Errorf("pins are left: %v", left)
	}
	if _, err := os.Stat(n.State); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state directory is left: %v", err)
	}
}

// addresses of the lab's node, as clients and peers see them.
func (n *node) server() netip.AddrPort {
	return netip.AddrPortFrom(n.Lab.Node.Links[0].Prefixes[0].Addr(), port)
}
