package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal with a program in it.
type terminal struct {
	*os.File
	mu     sync.Mutex
	shown  bytes.Buffer
	change chan struct{}
	ended  chan struct{}
}

// newTerminal starts a program in a terminal of a size.
func newTerminal(t *testing.T, columns, rows uint16, cmd *exec.Cmd) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{File: master, change: make(chan struct{}, 1), ended: make(chan struct{})}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	term.resize(t, columns, rows)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slave.Close() }()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = append(cmd.Environ(), "TERM=xterm-256color")
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go term.read()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended, where the test went well
		_ = cmd.Wait()
		_ = master.Close()
		<-term.ended
	})
	return term
}

func (term *terminal) resize(t *testing.T, columns, rows uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(term.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		t.Fatal(err)
	}
}

func (term *terminal) read() {
	defer close(term.ended)
	buf := make([]byte, 4096)
	for {
		n, err := term.Read(buf)
		term.mu.Lock()
		term.shown.Write(buf[:n])
		term.mu.Unlock()
		select {
		case term.change <- struct{}{}:
		default:
		}
		if err != nil {
			return // the program has ended
		}
	}
}

// escape is what moves the cursor and sets colours.
var escape = regexp.MustCompile("\x1b\\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]")

func (term *terminal) text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return escape.ReplaceAllString(term.shown.String(), " ")
}

// await waits until everything wanted was shown since the last call.
func (term *terminal) await(t *testing.T, want ...string) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		text := term.text()
		missing := ""
		for _, w := range want {
			if !strings.Contains(text, w) {
				missing = w
			}
		}
		if missing == "" {
			term.mu.Lock()
			term.shown.Reset()
			term.mu.Unlock()
			return
		}
		select {
		case <-term.change:
		case <-timeout:
			t.Fatalf("no %q on the screen:\n%s", missing, text)
		}
	}
}

func (term *terminal) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := io.WriteString(term, keys); err != nil {
		t.Fatal(err)
	}
}

// The screen of `dataplane top` in a terminal, of a node that relays.
func TestTopInATerminal(t *testing.T) {
	s := play(t)
	stream := s.mustOpen(t)
	cmd := exec.Command(s.self, "dataplane", "top", "--interval", "200ms", "--state", s.state)
	term := newTerminal(t, 120, 40, cmd)
	talking, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-talking:
				return
			default:
				_, _ = stream.Talk(t.Context(), 200, time.Millisecond) // judged by what is shown
			}
		}
	}()
	defer func() { close(talking); <-done }()

	term.await(t, "turnpike top", "dev", "PATH", "xdp", "s0", "s1", "HISTORY", "RELAY", tryUser, "q quit")
	term.press(t, "t")
	term.await(t, "ns a run", "timing costs each packet")
	term.press(t, "t")
	term.press(t, "/nobody\r")
	term.await(t, "(nobody)")
	term.press(t, "?")
	term.await(t, "a bar for each receive queue")
	term.press(t, "\x1b")
	term.await(t, "DROPPED") // or the next key would be of the same sequence
	term.resize(t, 50, 20)
	term.await(t, "turnpike top")
	term.press(t, " ")
	term.await(t, "PAUSED")
	term.press(t, "q")
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v:\n%s", err, term.text())
	}
	var on []byte
	if on, _ = os.ReadFile("/proc/sys/kernel/bpf_stats_enabled"); strings.TrimSpace(string(on)) == "1" {
		t.Error("the kernel still times programs")
	}
}

// NO_COLOR is heeded, and no terminal gets lines.
func TestTopWithoutColours(t *testing.T) {
	s := play(t)
	cmd := exec.Command(s.self, "dataplane", "top", "--interval", "200ms", "--state", s.state)
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	term := newTerminal(t, 100, 30, cmd)
	term.await(t, "turnpike top", "INTERFACE")
	term.mu.Lock()
	if regexp.MustCompile("\x1b\\[[0-9;]*3[0-9]m|\x1b\\[[0-9;]*9[0-9]m").Match(term.shown.Bytes()) {
		t.Errorf("colours: %q", term.shown.String())
	}
	term.mu.Unlock()
	term.press(t, "\x03")
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}
