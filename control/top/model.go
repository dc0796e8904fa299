package top

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"turnpike.dev/turnpike/control/api"
)

// Source is asked for a sample each interval.
type Source interface {
	Traffic(context.Context) (api.Traffic, error)
}

// Timing is the kernel's timing of programs while it is on.
type Timing struct {
	// Cost is what it adds to each run of each program of the machine; Floor is what it
	// measures of a program that does nothing.
	Cost, Floor time.Duration
	End         func() error
}

// Config says what a Model shows and how.
type Config struct {
	Node     string // its name, for the title
	Source   Source
	Interval time.Duration
	// Time switches the timing of the XDP program on; nil: it cannot be.
	Time func() (Timing, error)
	// Plain leaves out colours.
	Plain bool
}

// samples is how many rates are kept for the history.
const samples = 120

// Model is what is on the screen. It is a value: Update returns the next one.
type Model struct {
	ctx     context.Context //nolint:containedctx // bubbletea's commands have no other way to it
	cfg     Config
	palette palette

	width, height int

	last   api.Traffic // zero: none yet
	rates  Rates
	ready  bool // there are rates
	err    error
	ticks  int // of this run of samples: those of an earlier one are let pass
	traces map[string][]float64

	paused    bool
	help      bool
	order     order
	filter    string
	filtering bool
	first     int // relay that is shown first

	timing   *Timing
	timeFail error
	timeNow  bool // from the start
}

var _ tea.Model = Model{}

// New returns a model that has seen nothing yet.
func New(ctx context.Context, cfg Config) Model {
	m := Model{ctx: ctx, cfg: cfg, width: 80, height: 24, palette: colours()}
	if cfg.Plain {
		m.palette = plain()
	}
	return m
}

// sampled is a sample that came, or why it did not.
type sampled struct {
	traffic api.Traffic
	err     error
	ticks   int
}

// due says that the next sample is to be taken.
type due struct{ ticks int }

// timed is the kernel's timing, switched on.
type timed struct {
	timing Timing
	err    error
}

// Timed is m with the timing switched on from the start.
func (m Model) Timed() Model {
	m.timeNow = m.cfg.Time != nil
	return m
}

// Init asks for the first sample.
func (m Model) Init() tea.Cmd {
	if m.timeNow {
		return tea.Batch(startTiming(m.cfg.Time), m.ask())
	}
	return m.ask()
}

func (m Model) ask() tea.Cmd {
	ctx, source, ticks := m.ctx, m.cfg.Source, m.ticks
	return func() tea.Msg {
		t, err := source.Traffic(ctx)
		return sampled{t, err, ticks}
	}
}

func (m Model) wait() tea.Cmd {
	ticks := m.ticks
	return tea.Tick(m.cfg.Interval, func(time.Time) tea.Msg { return due{ticks} })
}

// Update takes a key, a sample or a new size.
func (m Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m.press(msg)
	case sampled:
		if msg.ticks != m.ticks || m.paused {
			return m, nil
		}
		return m.take(msg), m.wait()
	case due:
		if msg.ticks == m.ticks && !m.paused {
			return m, m.ask()
		}
	case timed:
		m.timeFail = msg.err
		if msg.err == nil {
			m.timing = &msg.timing
		}
	}
	return m, nil
}

// take makes rates of a sample and the one before.
func (m Model) take(s sampled) Model {
	m.err = s.err
	if s.err != nil {
		m.last, m.ready = api.Traffic{}, false
		return m
	}
	if !m.last.At.IsZero() {
		m.rates, m.ready = Between(m.last, s.traffic), true
		m.traces = remember(m.traces, m.rates)
	}
	m.last = s.traffic
	return m
}

