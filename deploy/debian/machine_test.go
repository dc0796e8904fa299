package debian_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
)

// machine is a Debian that runs: a systemd with everything below it, on a root of its
// own, in the namespace of a lab's node.
type machine struct {
	root   string
	nspawn *exec.Cmd
	gone   chan struct{} // closed when it is off
	init   int           // its first process, as this machine counts them
	said   bytes.Buffer  // on its console; read it when it is gone
}

// boot starts a fresh machine and returns when it has started all it has. It is switched
// off at the end of the test, or with the process that runs it.
func boot(t *testing.T, host *lab.Host) *machine {
	t.Helper()
	m := &machine{root: freshRoot(t), gone: make(chan struct{})}
	m.nspawn = exec.Command("systemd-nspawn", "--quiet", "--boot", "--directory="+m.root,
		"--machine="+host.Name, "--keep-unit", "--register=no", "--console=pipe",
		"--network-namespace-path="+host.Path(),
		// As on hardware. What the service may do is its unit's to say.
		"--capability=all", "--system-call-filter=bpf perf_event_open")
	m.nspawn.Stdout, m.nspawn.Stderr = &m.said, &m.said
	m.nspawn.SysProcAttr = &unix.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
	if err := m.nspawn.Start(); err != nil {
		t.Fatalf("start a machine: %v: run `make deps`", err)
	}
	go func() {
		_ = m.nspawn.Wait() // it is killed in the end
		close(m.gone)
	}()
	t.Cleanup(func() { m.off(t) })
	eventually(t, time.Minute, "the machine starts", m.started)
	// Nobody mounts this in a container. On hardware systemd does, for root alone.
	m.run(t, "mount", "-t", "bpf", "-o", "mode=0700", "bpf", "/sys/fs/bpf")
	// The settings of its network are its own; the kernel keeps it from those of all.
	m.run(t, "mount", "-o", "remount,bind,rw", "/proc/sys")
	return m
}

// started finds the machine's first process and asks it whether all is there.
func (m *machine) started() error {
	select {
	case <-m.gone:
		return fmt.Errorf("the machine is off: %s", m.said.String())
	default:
	}
	pid := m.nspawn.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(children), " ")
	if m.init, err = strconv.Atoi(first); err != nil {
		return fmt.Errorf("no first process: %w", err)
	}
	out, err := m.command("systemctl", "is-system-running").CombinedOutput()
	if state := strings.TrimSpace(string(out)); state != "running" && state != "degraded" {
		return fmt.Errorf("the machine is %q: %w", state, err)
	}
	return nil
}

// off switches the machine off, gently if it lets itself.
func (m *machine) off(t *testing.T) {
	if t.Failed() && m.init > 0 {
		out, _ := m.command("journalctl", "--no-pager", "-o", "short-monotonic", "-u", "turnpike", "-n", "40").CombinedOutput()
		t.Logf("the journal:\n%s", out)
	}
	_ = m.nspawn.Process.Signal(unix.SIGTERM) // it may have ended
	select {
	case <-m.gone:
	case <-time.After(15 * time.Second):
		_ = m.nspawn.Process.Kill()
		<-m.gone
	}
}

// command is a program of the machine, run by its root.
func (m *machine) command(args ...string) *exec.Cmd {
	inside := []string{
		"--target", strconv.Itoa(m.init), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive",
	}
	return exec.Command("nsenter", append(inside, args...)...)
}

// run runs a program of the machine that must succeed, and returns what it said.
func (m *machine) run(t *testing.T, args ...string) string {
	t.Helper()
	return m.exits(t, 0, args...)
}

// exits runs a program of the machine that must end with a code.
func (m *machine) exits(t *testing.T, code int, args ...string) string {
	t.Helper()
	cmd := m.command(args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		t.Fatalf("%s: %v, want exit code %d\n%s", strings.Join(args, " "), err, code, out)
	}
	return string(out)
}

// bring copies a file to the machine's /root and returns where it is.
func (m *machine) bring(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, "/root/"+filepath.Base(file), string(data))
	return "/root/" + filepath.Base(file)
}

func (m *machine) write(t *testing.T, file, text string) {
	t.Helper()
	at := filepath.Join(m.root, file)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// files lists everything on the machine, and what is in its bpffs.
func (m *machine) files(t *testing.T) []string {
	t.Helper()
	return strings.Split(strings.TrimSpace(m.run(t, "find", "/", "/run", "/sys/fs/bpf", "-xdev", "-not", "-path", "/proc/*")), "\n")
}

// property is one of the service's, as systemd knows it.
func (m *machine) property(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(m.run(t, "systemctl", "show", "--value", "-p", name, "turnpike"))
}

// eventually polls until check has no complaint.
func eventually(t *testing.T, patience time.Duration, what string, check func() error) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: after %s: %v", what, patience, err)
		}
	}
}
