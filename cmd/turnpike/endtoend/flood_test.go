package endtoend_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/flood"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// What is sent of each kind of rubbish, by its unit: much, but so that a busy machine
// still sends it.
var floodRates = map[string]float64{"packets": 20e3, "connections": 1000, "set-ups": 300}

// tried are the kinds that differ in where they end.
var tried = []string{"strangers", "greedy", "garbage", "401-many", "password", "fragments", "vlan", "hold"}

// Under each kind of rubbish media goes on, an honest newcomer gets a relay, and the
// node's counters name what came. After all of them the node is as large as before.
// ME-01, CA-03
func TestFloods(t *testing.T) {
	const innocents = 500
	nodetest.Built(t)
	t.Parallel()
	n := newNode(t, lab.Options{Clients: 6}, file{platform: "custom", turn: "max_relays: 4000, rate_kbps: 128"})
	if err := flood.RouteForged(n.Lab); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, n, innocents+1)
	target := flood.Target{
		Lab: n.Lab, Server: n.server(), Attackers: n.Lab.ClientAddrs.V4[2:], User: user, Password: password, Relays: s.relays,
	}
	s.relays = s.relays[:innocents] // the last one is the greedy user's
	before := n.metrics(t)
	media := startTraffic(t, 20_000, s) // far below what a relay is granted
	for _, k := range flood.Kinds() {
		if slices.Contains(tried, k.Name) {
			t.Run(k.Name, func(t *testing.T) { n.flooded(t, k, target) })
		}
	}
	s.fewLost(t, media.end(t)[0])
	n.asLargeAs(t, before)
}

// flooded sends one kind until the node has counted some, and a newcomer has a relay.
func (n *node) flooded(t *testing.T, k flood.Kind, target flood.Target) {
	t.Helper()
	source, err := k.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close() //nolint:errcheck // memory and sockets
	before := n.metrics(t).named(k.Reasons)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := source.Run(ctx, floodRates[k.Unit], 0)
		done <- err
	}()
	n.grants(t, clients{})
	nodetest.Eventually(t, 20*time.Second, "counted as "+strings.Join(k.Reasons, " or "), func() error {
		if grown := n.metrics(t).named(k.Reasons) - before; grown < floodRates[k.Unit]/10 {
			return fmt.Errorf("%.0f", grown)
		}
		return nil
	})
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// metrics are samples by name and labels.
type metrics map[string]float64

func (n *node) metrics(t *testing.T) metrics {
	t.Helper()
	text, err := n.API.Fetch(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	m := metrics{}
	for line := range strings.Lines(string(text)) {
		at := strings.LastIndexByte(line, ' ')
		if v, err := strconv.ParseFloat(strings.TrimSpace(line[at+1:]), 64); err == nil && line[0] != '#' {
			m[line[:at]] = v
		}
	}
	return m
}

// named adds up the counters with one of these as a label's value, or in their name.
func (m metrics) named(names []string) (sum float64) {
	for name, v := range m {
		if slices.ContainsFunc(names, func(n string) bool {
			return strings.Contains(name, `"`+n+`"`) || strings.Contains(name, "_"+n+"_")
		}) {
			sum += v
		}
	}
	return sum
}

// fewLost checks that nearly all media arrived: where the machine has no time, the queues
// of the lab's links overflow, and here they are rubbish's too.
func (s *site) fewLost(t *testing.T, sent []uint64) {
	t.Helper()
	total := sum(sent)
	nodetest.Eventually(t, 2*time.Second, "media under floods", func() error {
		if lost := total - sum(s.arrived(t)); lost > total/1000+s.overflow(t) {
			return fmt.Errorf("%d of %d packets lost\n%s", lost, total, s.whereabouts(t))
		}
		return nil
	})
}

// asLargeAs checks that nothing of the floods is left but some memory.
func (n *node) asLargeAs(t *testing.T, before metrics) {
	t.Helper()
	for name, more := range map[string]float64{
		"go_goroutines": 10, "process_open_fds": 10, "turnpike_turn_relays": 0,
		"turnpike_turn_connections": 0, "process_resident_memory_bytes": 128 << 20,
	} {
		if _, there := before[name]; !there {
			t.Errorf("no metric %s", name)
		}
		nodetest.Eventually(t, 40*time.Second, name, func() error {
			if now := n.metrics(t)[name]; now > before[name]+more {
				return fmt.Errorf("%.0f, before the floods %.0f", now, before[name])
			}
			return nil
		})
	}
}
