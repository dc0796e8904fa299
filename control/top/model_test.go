package top

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/machine"
	"turnpike.dev/turnpike/dataplane/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node gives a sample a second, each with more than the one before.
type node struct {
	asked int
	err   error
}

func (n *node) Traffic(context.Context) (api.Traffic, error) {
	n.asked++
	return sampleOf(n.asked), n.err
}

// sampleOf is what a busy node says at its nth second.
func sampleOf(n int) api.Traffic {
	k := uint64(n)
	var wave, storm uint64
	for i := range n {
		wave += uint64(40_000 + 10_000*math.Sin(float64(i)/4))
		if i%9 == 5 {
			storm += 9_000
		}
	}
	relays := []api.RelayTraffic{
		{ID: 17, User: "alice", Transport: "udp", Client: "198.51.100.2:4000", Path: "xdp", Up: carried(50*k, 50*k*160), Down: carried(50*k, 50*k*160), Expected: 100 * k, Received: 99 * k},
		{ID: 18, User: "eve\x1b[2J\n", Transport: "tls", Client: "[2001:db8:1234:5678:9abc::1]:49152", Path: "userspace", Up: carried(10*k, 10*k*1200), Down: carried(k, k)},
		{ID: 19, User: "bob", Transport: "udp", Client: "198.51.100.3:4002"},
	}
	return api.Traffic{
		At: noon.Add(time.Duration(n) * time.Second),
		Paths: []api.PathTraffic{
			{Path: "xdp", Direction: "up", Carried: carried(wave, 160*wave)},
			{Path: "userspace", Direction: "up", Carried: relay.Carried{Packets: 12 * k, Bytes: 2000 * k, Policed: 3 * k}},
			{Path: "xdp", Direction: "down", Carried: carried(wave-5*k, 160*wave)},
			{Path: "userspace", Direction: "down", Carried: carried(k, 100*k)},
		},
		Interfaces: []api.InterfaceTraffic{
			{
				Link: machine.Link{Name: "eth0", Receive: machine.Side{Packets: 50_100 * k, Bytes: 70_000_000 * k, Dropped: 4 * k}, Transmit: machine.Side{Packets: 48_050 * k, Bytes: 69_000_000 * k}},
				Path: "xdp", Mode: "native", Spread: api.Spread{Over: "queues", Packets: []uint64{40_000 * k, 5_000 * k, 5_000 * k, 100 * k}},
			},
			{Link: machine.Link{Name: "eth1", Receive: machine.Side{Packets: 48_000 * k}}, Path: "userspace", Spread: api.Spread{}},
		},
		Reasons: []api.Reason{
			{Path: "xdp", Reason: "stranger", Verdict: "drop", Packets: 1200*k + storm},
			{Path: "xdp", Reason: "no_flow", Verdict: "pass", Packets: 3 * k},
			{Path: "userspace", Reason: "policed", Verdict: "drop", Packets: 3 * k},
		},
		Losses:  []machine.Loss{{Reason: "ring_full", Interface: "eth0", Packets: 4 * k}},
		Relays:  relays,
		Program: &api.Runs{ID: 7, Count: 98_000 * k, Nanoseconds: 98_000 * k * 212},
	}
}

// screen is a model that has seen some samples.
func screen(t *testing.T, width, height, seen int, keys ...string) Model {
	t.Helper()
	n := &node{}
	m := New(t.Context(), Config{
		Node: "tp1", Source: n, Interval: time.Second, Plain: true,
		Time: func() (Timing, error) {
			return Timing{Cost: 70 * time.Nanosecond, Floor: 37 * time.Nanosecond, End: func() error { return nil }}, nil
		},
	})
	m = feed(m, tea.WindowSizeMsg{Width: width, Height: height})
	for range seen {
		m = feed(m, m.ask()())
	}
	return press(t, m, keys...)
}

func feed(m Model, msg tea.Msg) Model {
	next, _ := m.Update(msg)
	return next.(Model)
}

// press presses keys; what a key asks for is done, except waiting.
func press(t *testing.T, m Model, keys ...string) Model {
	t.Helper()
	for _, k := range keys {
		next, cmd := m.Update(keyOf(k))
		m = next.(Model)
		if cmd != nil && k != "q" {
			m = feed(m, cmd())
		}
	}
	return m
}

func keyOf(k string) tea.KeyPressMsg {
	special := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "backspace": tea.KeyBackspace, "space": tea.KeySpace, "down": tea.KeyDown, "up": tea.KeyUp}
	if code, ok := special[k]; ok {
		text := ""
		if k == "space" {
			text = " "
		}
		return tea.KeyPressMsg{Code: code, Text: text}
	}
	return tea.KeyPressMsg{Code: rune(k[0]), Text: k}
}

