package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/cmd/turnpike/tryout"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/dataplane/xdp"
	"turnpike.dev/turnpike/perf/lab"
)

// These tests run the built program in a lab: nodes are processes of their own,
// media is pion's and coturn's.

// buildDir is where the program for the tests is built.
func buildDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("turnpike-test-%d", os.Getpid()))
}

// build makes the program once for all tests.
var build = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(buildDir(), "turnpike")
	out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return bin, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(buildDir())
	os.Exit(code)
}

func binary(t *testing.T) string {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// needRoot skips where namespaces cannot be made, and where only the quick tests
// are wanted.
func needRoot(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short")
	}
	if os.Geteuid() != 0 {
		t.Skip(lab.ErrUnsupported)
	}
}

// play is a stage for the length of a test.
func play(t *testing.T) *stage {
	t.Helper()
	needRoot(t)
	s, err := newStageOf(t.Context(), binary(t), filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	if s.lab == nil {
		t.Fatalf("no lab as root: %s", s.whyNot)
	}
	return s
}

// command runs a command of the built program against the node.
func (s *stage) command(t *testing.T, want int, args ...string) string {
	t.Helper()
	cmd := exec.Command(s.self, append(args, "--state", s.state)...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	_ = cmd.Run() // judged by its code
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Fatalf("turnpike %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, out.String(), said.String())
	}
	return out.String() + said.String()
}

// decode runs a command with -o json into a T that must know every key.
func decode[T any](t *testing.T, s *stage, args ...string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(s.command(t, 0, append(args, "-o", "json")...)))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("turnpike %s: %v", strings.Join(args, " "), err)
	}
	return v
}

func (s *stage) mustOpen(t *testing.T) *tryout.Stream {
	t.Helper()
	stream, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() }) // the node may be gone
	return stream
}

func mustTalk(t *testing.T, stream *tryout.Stream, n int) tryout.Result {
	t.Helper()
	r, err := stream.Talk(t.Context(), n, 100*time.Microsecond)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// onlyRelay waits for the one relay there should be.
func (s *stage) onlyRelay(t *testing.T) api.Relay {
	t.Helper()
	relays := decode[[]api.Relay](t, s, "relay", "list")
	if len(relays) != 1 {
		t.Fatalf("%d relays, want 1", len(relays))
	}
	return relays[0]
}

// ME-01, ME-05
func TestMediaGoesByXDP(t *testing.T) {
	s := play(t)
	st := decode[api.Status](t, s, "status", "--wait")
	if st.State != api.Ready || st.Path != "xdp" || len(st.Degraded) != 0 {
		t.Fatalf("status %+v", st)
	}
	stream := s.mustOpen(t)
	before := s.onlyRelay(t)
	if r := mustTalk(t, stream, 2000); r.Lost() != 0 {
		t.Errorf("%d of %d lost", r.Lost(), r.Sent)
	}
	after := s.onlyRelay(t)
	up0, down0 := before.Packets()
	up, down := after.Packets()
	if after.Path != "xdp" || up-up0 != 2000 || down-down0 != 2000 {
		t.Errorf("path=%s, %d packets up and %d down of 2000", after.Path, up-up0, down-down0)
	}
	shown := decode[api.Relay](t, s, "relay", "show", fmt.Sprint(after.ID))
	if rtp := shown.Channels[0].Down.RTP; len(rtp) != 1 || rtp[0].Lost != 0 || rtp[0].Received < 2000 {
		t.Errorf("RTP statistics %+v", rtp)
	}
	d := decode[api.Dataplane](t, s, "dataplane", "status")
	if d.Path != "xdp" || d.Flows.XDP != 2 || d.Program == nil || d.Program.ID == 0 || d.Program.Tag == "" || len(d.Maps) == 0 {
		t.Errorf("dataplane %+v", d)
	}
	// The first few may go by the process, until the neighbours are known.
	forwarded := map[string]uint64{}
	reasons := decode[[]api.Reason](t, s, "dataplane", "drops", "--all")
	for _, r := range reasons {
		if r.Reason == "forwarded" {
			forwarded[r.Path] = r.Packets
		}
	}
	if forwarded["xdp"] < 3900 || forwarded["xdp"]+forwarded["userspace"] < 4000 {
		t.Errorf("forwarded %v of 4000: %+v", forwarded, reasons)
	}
	s.command(t, 0, "status")
	s.command(t, 0, "dataplane", "top", "--count", "1", "--interval", "100ms")
	if health := s.get(t, "/healthz"); !strings.Contains(health, `"ready"`) {
		t.Errorf("health %s", health)
	}
}

// get asks the node over HTTP on its loopback.
func (s *stage) get(t *testing.T, path string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (c net.Conn, err error) {
			return c, errors.Join(s.lab.Node.Do(func() error {
				c, err = new(net.Dialer).DialContext(ctx, network, addr)
				return err
			}))
		},
	}}
	resp, err := client.Get("http://127.0.0.1:9464" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	return string(body)
}

