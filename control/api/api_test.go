package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/machine"
	"turnpike.dev/turnpike/dataplane/capture"
	"turnpike.dev/turnpike/dataplane/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNode is a node in memory.
type fakeNode struct {
	mu      sync.Mutex
	status  Status
	changed chan struct{}
	relays  []Relay
	drain   bool
	reload  Reload
	err     error
}

func newFake() *fakeNode {
	return &fakeNode{
		status:  Status{Name: "tp1", State: Starting, Degraded: []string{}},
		changed: make(chan struct{}),
		relays:  []Relay{{ID: 1, User: "u"}, {ID: 7, User: "v"}},
	}
}

func (f *fakeNode) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

func (f *fakeNode) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fakeNode) become(s State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.State = s
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeNode) Relays() []Relay { return f.relays }

func (f *fakeNode) Relay(id uint64) (Relay, error) {
	for _, r := range f.relays {
		if r.ID == id {
			return r, nil
		}
	}
	return Relay{}, ErrNotFound
}

func (f *fakeNode) Kill(id uint64) error { _, err := f.Relay(id); return err }
func (f *fakeNode) Dataplane() Dataplane {
	return Dataplane{Path: "xdp", Maps: []Map{{Name: "flows", Capacity: 4}}}
}
func (f *fakeNode) Reasons() []Reason      { return []Reason{{Reason: "stranger", Packets: 3}} }
func (f *fakeNode) Losses() []machine.Loss { return []machine.Loss{{Reason: "ring_full", Packets: 4}} }

func (f *fakeNode) Traffic() Traffic {
	return Traffic{
		Paths:      []PathTraffic{{Path: "xdp", Direction: "up", Carried: relay.Carried{Packets: 5}}},
		Interfaces: []InterfaceTraffic{{Link: machine.Link{Name: "s0"}, Path: "xdp", Spread: Spread{Over: "queues", Packets: []uint64{1, 2}}}},
		Reasons:    f.Reasons(), Losses: f.Losses(),
		Relays:  []RelayTraffic{{ID: 1, Up: relay.Carried{Bytes: 6}}},
		Program: &Runs{ID: 3, Count: 4, Nanoseconds: 5},
	}
}
func (f *fakeNode) Drain(on bool)           { f.drain = on }
func (f *fakeNode) Reload() (Reload, error) { return f.reload, f.err }
func (f *fakeNode) EndCapture(uint64)       {}
func (f *fakeNode) Capture(context.Context, CaptureRequest, func(CaptureStart) io.Writer) (capture.Summary, error) {
	return capture.Summary{}, ErrBusy
}
func (f *fakeNode) serve(t *testing.T) string { return serveAt(t, f, t.TempDir()) }

func serveAt(t *testing.T, f Node, state string) string {
	t.Helper()
	l, err := Listen(state)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(f, nil).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		if _, err := os.Stat(filepath.Join(state, SocketName)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left: %v", err)
		}
	})
	return state
}

func TestAnswers(t *testing.T) {
	f := newFake()
	f.reload = Reload{Applied: []config.Change{{Path: "turn.deny", Live: true}}, NeedsRestart: []config.Change{}}
	c := NewClient(f.serve(t))
	ctx := t.Context()
	tests := []struct {
		name string
		ask  func() (any, error)
		want any
	}{
		{"status", func() (any, error) { return c.Status(ctx) }, f.status},
		{"relays", func() (any, error) { return c.Relays(ctx) }, f.relays},
		{"relay", func() (any, error) { return c.Relay(ctx, 7) }, f.relays[1]},
		{"dataplane", func() (any, error) { return c.Dataplane(ctx) }, f.Dataplane()},
		{"traffic", func() (any, error) { return c.Traffic(ctx) }, f.Traffic()},
		{"losses", func() (any, error) { return c.Losses(ctx) }, f.Losses()},
		{"reasons", func() (any, error) { return c.Reasons(ctx) }, f.Reasons()},
		{"reload", func() (any, error) { return c.Reload(ctx) }, f.reload},
		{"kill", func() (any, error) { return nil, c.Kill(ctx, 1) }, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.ask()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDrain(t *testing.T) {
	f := newFake()
	c := NewClient(f.serve(t))
	for _, on := range []bool{true, false} {
		if err := c.Drain(t.Context(), on); err != nil || f.drain != on {
			t.Errorf("drain %t: %t, %v", on, f.drain, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	f := newFake()
	f.err = errors.New("node.yaml:3:1: unknown key")
	c := NewClient(f.serve(t))
	if err := c.Kill(t.Context(), 99); !errors.Is(err, ErrNotFound) {
		t.Errorf("kill of nothing: %v", err)
	}
	if _, err := c.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "node.yaml:3:1") {
		t.Errorf("reload of a bad file: %v", err)
	}
}

func TestNoNode(t *testing.T) {
	empty := t.TempDir()
	stale := t.TempDir()
	if err := os.WriteFile(filepath.Join(stale, SocketName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"no socket": empty, "a file": stale, "no directory": filepath.Join(empty, "none")} {
		t.Run(name, func(t *testing.T) {
			_, err := NewClient(dir).Status(t.Context())
			if !errors.Is(err, ErrNoNode) || !strings.Contains(err.Error(), "turnpike serve -c") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWaitReady(t *testing.T) {
	state := t.TempDir()
	got := make(chan error, 1)
	go func() {
		st, err := NewClient(state).WaitReady(t.Context())
		if err == nil && st.State != Ready {
			err = errors.New("state " + string(st.State))
		}
		got <- err
	}()
	f := newFake()
	serveAt(t, f, state)
	f.become(Ready)
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestWaitEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := NewClient(t.TempDir()).WaitReady(ctx)
	if !errors.Is(err, ErrNoNode) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestLongStatePath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	f := newFake()
	if _, err := NewClient(serveAt(t, f, dir)).Status(t.Context()); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(filepath.Join(dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o660 {
		t.Errorf("mode %o, want 660", info.Mode().Perm())
	}
}

func TestListenReplacesWhatWasLeft(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, SocketName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewClient(serveAt(t, newFake(), dir)).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMayCommand(t *testing.T) {
	own := uint32(os.Geteuid())
	for uid, want := range map[uint32]bool{0: true, own: true, own + 1: false, 65534: own == 65534} {
		if got := mayCommand(uid); got != want {
			t.Errorf("uid %d: %t", uid, got)
		}
	}
}

func TestAdmin(t *testing.T) {
	f := newFake()
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "m 1\n") })
	get := func(mux http.Handler, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	mux := adminMux(f, metrics, true)
	if got := get(mux, "/healthz"); got.Code != http.StatusServiceUnavailable {
		t.Errorf("healthz while starting: %d", got.Code)
	}
	f.become(Ready)
	for path, code := range map[string]int{"/healthz": 200, "/metrics": 200, "/debug/pprof/cmdline": 200, "/v1/status": 404} {
		if got := get(mux, path); got.Code != code {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
	if got := get(adminMux(f, nil, false), "/debug/pprof/"); got.Code != 404 {
		t.Errorf("pprof that is off: %d", got.Code)
	}
}
