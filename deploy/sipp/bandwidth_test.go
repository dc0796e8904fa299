package sipp_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// Kbit/s that calls of these tests ask for, and a pipe that five of them and a bit fit into.
const (
	asks  = 384
	pipe  = 2000
	bit   = pipe - 5*asks
	extra = 100 // port of a SIPp besides the first one's
)

// also is where another SIPp of the calling site is.
func (n *node) also(i int) netip.AddrPort {
	return netip.AddrPortFrom(n.caller(0).Addr(), callerPort+extra+uint16(2*i))
}

// wantShort checks that a call was refused as RFC 3261 wants it where bandwidth is short:
// 21.4.18, 20.33 and 20.43.
func wantShort(t *testing.T, c runner.Told) {
	t.Helper()
	if c.Status != 480 || c.RetryAfter == 0 || c.Warning != 370 {
		t.Errorf("%+v, want 480, Retry-After and a warning 370", c)
	}
}

// one asks for one call more.
func (n *node) one(t *testing.T, i, kbps, video int) runner.Told {
	t.Helper()
	return told(t, n.ask(t, n.also(i), fmt.Sprint("more", i), 1, kbps, video), 1)[0]
}

// BW-01, BW-02, BW-03, CA-04: a pipe changes under calls that stand: they stay as they are,
// and the next ones get what there is then.
func TestPipeChangesUnderCalls(t *testing.T) {
	t.Parallel()
	n := newSites(t, site{pipe: limited(pipe)})
	answering := n.answering(t, 20, videoPort)
	first := n.ask(t, n.caller(0), "first", 5, asks, videoPort)
	told(t, first, 5)
	n.on(t, "pipe", "line", 5, 5*asks)
	kbps := func(i, asked int) int {
		t.Helper()
		c := n.one(t, i, asked, videoPort)
		if c.Status != 0 {
			wantShort(t, c)
			return 0
		}
		got, _ := c.Kbps()
		return got
	}
	for i, tt := range []struct {
		name        string
		set         string // item and value, and again
		want        int    // kbit/s that the next call gets
		calls, used int    // after it
	}{
		{name: "as it is", want: bit, calls: 6, used: pipe},
		{name: "more", set: "pipes[line].total.kbps 4000", want: asks, calls: 7, used: pipe + asks},
		{name: "less than is in use", set: "pipes[line].total.kbps 1000", want: 0, calls: 7, used: pipe + asks},
		{name: "nothing", set: "pipes[line].total.mode none", want: 0, calls: 7, used: pipe + asks},
		{name: "no limit", set: "pipes[line].total.mode unlimited", want: asks, calls: 8, used: pipe + 2*asks},
		{name: "of one call", set: "pipes[line].per_call.kbps 128 pipes[line].per_call.mode limited", want: 128, calls: 9, used: pipe + 2*asks + 128},
	} {
		for change := range slices.Chunk(strings.Fields(tt.set), 2) {
			n.Command(t, 0, append([]string{"config", "set"}, change...)...)
		}
		if got := kbps(i, asks); got != tt.want {
			t.Errorf("%s: the next call got %d kbit/s, want %d", tt.name, got, tt.want)
		}
		n.on(t, "pipe", "line", tt.calls, tt.used)
		if i < 3 { // it is limited
			n.measures(t, "bandwidth_granted_bytes_per_second", float64(tt.used)*1000/8)
			n.measures(t, "bandwidth_calls", float64(tt.calls))
		}
		if i == 0 { // it is full, and looked at now and then
			nodetest.Eventually(t, 30*time.Second, "an event", func() error {
				if !strings.Contains(n.Log(t), `Event="Bandwidth Limit Reached" Detail="pipe line`) {
					return errors.New("none says that the pipe is full")
				}
				return nil
			})
		}
	}
	n.standing(t, 9)
	callees, err := answering.Told()
	if err != nil {
		t.Fatal(err)
	}
	var heard []int // what the callees were told
	for _, c := range callees {
		kbps, _ := c.Kbps()
		heard = append(heard, kbps)
	}
	if diff := cmp.Diff([]int{asks, asks, asks, asks, asks, bit, asks, asks, 128}, heard); diff != "" {
		t.Errorf("the callees were told (-want +got):\n%s", diff)
	}
	n.hangUp(t)
	n.idle(t)
}

// measures waits until a metric says so of the pipe.
func (n *node) measures(t *testing.T, metric string, want float64) {
	t.Helper()
	name := "turnpike_" + metric + `{object="pipe line"} `
	nodetest.Eventually(t, 10*time.Second, name, func() error {
		text, err := n.API.Fetch(t.Context(), "/metrics")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if value, is := strings.CutPrefix(strings.TrimSpace(line), name); is {
				if got, err := strconv.ParseFloat(value, 64); err != nil || got != want {
					return fmt.Errorf("it is %s, want %g", value, want)
				}
				return nil
			}
		}
		return errors.New("there is none")
	})
}

// BW-01, BW-03: a pipe under calls that stand gets another name, and goes. Its calls go on
// and are given back where they were, and calls on what is there then count on that alone.
func TestPipeRenamedAndDeleted(t *testing.T) {
	t.Parallel()
	s := site{pipe: limited(2 * asks)}
	n := newSites(t, s)
	n.answering(t, 20, videoPort)
	apply := func(change ...string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "changed.yaml")
		if err := os.WriteFile(file, []byte(strings.NewReplacer(change...).Replace(s.text(n))), 0o600); err != nil {
			t.Fatal(err)
		}
		n.Command(t, 0, "config", "apply", file)
	}
	told(t, n.ask(t, n.caller(0), "first", 2, asks, videoPort), 2)
	n.on(t, "pipe", "line", 2, 2*asks)
	wantShort(t, n.one(t, 0, asks, videoPort))

	apply("name: line", "name: wire", "pipe1: line", "pipe1: wire")
	if c := n.one(t, 1, asks, videoPort); c.Status != 0 {
		t.Errorf("%+v, want a call over the renamed pipe", c)
	}
	n.on(t, "pipe", "wire", 1, asks)

	apply("pipes: [{name: line, "+limited(2*asks)+"}]\n", "", ", pipe1: line", "")
	if c := n.one(t, 2, asks, videoPort); c.Status != 0 {
		t.Errorf("%+v, want a call without a pipe", c)
	}
	n.on(t, "link", "west", 4, 4*asks)
	n.standing(t, 4)
	n.hangUp(t)
	n.idle(t)

	apply() // as it was
	n.on(t, "pipe", "line", 0, 0)
	told(t, n.ask(t, n.also(10), "last", 2, asks, videoPort), 2)
	wantShort(t, n.one(t, 3, asks, videoPort))
	n.hangUp(t)
	n.idle(t)
}