func TestKillEndsARelayAtOnce(t *testing.T) {
	s := play(t)
	stream := s.mustOpen(t)
	s.command(t, 0, "relay", "kill", fmt.Sprint(s.onlyRelay(t).ID))
	if r, err := stream.Talk(t.Context(), 50, time.Millisecond); err == nil && r.Received != 0 {
		t.Errorf("%d packets came back after the end", r.Received)
	}
	if n := len(decode[[]api.Relay](t, s, "relay", "list")); n != 0 {
		t.Errorf("%d relays left", n)
	}
	if said := s.command(t, 1, "relay", "kill", "99"); !strings.Contains(said, "relay list") {
		t.Errorf("no hint: %s", said)
	}
}

func TestReloadRevokesAUser(t *testing.T) {
	s := play(t)
	stream := s.mustOpen(t)
	file := nodeFile(s.state)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.ReplaceAll(text, []byte("name: dev, password: dev"), []byte("name: other, password: other"))
	if err := os.WriteFile(file, other, 0o600); err != nil {
		t.Fatal(err)
	}
	result := decode[api.Reload](t, s, "reload")
	if len(result.Applied) == 0 || len(result.NeedsRestart) != 0 {
		t.Errorf("reload %+v", result)
	}
	if r, err := stream.Talk(t.Context(), 50, time.Millisecond); err == nil && r.Received != 0 {
		t.Errorf("%d packets of a revoked user came back", r.Received)
	}
	if n := len(decode[[]api.Relay](t, s, "relay", "list")); n != 0 {
		t.Errorf("%d relays of a revoked user left", n)
	}
	if _, err := s.open(t.Context()); err == nil {
		t.Error("a revoked user got a relay")
	}
	// A file with errors changes nothing and says where.
	if err := os.WriteFile(file, append(other, []byte("tunr: {}\n")...), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := s.command(t, 1, "reload"); !strings.Contains(said, "node.yaml:4:1") || !strings.Contains(said, "did you mean turn?") {
		t.Errorf("reload of a bad file said %s", said)
	}
}

func TestDrainRefusesOnlyNewRelays(t *testing.T) {
	s := play(t)
	stream := s.mustOpen(t)
	s.command(t, 0, "drain")
	if st := s.command(t, exitDegraded, "status", "-o", "json"); !strings.Contains(st, `"draining": true`) { // its alarm stands
		t.Errorf("status does not say draining: %s", st)
	}
	if _, err := s.open(t.Context()); err == nil || !strings.Contains(err.Error(), "508") {
		t.Errorf("a new relay while draining: %v", err)
	}
	if r := mustTalk(t, stream, 100); r.Lost() != 0 {
		t.Errorf("%d packets of a running relay lost", r.Lost())
	}
	s.command(t, 0, "drain", "--off")
	s.mustOpen(t)
}

// stop ends the node's process and waits until it is gone.
func (s *stage) stop(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := s.child.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		t.Fatalf("the node goes on after %s", signal)
	}
}

