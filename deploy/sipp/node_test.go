package sipp_test

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
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

// Who may register, and the ports of both ends of calls.
const (
	domain     = "example.test"
	password   = "secret"
	sipPort    = 5060
	tlsPort    = 5061
	callerPort = 5062
	calleePort = 5070
)

// contract is the node file that other tools rely on, with the lab's addresses: %s are
// name, state directory, callee and caller.
const contract = `system: {name: %s, role: E, platform: CE1200, state: %q}
interfaces: {internal: {name: s0}, external: {name: s1}}
sip: {mode: on, udp: 5060, tcp: 5060, tls: 5061}
domains: [example.test]
accounts: [{name: alice, password: secret}, {name: bob, password: secret}]
zones: [{name: out, type: neighbour, protocol: sip, peers: ["%s"], monitor: off}, {name: in, type: neighbour, protocol: sip, peers: ["%s"], monitor: off}]
search_rules: [{name: out, priority: 100, pattern: {type: any}, target: out}, {name: local, priority: 50, pattern: {type: any}, target: local}]
`

// node is a node with a lab of its own.
type node struct {
	*lab.Lab
	state, program string
	api            *api.Client
	cmd            *exec.Cmd
	gone           chan struct{}
	said           *os.File
}

// newNode starts a node with the contract's file, or with what another makes of it.
func newNode(t *testing.T, change func(l *lab.Lab, file string) string) *node {
	t.Helper()
	bin := built(t)
	l := labtest.New(t, lab.Options{Clients: 4, Peers: 4})
	dir := t.TempDir()
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Lab: l, program: bin, state: filepath.Join(dir, "state"), said: said}
	n.api = api.NewClient(n.state)
	t.Cleanup(func() { n.close(t) })
	file := fmt.Sprintf(contract, l.Name, n.state, n.callee(0), n.caller(0))
	if change != nil {
		file = change(l, file)
	}
	if err := os.WriteFile(n.file(), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start(t)
	return n
}

// withSIP adds settings to the contract's file.
func withSIP(settings string) func(*lab.Lab, string) string {
	return func(_ *lab.Lab, file string) string {
		return strings.Replace(file, "sip: {mode: on", "sip: {mode: on, "+settings, 1)
	}
}

func (n *node) file() string { return filepath.Join(filepath.Dir(n.state), "node.yaml") }

func (n *node) start(t *testing.T) {
	t.Helper()
	n.cmd = n.Node.Command(context.Background(), n.program, "serve", "-c", n.file())
	n.cmd.Stdout, n.cmd.Stderr = n.said, n.said
	n.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.gone = make(chan struct{})
	go func() {
		_ = n.cmd.Wait() // how it ended is in what it said
		close(n.gone)
	}()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, errors.New("time is over"))
	defer cancel()
	go func() {
		select {
		case <-n.gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	if _, err := n.api.WaitReady(ctx); err != nil {
		t.Fatalf("start the node: %v\n%s", err, n.tail())
	}
}

func (n *node) close(t *testing.T) {
	if n.cmd != nil && n.cmd.Process != nil {
		select {
		case <-n.gone:
			t.Errorf("the node ended by itself\n%s", n.tail())
		default:
		}
		_ = n.cmd.Process.Kill() // it may have ended
		<-n.gone
	}
	if t.Failed() {
		t.Log(n.tail())
	}
	n.command(t, "cleanup")
	if err := n.said.Close(); err != nil {
		t.Error(err)
	}
}

// tail is the last of what the node said.
func (n *node) tail() string {
	text, err := os.ReadFile(n.said.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// command runs a command of the program against the node.
func (n *node) command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(n.program, append(args, "--state", n.state)...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Errorf("turnpike %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), said.String())
	}
	return out.String()
}

// Addresses of the ends: callers are clients, callees peers, by their number in the lab.
func (n *node) caller(i int) netip.AddrPort {
	return netip.AddrPortFrom(n.ClientAddrs.V4[i], callerPort)
}

func (n *node) callee(i int) netip.AddrPort {
	return netip.AddrPortFrom(n.PeerAddrs.V4[i], calleePort)
}

// near and far are where the node listens towards callers and callees.
func (n *node) near() netip.AddrPort {
	return netip.AddrPortFrom(n.Node.Link("s0").Prefixes[0].Addr(), sipPort)
}

func (n *node) far() netip.AddrPort {
	return netip.AddrPortFrom(n.Node.Link("s1").Prefixes[0].Addr(), sipPort)
}

// calling is a SIPp that calls somebody through the node.
func (n *node) calling(scenario, whom string, number int) runner.Config {
	return runner.Config{Host: n.Client, Scenario: scenario, Local: n.caller(0), Target: n.near(), Service: whom, Calls: number}
}

// called is a SIPp that is called.
func (n *node) called(scenario string, number int) runner.Config {
	return runner.Config{Host: n.Peer, Scenario: scenario, Local: n.callee(0), MediaPort: 6000, Calls: number}
}

// begin starts an answering side that ends with the test.
func begin(t *testing.T, c runner.Config) *runner.Process {
	t.Helper()
	p, err := runner.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// all checks that every call of a SIPp was as its scenario says.
func all(t *testing.T, number int) func(runner.Result, error) runner.Result {
	return func(r runner.Result, err error) runner.Result {
		t.Helper()
		if err != nil {
			t.Error(err)
		} else if r.Successful != number {
			t.Errorf("%d of %d calls went well", r.Successful, number)
		}
		return r
	}
}

// ended is what `turnpike call list --ended -o json` says of calls to somebody, once there
// are as many.
func (n *node) ended(t *testing.T, whom string, number int) []calls.Call {
	t.Helper()
	var found []calls.Call
	eventually(t, 5*time.Second, func() error {
		var list []calls.Call
		if err := json.Unmarshal([]byte(n.command(t, "call", "list", "--ended", "-o", "json")), &list); err != nil {
			return err
		}
		found = nil
		for _, c := range list {
			if strings.Contains(c.To, whom) {
				found = append(found, c)
			}
		}
		if len(found) != number {
			return fmt.Errorf("%d calls to %s ended, want %d", len(found), whom, number)
		}
		return nil
	})
	return found
}

// carried is what the node says that its calls carried.
type carried struct {
	fromCallers, fromCallees uint64
	missing                  int64 // from callees: numbers that never came
}

// onXDP checks that every stream of the calls was carried by the kernel, and that nothing
// of what callers sent was missing when it came.
func onXDP(t *testing.T, list []calls.Call, streams int) (sum carried) {
	t.Helper()
	for _, c := range list {
		if len(c.Streams) != streams {
			t.Errorf("call %d: %d streams carried something, want %d: %+v", c.ID, len(c.Streams), streams, c.Streams)
		}
		for _, s := range c.Streams {
			if s.Path != "xdp" {
				t.Errorf("call %d %s: path=%s (%s)", c.ID, s.Kind, s.Path, s.Reason)
			}
			if s.A.Lost != 0 {
				t.Errorf("call %d %s: %d packets of the caller are missing", c.ID, s.Kind, s.A.Lost)
			}
			sum.fromCallers, sum.fromCallees = sum.fromCallers+s.A.Packets, sum.fromCallees+s.B.Packets
			sum.missing += s.B.Lost
		}
	}
	return sum
}

// eventually polls until check has no complaint.
func eventually(t *testing.T, patience time.Duration, check func() error) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %s: %v", patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