func ids(m Model) (list []uint64) {
	for _, r := range m.relays() {
		list = append(list, r.ID)
	}
	return list
}

func TestKeys(t *testing.T) {
	tests := []struct {
		name string
		keys []string
		want []uint64
	}{
		{"by packets", nil, []uint64{17, 18, 19}},
		{"by bits", []string{"s"}, []uint64{17, 18, 19}},
		{"by loss", []string{"s", "s"}, []uint64{17, 18, 19}},
		{"by id", []string{"s", "s", "s"}, []uint64{17, 18, 19}},
		{"filter by user", []string{"/", "B", "o", "b", "enter"}, []uint64{19}},
		{"filter by path", []string{"/", "x", "d", "p", "enter"}, []uint64{17}},
		{"filter by transport", []string{"/", "t", "l", "s", "enter"}, []uint64{18}},
		{"filter corrected", []string{"/", "t", "x", "backspace", "enter"}, []uint64{18}},
		{"filter given up", []string{"/", "t", "esc"}, []uint64{17, 18, 19}},
		{"filter taken off", []string{"/", "t", "enter", "esc"}, []uint64{17, 18, 19}},
		{"keys are text in the filter", []string{"/", "q", "enter"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, ids(screen(t, 80, 24, 3, test.keys...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPauseStopsTheScreen(t *testing.T) {
	m := screen(t, 80, 24, 3, "space")
	if !strings.Contains(m.Text(), "PAUSED") {
		t.Error("the screen does not say so")
	}
	before := m.rates.At
	m = feed(m, sampled{traffic: sampleOf(9), ticks: m.ticks})
	if m.rates.At != before {
		t.Error("a sample came through")
	}
	stale := m.ticks
	m = press(t, m, "space") // takes a sample at once
	if m.paused || m.last.At.IsZero() {
		t.Error("goes not on")
	}
	if next := feed(m, sampled{traffic: sampleOf(11), ticks: stale}); next.last.At != m.last.At {
		t.Error("a sample of before the pause was taken")
	}
}

func TestAnErrorIsShownUntilItIsOver(t *testing.T) {
	m := screen(t, 80, 24, 3)
	m = feed(m, sampled{err: errors.New("no node answers:\nstart one")})
	if text := m.Text(); !strings.Contains(text, "no node answers: start one") || !strings.Contains(text, "Trying again") {
		t.Errorf("screen:\n%s", text)
	}
	m = feed(m, sampled{traffic: sampleOf(1)})
	if text := m.Text(); !strings.Contains(text, "Waiting") {
		t.Errorf("a rate over the gap:\n%s", text)
	}
	m = feed(m, sampled{traffic: sampleOf(2)})
	if text := m.Text(); !strings.Contains(text, "alice") {
		t.Errorf("screen:\n%s", text)
	}
}

func TestTimingIsOnOnlyWhenAsked(t *testing.T) {
	m := screen(t, 80, 30, 3)
	if strings.Contains(m.Text(), "ns a run") {
		t.Error("timed without being asked")
	}
	m = press(t, m, "t")
	if text := m.Text(); !strings.Contains(text, "program 212 ns a run, 98.0k runs/s, 2.1% of a CPU") || !strings.Contains(text, "costs each packet 70 ns") {
		t.Errorf("screen:\n%s", text)
	}
	ended := false
	m.timing.End = func() error { ended = true; return nil }
	if press(t, m, "t").timing != nil || !ended {
		t.Error("the timing was not ended")
	}
	ended = false
	if press(t, m, "q"); !ended {
		t.Error("the timing goes on after the end")
	}
	m.cfg.Time = func() (Timing, error) { return Timing{}, errors.New("it needs root") }
	m.timing = nil
	if text := press(t, m, "t").Text(); !strings.Contains(text, "it needs root") {
		t.Errorf("screen:\n%s", text)
	}
}

func TestTimedFromTheStart(t *testing.T) {
	m := screen(t, 80, 24, 0).Timed()
	batch, ok := m.Init()().(tea.BatchMsg)
	if !ok || len(batch) != 2 {
		t.Fatalf("Init gives %T", m.Init()())
	}
	if _, ok := batch[0]().(timed); !ok {
		t.Error("the timing is not switched on")
	}
}

func TestScrolling(t *testing.T) {
	m := screen(t, 80, 40, 3, "down", "down", "down", "down")
	if m.first != 2 || strings.Contains(m.Text(), "alice") {
		t.Errorf("first %d:\n%s", m.first, m.Text())
	}
	if m = press(t, m, "up", "up", "up"); m.first != 0 {
		t.Errorf("first %d", m.first)
	}
}