// start starts the node's process again, as an operator would.
func (s *stage) start(t *testing.T) {
	t.Helper()
	if err := s.startNode(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// ME-06
func TestMediaOutlivesTheProcess(t *testing.T) {
	s := play(t)
	stream := s.mustOpen(t)
	id := s.onlyRelay(t).ID
	mustTalk(t, stream, 1000) // until the neighbours are known, the process is needed
	for _, signal := range []os.Signal{unix.SIGKILL, unix.SIGTERM} {
		s.stop(t, signal)
		if r := mustTalk(t, stream, 1000); r.Lost() != 0 {
			t.Errorf("after %s: %d of %d lost without a process", signal, r.Lost(), r.Sent)
		}
		s.start(t)
		if r := mustTalk(t, stream, 1000); r.Lost() != 0 {
			t.Errorf("after %s and a start: %d of %d lost", signal, r.Lost(), r.Sent)
		}
		if x := s.onlyRelay(t); x.Path != "xdp" || x.ID != id {
			t.Errorf("after %s and a start: relay %d path=%s, want %d on xdp", signal, x.ID, x.Path, id)
		}
	}
}

func TestCleanupLeavesNoTrace(t *testing.T) {
	s := play(t)
	s.mustOpen(t)
	if said := s.command(t, 1, "cleanup"); !strings.Contains(said, "alive") {
		t.Errorf("cleanup of a live node said %s", said)
	}
	pins, err := xdp.PinDir("dev", s.state)
	if err != nil {
		t.Fatal(err)
	}
	s.stop(t, unix.SIGKILL)
	if _, err := os.Stat(pins); err != nil {
		t.Errorf("a killed node left no pins: %v", err)
	}
	if err := os.Remove(nodeFile(s.state)); err != nil {
		t.Fatal(err)
	}
	s.command(t, 0, "cleanup")
	for _, trace := range []string{pins, s.state} {
		if _, err := os.Stat(trace); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", trace, err)
		}
	}
}

// ME-03
func TestDevWithoutRoot(t *testing.T) {
	needRoot(t)
	l, err := lab.New(lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	dir, err := os.MkdirTemp("", "turnpike-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	const nobody = 65534
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := l.Node.Command(t.Context(), "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
		binary(t), "dev", "--state", filepath.Join(dir, "state"))
	text := runUntil(t, cmd, "Ctrl-C ends it")
	for _, want := range []string{"on loopback, because a lab needs root", " 0 lost, path=userspace"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "state")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state directory is left: %v", err)
	}
}

// runUntil runs a program until it prints a line with mark, interrupts it, and
// returns what it printed.
func runUntil(t *testing.T, cmd *exec.Cmd, mark string) string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&text, lines.Text())
		if strings.Contains(lines.Text(), mark) {
			_ = cmd.Process.Signal(unix.SIGINT)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s%s", err, text.String(), said.String())
	}
	return text.String()
}

// ME-01, ME-02, ME-04: coturn's client and pion's, each relay on XDP; phones and SIPp, each
// call on XDP, from IPv4 to IPv6 too. BW-03, BW-06, CA-04: calls that fill a pipe, and one
// that sends more than it was granted.
func TestDemo(t *testing.T) {
	needRoot(t)
	s := &stage{self: binary(t), state: filepath.Join(t.TempDir(), "state")}
	report := decode[demoReport](t, s, "demo")
	if !report.OK || len(report.Clients) != 2 || len(report.Relays) != 1+uclientRelays || len(report.Tour) != len(tourOf("")) || len(report.Calls.Calls) != 16 || len(report.Calls.Skipped) != 0 || len(report.Bandwidth.Calls) != demoAskers {
		t.Errorf("report %+v", report)
	}
}
