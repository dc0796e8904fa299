package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/top"
	"turnpike.dev/turnpike/dataplane/xdp"
)

// topFlags are those of `dataplane top`.
type topFlags struct {
	interval time.Duration
	count    int
	plain    bool
	timing   bool
}

func dataplaneTop(a *app) *cobra.Command {
	var f topFlags
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch the packet rates by path, interface, reason and relay",
		Long: `Watch the packet rates: by path and direction, by interface with the spread over its
receive queues, why packets left the relay, and the busiest relays. In a terminal it
is a screen with keys (? shows them); otherwise, or with --plain, --count or -o json,
one line each interval until Ctrl-C.

A sample costs the node one pass over its flow table; the packet path is not touched.
With --time, or the key t, the kernel times every BPF program of the machine until
the end: that slows each packet, and the screen says by how much.`,
		Example: `  turnpike dataplane top
  turnpike dataplane top --time
  turnpike dataplane top --interval 5s --count 12 -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.interval < 100*time.Millisecond {
				return usage(fmt.Errorf("--interval %s is too short: want 100ms or more", f.interval))
			}
			if !f.plain && f.count == 0 && a.output == "table" && isTerminal(a.stdout) {
				return a.topScreen(cmd.Context(), f)
			}
			if f.timing {
				timing, err := xdp.StartTiming()
				if err != nil {
					return err
				}
				defer timing.End() //nolint:errcheck // the process ends
			}
			return a.topLines(cmd.Context(), f)
		},
	}
	cmd.Flags().DurationVar(&f.interval, "interval", time.Second, "time between samples")
	cmd.Flags().IntVar(&f.count, "count", 0, "lines to print; 0: until Ctrl-C")
	cmd.Flags().BoolVar(&f.plain, "plain", false, "lines also in a terminal")
	cmd.Flags().BoolVar(&f.timing, "time", false, "time the XDP program from the start (root)")
	return cmd
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// topScreen shows the screen until a key or ctx ends it.
func (a *app) topScreen(ctx context.Context, f topFlags) error {
	c := a.client()
	st, err := c.Status(ctx) // says what to do when there is no node
	if err != nil {
		return err
	}
	screen := newScreen(ctx, st.Name, c, f)
	_, err = tea.NewProgram(screen, tea.WithContext(ctx), tea.WithOutput(a.stdout)).Run()
	if ctx.Err() != nil || errors.Is(err, tea.ErrInterrupted) {
		return nil // Ctrl-C is how it ends
	}
	return err
}

func newScreen(ctx context.Context, name string, c *api.Client, f topFlags) tea.Model {
	m := top.New(ctx, top.Config{
		Node: name, Source: c, Interval: f.interval, Time: startTiming, Plain: os.Getenv("NO_COLOR") != "",
	})
	if f.timing {
		return m.Timed()
	}
	return m
}

func startTiming() (top.Timing, error) {
	t, err := xdp.StartTiming()
	if err != nil {
		return top.Timing{}, err
	}
	return top.Timing{Cost: t.Cost, Floor: t.Floor, End: t.End}, nil
}

// rates are what a line of `dataplane top` says.
type rates struct {
	At       time.Time `json:"at"`
	Relays   int       `json:"relays"`
	XDP      float64   `json:"xdp_packets_per_second"`
	Process  float64   `json:"userspace_packets_per_second"`
	Passed   float64   `json:"passed_per_second"`
	Dropped  float64   `json:"dropped_per_second"`
	TopDrop  string    `json:"top_drop,omitempty"`
	MaxRelay uint64    `json:"busiest_relay,omitempty"`
	// Imbalance is how many times its share the busiest receive queue of an interface has.
	Imbalance float64 `json:"queue_imbalance,omitempty"`
	RunNs     float64 `json:"program_nanoseconds,omitempty"` // with --time
}

// topLines prints a line each interval.
func (a *app) topLines(ctx context.Context, f topFlags) error {
	c := a.client()
	last, err := c.Traffic(ctx)
	if err != nil {
		return err
	}
	tick := time.NewTicker(f.interval)
	defer tick.Stop()
	for n := 0; f.count == 0 || n < f.count; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := c.Traffic(ctx)
		if ctx.Err() != nil {
			return nil // Ctrl-C is how it ends
		}
		if err != nil {
			return err
		}
		if err := a.printRates(lineOf(top.Between(last, now)), n); err != nil {
			return err
		}
		last = now
	}
	return nil
}

// lineOf brings rates down to a line.
func lineOf(all top.Rates) rates {
	r := rates{At: all.At, Relays: len(all.Relays), RunNs: all.Program.Nanoseconds}
	for _, p := range all.Paths {
		if p.Path == "xdp" {
			r.XDP = p.Both()
		} else {
			r.Process += p.Both()
		}
	}
	for _, x := range all.Reasons {
		switch {
		case x.Path == "machine": // of all programs
		case x.Verdict == "pass":
			r.Passed += x.PerSecond
		default:
			r.Dropped += x.PerSecond
			if r.TopDrop == "" { // the most frequent comes first
				r.TopDrop = x.Reason
			}
		}
	}
	var most float64
	for _, x := range all.Relays {
		if n := x.Packets(); n > most {
			most, r.MaxRelay = n, x.ID
		}
	}
	for _, i := range all.Interfaces {
		r.Imbalance = max(r.Imbalance, i.Imbalance())
	}
	return r
}

// printRates prints one line, with the heading before every 20th.
func (a *app) printRates(r rates, n int) error {
	if a.output == "json" {
		return a.show(r, nil)
	}
	if n%20 == 0 {
		if _, err := fmt.Fprintf(a.stdout, "%-8s %7s %12s %12s %10s %10s  %-16s %s\n",
			"TIME", "RELAYS", "XDP pps", "PROCESS pps", "PASS pps", "DROP pps", "TOP DROP", "BUSIEST"); err != nil {
			return err
		}
	}
	drop := r.TopDrop
	if drop == "" {
		drop = "-"
	}
	_, err := fmt.Fprintf(a.stdout, "%-8s %7d %12.0f %12.0f %10.0f %10.0f  %-16s %d\n",
		r.At.Format(time.TimeOnly), r.Relays, r.XDP, r.Process, r.Passed, r.Dropped, drop, r.MaxRelay)
	return err
}
