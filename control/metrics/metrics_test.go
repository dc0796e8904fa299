package metrics

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"turnpike.dev/turnpike/dataplane/turn"
)

type snapshot Snapshot

func (s snapshot) Snapshot() Snapshot { return Snapshot(s) }

// full has a value in every family.
func full() snapshot {
	return snapshot{
		Version: "v1", Go: "go1", Started: time.Unix(1, 0), Ready: true, Degraded: 2,
		TURN: turn.Stats{
			Requests: map[string]uint64{"allocate": 5}, Answers: map[int]uint64{0: 4, 401: 1},
			Garbage: 9, Relays: 3, ConnectionsRefused: map[string]uint64{"source_full": 1},
		},
		RelayLimit: 6000, Allocations: map[string]int{"udp": 2, "tcp": 1},
		Flows: map[string]int{"xdp": 4}, Up: Traffic{1, 2, 3}, Down: Traffic{4, 5, 6},
		Exits:      []Exit{{"xdp", "forwarded", "forward", 10}, {"userspace", "forwarded", "forward", 11}},
		Interfaces: []Interface{{"s0", "xdp", "native"}},
		Maps:       []Map{{"flows", 4, 65536}},
	}
}

func TestNames(t *testing.T) {
	registry := newRegistry(full())
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range families {
		seen[f.GetName()] = true
		if n := f.GetName(); !strings.HasPrefix(n, "turnpike_") && !strings.HasPrefix(n, "go_") && !strings.HasPrefix(n, "process_") {
			t.Errorf("%s has no prefix of ours", n)
		}
	}
	for _, m := range describe() {
		name := strings.Split(m.desc.String(), `"`)[1]
		if !seen[name] {
			t.Errorf("%s is never given out: add it to full", name)
		}
	}
}

// allowed are the labels there may be: none of them grows with users, calls or peers.
var allowed = map[string]int{
	"version": 1, "go": 1, "transport": 3, "method": 16, "code": 64, "path": 2, "direction": 2,
	"reason": 64, "verdict": 3, "interface": 2, "mode": 3, "map": 16,
}

func TestLabelsAreBounded(t *testing.T) {
	families, err := newRegistry(full()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "turnpike_") {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if _, ok := allowed[l.GetName()]; !ok {
					t.Errorf("%s has label %s, of which nobody said how many values it has", f.GetName(), l.GetName())
				}
			}
		}
	}
}

func TestHandler(t *testing.T) {
	w := httptest.NewRecorder()
	Handler(full()).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`turnpike_relay_exits_total{path="xdp",reason="forwarded",verdict="forward"} 10`,
		`turnpike_relay_bytes_total{direction="down"} 5`,
		`turnpike_turn_answers_total{code="401"} 1`,
		`turnpike_turn_allocations{transport="udp"} 2`,
		`turnpike_ready 1`,
		`turnpike_draining 0`,
		`process_open_fds`,
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("no %s", want)
		}
	}
}
