package endtoend_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/dataplane/xdp"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
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

// node is a node with a state directory; its process comes and goes.
type node struct {
	lab   *lab.Lab
	state string
	api   *api.Client

	program string
	cmd     *exec.Cmd     // nil: no process was started
	gone    chan struct{} // closed when the process has ended
	said    *os.File
}

// newNode makes a lab and starts a node in it. At the end of the test the node is
// cleaned up, and must leave nothing.
func newNode(t *testing.T, opts lab.Options, f file) *node {
	t.Helper()
	bin := built(t)
	n := nodeIn(t, labtest.New(t, opts), bin)
	n.configure(t, f)
	n.start(t)
	return n
}

// nodeIn is a node in a lab, not started.
func nodeIn(t *testing.T, l *lab.Lab, bin string) *node {
	t.Helper()
	dir := t.TempDir()
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	n := &node{lab: l, program: bin, state: filepath.Join(dir, "state"), said: said}
	n.api = api.NewClient(n.state)
	t.Cleanup(func() { n.close(t) })
	return n
}

func (n *node) file() string { return filepath.Join(filepath.Dir(n.state), "node.yaml") }

// configure writes the node file; a node that runs reads it at its next start or reload.
func (n *node) configure(t *testing.T, f file) {
	t.Helper()
	if err := os.WriteFile(n.file(), []byte(f.text(n.lab, n.state)), 0o600); err != nil {
		t.Fatal(err)
	}
}

var errTimeout = errors.New("time is over")

// start starts the process and returns when the node is ready.
func (n *node) start(t *testing.T) {
	t.Helper()
	n.launch(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, errTimeout)
	defer cancel()
	go func(gone <-chan struct{}) {
		select {
		case <-gone:
			cancel()
		case <-ctx.Done():
		}
	}(n.gone)
	if _, err := n.api.WaitReady(ctx); err != nil {
		t.Fatalf("start the node: %v\n%s", err, n.tail())
	}
}

// launch starts the process.
func (n *node) launch(t *testing.T) {
	t.Helper()
	n.cmd = n.lab.Node.Command(context.Background(), n.program, "serve", "-c", n.file())
	n.cmd.Stdout, n.cmd.Stderr = n.said, n.said
	n.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL} // when the test crashes
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.gone = make(chan struct{})
	go func(cmd *exec.Cmd, gone chan struct{}) {
		_ = cmd.Wait() // how it ended is in what it said
		close(gone)
	}(n.cmd, n.gone)
}

// end ends the process with a signal and returns when it is gone.
func (n *node) end(t *testing.T, signal unix.Signal) {
	t.Helper()
	n.signal(t, signal)
	select {
	case <-n.gone:
	case <-time.After(10 * time.Second):
		t.Fatalf("the node goes on after %s\n%s", signal, n.tail())
	}
}

func (n *node) signal(t *testing.T, signal unix.Signal) {
	t.Helper()
	if err := n.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

func (n *node) pid() int { return n.cmd.Process.Pid }

func (n *node) close(t *testing.T) {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill() // it may have ended
		<-n.gone
	}
	if t.Failed() {
		t.Log(n.tail())
	}
	n.command(t, 0, "cleanup")
	if err := n.said.Close(); err != nil {
		t.Error(err)
	}
}

// tail is the last of what the node's processes said.
func (n *node) tail() string {
	text, err := os.ReadFile(n.said.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-3000):])
}

// command runs a command of the program against the node.
func (n *node) command(t *testing.T, want int, args ...string) string {
	t.Helper()
	cmd := exec.Command(n.program, append(args, "--state", n.state)...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	_ = cmd.Run() // judged by its code
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Errorf("turnpike %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, out.String(), said.String())
	}
	return out.String()
}

// list is what `turnpike relay list -o json` says.
func (n *node) list(t *testing.T) []api.Relay {
	t.Helper()
	var relays []api.Relay
	if err := json.Unmarshal([]byte(n.command(t, 0, "relay", "list", "-o", "json")), &relays); err != nil {
		t.Fatal(err)
	}
	return relays
}

func (n *node) pins(t *testing.T) string {
	t.Helper()
	st, err := n.api.Dataplane(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st.Pins
}

// noTrace checks that a cleaned-up node left nothing.
func (n *node) noTrace(t *testing.T) {
	t.Helper()
	pins, err := xdp.PinDir("any", n.state)
	if err != nil {
		t.Fatal(err)
	}
	_, hash, _ := strings.Cut(filepath.Base(pins), "-")
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(pins), "*"+hash)); len(left) > 0 {
		t.Errorf("pins are left: %v", left)
	}
	if _, err := os.Stat(n.state); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state directory is left: %v", err)
	}
}

// addresses of the lab's node, as clients and peers see them.
func (n *node) server() netip.AddrPort {
	return netip.AddrPortFrom(n.lab.Node.Links[0].Prefixes[0].Addr(), port)
}

// eventually polls until check has no complaint.
func eventually(t *testing.T, patience time.Duration, what string, check func() error) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: after %s: %v", what, patience, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// log is the event log.
func (n *node) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(n.state, "event.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
