package clusterlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/perf/lab"
)

// Node is a node; its process comes and goes.
type Node struct {
	Name  string // tp1, tp2, ...
	Index int    // from 0
	Host  *lab.Host
	State string
	File  string
	API   *api.Client

	cluster *Cluster
	program string
	cmd     *exec.Cmd
	gone    chan struct{}
	output  *os.File
	disk    *Disk // nil: the machine's
}

func newNode(c *Cluster, i int, program, dir string) (*Node, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	output, err := os.OpenFile(filepath.Join(dir, "said"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	n := &Node{
		Name: fmt.Sprintf("tp%d", i+1), Index: i, Host: c.Star.Hosts[i], cluster: c, program: program, output: output,
		State: filepath.Join(dir, "state"), File: filepath.Join(dir, "node.yaml"),
	}
	n.API = api.NewClient(n.State)
	return n, nil
}

// Launch starts the process.
func (n *Node) Launch() error {
	cmd := n.command()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	n.runs(cmd)
	return nil
}

func (n *Node) command() *exec.Cmd {
	cmd := n.Host.Command(context.Background(), n.program, "serve", "-c", n.File)
	cmd.Stdout, cmd.Stderr = n.output, n.output
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL} // when the test crashes
	return cmd
}

// runs takes note of a process that was started.
func (n *Node) runs(cmd *exec.Cmd) {
	n.cmd, n.gone = cmd, make(chan struct{})
	go func(gone chan struct{}) {
		_ = cmd.Wait() // how it ended is in what it said
		close(gone)
	}(n.gone)
}

// Start starts the process and returns when the node is ready.
func (n *Node) Start(ctx context.Context) error {
	if err := n.Launch(); err != nil {
		return err
	}
	return n.Ready(ctx)
}

// Ready waits until the node says that it is.
func (n *Node) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lastly)
	defer cancel()
	if _, err := n.API.WaitReady(ctx); err != nil {
		return fmt.Errorf("%s does not become ready: %w\n%s", n.Name, err, n.Tail())
	}
	return nil
}

// Signal sends the process a signal.
func (n *Node) Signal(s unix.Signal) error { return n.cmd.Process.Signal(s) }

// PID is the process's id; a restart by command keeps it.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// endTime is how long a node may take to end.
const endTime = 15 * time.Second

// End ends the process with a signal and returns when it is gone.
func (n *Node) End(s unix.Signal) error {
	if n.cmd == nil {
		return nil
	}
	if err := n.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if err := n.Ended(endTime); err != nil {
		return fmt.Errorf("after %s: %w", s, err)
	}
	return nil
}

// Ended waits until the process has ended.
func (n *Node) Ended(within time.Duration) error {
	select {
	case <-n.gone:
		n.cmd = nil
		return nil
	case <-time.After(within):
		return fmt.Errorf("%s goes on\n%s", n.Name, n.Tail())
	}
}

// Restart restarts the node by command, and waits until a new process is ready.
func (n *Node) Restart(ctx context.Context) error {
	before, err := n.API.WaitReady(ctx)
	if err != nil {
		return err
	}
	if err := n.API.Restart(ctx); err != nil {
		return err
	}
	return n.Anew(ctx, before)
}

// Anew waits until the process is another than it was.
func (n *Node) Anew(ctx context.Context, before api.Status) error {
	return n.Await(ctx, "it runs anew", func() error {
		ask, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		st, err := n.API.WaitReady(ask)
		if err == nil && !st.Started.After(before.Started) {
			err = errors.New("it is the process before")
		}
		return err
	})
}

// Run runs a command of the program against the node.
func (n *Node) Run(args ...string) (string, error) {
	cmd := n.Host.Command(context.Background(), n.program, append(args, "--state", n.State)...)
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: turnpike %s: %w: %s", n.Name, strings.Join(args, " "), err, wrong.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// Standing are the numbers of the alarms that stand.
func (n *Node) Standing(ctx context.Context) (map[int]string, error) {
	all, err := n.API.Alarms(ctx)
	out := map[int]string{}
	for _, a := range all {
		if a.Stands() {
			out[a.Number] = a.Detail
		}
	}
	return out, err
}

// Log is the event log.
func (n *Node) Log() string {
	text, err := os.ReadFile(filepath.Join(n.State, "event.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Tail is the last of what the node's processes wrote.
func (n *Node) Tail() string {
	text, err := os.ReadFile(n.output.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-6000):])
}

// Filter puts rules of nftables into the node's namespace, in place of those before; none
// for no rule. They are of the chain "input" or "output".
func (n *Node) Filter(rules ...string) error {
	script := "table inet cut {}\ndelete table inet cut\n"
	if len(rules) > 0 {
		script += "table inet cut {\nchain input { type filter hook input priority -10; }\nchain output { type filter hook output priority -10; }\n}\n"
		for _, r := range rules {
			script += "add rule inet cut " + r + "\n"
		}
	}
	cmd := n.Host.Command(context.Background(), "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("filter in %s: %w: %s", n.Name, err, out)
	}
	return nil
}

func (n *Node) close() error {
	var errs []error
	if n.cmd != nil {
		_ = n.Signal(unix.SIGCONT) // a stopped one does not see its end
		errs = append(errs, n.End(unix.SIGKILL))
	}
	_, _ = n.Run("cleanup") // it may never have run
	if n.disk != nil {
		errs = append(errs, n.disk.close())
	}
	return errors.Join(append(errs, n.output.Close())...)
}