// remember returns the history with one more of each rate that has one.
func remember(traces map[string][]float64, r Rates) map[string][]float64 {
	next := map[string][]float64{}
	add := func(key string, value float64) {
		old := traces[key]
		if len(old) >= samples {
			old = old[len(old)-samples+1:]
		}
		next[key] = append(slices.Clone(old), value)
	}
	for _, p := range r.Paths {
		add("path "+string(p.Path), p.Both())
	}
	for _, i := range r.Interfaces {
		add("interface "+i.Name, i.Receive.Packets+i.Transmit.Packets)
	}
	var dropped float64
	for _, x := range r.Reasons {
		if x.Verdict == "drop" {
			dropped += x.PerSecond
		}
	}
	add("dropped", dropped)
	return next
}

// press takes a key.
func (m Model) press(key tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	if key.String() == "ctrl+c" {
		return m.quit()
	}
	if m.filtering {
		return m.edit(key), nil
	}
	switch key.String() {
	case "q":
		return m.quit()
	case "space", "p":
		return m.pause()
	case "s":
		m.order = (m.order + 1) % orders
		m.first = 0
	case "/":
		m.filtering = true
	case "esc":
		m.filter, m.help, m.first = "", false, 0
	case "?", "h":
		m.help = !m.help
	case "t":
		return m.toggleTiming()
	case "down", "j":
		m.first = min(m.first+1, max(len(m.relays())-1, 0))
	case "up", "k":
		m.first = max(m.first-1, 0)
	case "home", "g":
		m.first = 0
	}
	return m, nil
}

// maxFilter bounds what is typed.
const maxFilter = 64

// edit takes a key of the filter.
func (m Model) edit(key tea.KeyPressMsg) Model {
	m.first = 0
	switch key.String() {
	case "enter":
		m.filtering = false
	case "esc":
		m.filtering, m.filter = false, ""
	case "backspace":
		if n := len(m.filter); n > 0 {
			m.filter = m.filter[:n-1]
		}
	default:
		for _, r := range key.Text {
			if r >= ' ' && r < 0x7f && len(m.filter) < maxFilter {
				m.filter += string(r)
			}
		}
	}
	return m
}

// pause stops the screen, or starts it with a fresh sample: a rate over the pause would
// be none of now.
func (m Model) pause() (tea.Model, tea.Cmd) {
	m.paused = !m.paused
	if m.paused {
		return m, nil
	}
	m.ticks++
	m.last = api.Traffic{}
	return m, m.ask()
}

func (m Model) toggleTiming() (tea.Model, tea.Cmd) {
	if m.timing != nil {
		m.timeFail = m.timing.End()
		m.timing = nil
		return m, nil
	}
	start := m.cfg.Time
	if start == nil {
		return m, nil
	}
	return m, startTiming(start)
}

// startTiming is the command that switches the timing on.
func startTiming(start func() (Timing, error)) tea.Cmd {
	return func() tea.Msg {
		t, err := start()
		return timed{t, err}
	}
}

func (m Model) quit() (tea.Model, tea.Cmd) {
	if m.timing != nil {
		m.timeFail = m.timing.End()
		m.timing = nil
	}
	return m, tea.Quit
}

// order is what relays are sorted by.
type order int

// Orders, in the order in which the key goes through them.
const (
	byPackets order = iota
	byBits
	byLost
	byID
	orders
)

// String is how the screen names it.
func (o order) String() string {
	return [...]string{"packets", "bits", "loss", "id"}[o]
}

// relays returns those that the filter lets through, sorted.
func (m Model) relays() []RelayRate {
	var list []RelayRate
	for _, r := range m.rates.Relays {
		if m.matches(r) {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b RelayRate) int {
		switch m.order {
		case byBits:
			return -cmp.Compare(a.Bits(), b.Bits())
		case byLost:
			return -cmp.Compare(a.Lost, b.Lost)
		case byID:
			return cmp.Compare(a.ID, b.ID)
		default:
			return -cmp.Compare(a.Packets(), b.Packets())
		}
	})
	return list
}

func (m Model) matches(r RelayRate) bool {
	if m.filter == "" {
		return true
	}
	for _, text := range []string{strconv.FormatUint(r.ID, 10), r.User, r.Client, r.Path, r.Transport} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(m.filter)) {
			return true
		}
	}
	return false
}
