package nodetest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/perf/lab"
)

// startTime is how long a node may take to be ready, endTime how long to end.
const (
	startTime = 30 * time.Second
	endTime   = 10 * time.Second
)

// said is how much of what a node says a failed test shows.
const said = 4000

// Node is a node with a state directory; its process comes and goes.
type Node struct {
	Lab     *lab.Lab
	State   string
	Program string
	API     *api.Client

	cmd    *exec.Cmd     // nil: no process was started
	gone   chan struct{} // closed when the process has ended
	output *os.File
}

// New is a node in a lab, not started. At the end of the test its process is ended and
// what it left is cleaned up.
func New(t testing.TB, l *lab.Lab, program string) *Node {
	t.Helper()
	dir := t.TempDir()
	output, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{Lab: l, Program: program, State: filepath.Join(dir, "state"), output: output}
	n.API = api.NewClient(n.State)
	t.Cleanup(func() { n.close(t) })
	return n
}

// File is where the node file is.
func (n *Node) File() string { return filepath.Join(filepath.Dir(n.State), "node.yaml") }

// Write writes the node file; a node that runs reads it at its next start or reload.
func (n *Node) Write(t testing.TB, text string) {
	t.Helper()
	if err := os.WriteFile(n.File(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Start starts the process and returns when the node is ready.
func (n *Node) Start(t testing.TB) {
	t.Helper()
	n.Launch(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), startTime, errors.New("time is over"))
	defer cancel()
	go func(gone <-chan struct{}) {
		select {
		case <-gone:
			cancel()
		case <-ctx.Done():
		}
	}(n.gone)
	if _, err := n.API.WaitReady(ctx); err != nil {
		t.Fatalf("start the node: %v\n%s", err, n.Tail())
	}
}

// Launch starts the process.
func (n *Node) Launch(t testing.TB) {
	t.Helper()
	n.cmd = n.Lab.Node.Command(context.Background(), n.Program, "serve", "-c", n.File())
	n.cmd.Stdout, n.cmd.Stderr = n.output, n.output
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

// End ends the process with a signal and returns when it is gone.
func (n *Node) End(t testing.TB, signal unix.Signal) {
	t.Helper()
	n.Signal(t, signal)
	select {
	case <-n.gone:
	case <-time.After(endTime):
		t.Fatalf("the node goes on after %s\n%s", signal, n.Tail())
	}
}

// Signal sends the process a signal.
func (n *Node) Signal(t testing.TB, signal unix.Signal) {
	t.Helper()
	if err := n.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// PID is the id of the node's process, the last that was started.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// Gone is closed when the process has ended.
func (n *Node) Gone() <-chan struct{} { return n.gone }

func (n *Node) close(t testing.TB) {
	if n.cmd != nil && n.cmd.Process != nil {
		_ = n.cmd.Process.Kill() // it may have ended
		<-n.gone
	}
	if t.Failed() {
		t.Log(n.Tail())
	}
	n.Command(t, 0, "cleanup")
	if err := n.output.Close(); err != nil {
		t.Error(err)
	}
}

// Said is all that the node's processes wrote.
func (n *Node) Said() string {
	text, err := os.ReadFile(n.output.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Tail is the last of it.
func (n *Node) Tail() string {
	text := n.Said()
	return text[max(0, len(text)-said):]
}

// Command runs a command of the program against the node, and checks its exit code.
func (n *Node) Command(t testing.TB, want int, args ...string) string {
	t.Helper()
	cmd := exec.Command(n.Program, append(args, "--state", n.State)...)
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	_ = cmd.Run() // judged by its code
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Errorf("turnpike %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, out.String(), wrong.String())
	}
	return out.String()
}

// Log is the event log.
func (n *Node) Log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(n.State, "event.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Eventually polls until check has no complaint.
func Eventually(t testing.TB, patience time.Duration, what string, check func() error) {
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
