package report

import (
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Flood is what one kind of rubbish does to the innocent of one target.
type Flood struct {
	Kind   string `json:"kind"`
	Text   string `json:"text"`
	Unit   string `json:"unit"` // packets, connections, set-ups
	Target string `json:"target"`
	// Rate is the highest at which the innocent lost at most 0.1 %, 0: there is none.
	Rate float64 `json:"rate_per_second"`
	// Unreached: the source had no more, and the innocent lost nothing.
	Unreached bool `json:"unreached,omitempty"`

	// What happened at rates that are the same for all targets.
	At []FloodAt `json:"at"`
}

// FloodAt is what happened at one rate.
type FloodAt struct {
	Rate     float64 `json:"rate_per_second"` // 0: as many as the source has
	Offered  float64 `json:"offered_per_second"`
	Loss     float64 `json:"loss"`      // share of the innocents' packets
	Asked    int     `json:"newcomers"` // honest set-ups begun
	Done     int     `json:"newcomers_done"`
	P50      Micros  `json:"newcomer_p50_us"`
	P99      Micros  `json:"newcomer_p99_us"`
	CPU      float64 `json:"process_cores"` // CPU time of the server's process by time
	RSS      uint64  `json:"rss"`
	Counters string  `json:"counters,omitempty"` // what the node counted it under
}

// WriteFlood writes flood.json, flood.txt and flood.png into a folder.
func (r *Report) WriteFlood(dir string) error {
	return r.write(dir, "flood", r.FloodTable, r.plotFloods)
}

// FloodTable writes the floods for people: a line for each kind, targets side by side.
func (r *Report) FloodTable(w io.Writer) error {
	r.writeHead(w)
	fmt.Fprintln(w, "\nHighest rate of rubbish at which the innocent lose at most 0.1 % (per second)")
	fmt.Fprintln(w, `≥: all that the source has, and with the node the rate at which one core is full. none: they lose more at the
lowest rate tried. alone: without a relay, so the sources' own limit.`)
	if err := r.floodRates(w); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nAt rates that are the same for all: what the innocent lose, and how long an honest newcomer's set-up takes")
	if err := r.floodsAtRates(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, name := range r.kinds() {
		f, _ := r.flood(name, "")
		fmt.Fprintf(w, "%-10s %s\n", name, f.Text)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "\nnot measured: %s\n", p)
	}
	return r.writeScales(w)
}

func (r *Report) floodRates(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	targets := r.floodTargets()
	fmt.Fprint(tw, "kind\tunit\t")
	for _, t := range targets {
		fmt.Fprintf(tw, "%s\t", t)
	}
	fmt.Fprintln(tw)
	for _, kind := range r.kinds() {
		first, _ := r.flood(kind, "")
		fmt.Fprintf(tw, "%s\t%s\t", kind, first.Unit)
		for _, t := range targets {
			f, found := r.flood(kind, t)
			fmt.Fprintf(tw, "%s\t", f.rate(found))
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

func (f Flood) rate(found bool) string {
	switch {
	case !found:
		return "–"
	case f.Rate == 0:
		return "none"
	case f.Unreached:
		return "≥" + count(f.Rate)
	}
	return count(f.Rate)
}

func (r *Report) floodsAtRates(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "kind\ttarget\toffered/s\tinnocent lost %\tset-ups\tp50 ms\tp99 ms\tprocess cores\tRSS MiB\tcounted as\t")
	for _, f := range r.Floods {
		for _, a := range f.At {
			if a.Asked == 0 {
				continue
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%.2f\t%d of %d\t%s\t%s\t%.2f\t%d\t%s\t\n", f.Kind, f.Target, count(a.Offered), 100*a.Loss,
				a.Done, a.Asked, millis(a.P50), millis(a.P99), a.CPU, a.RSS>>20, a.Counters)
		}
	}
	return tw.Flush()
}

func millis(m Micros) string { return fmt.Sprintf("%.1f", float64(m)/1000) }

func (r *Report) kinds() []string {
	return distinct(r.Floods, func(f Flood) string { return f.Kind })
}

func (r *Report) floodTargets() []string {
	return distinct(r.Floods, func(f Flood) string { return f.Target })
}

func distinct(floods []Flood, name func(Flood) string) []string {
	var names []string
	for _, f := range floods {
		if n := name(f); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// flood finds a kind's row for a target, or for any with "".
func (r *Report) flood(kind, target string) (Flood, bool) {
	i := slices.IndexFunc(r.Floods, func(f Flood) bool {
		return f.Kind == kind && (target == "" || f.Target == target)
	})
	if i < 0 {
		return Flood{}, false
	}
	return r.Floods[i], true
}

// plotFloods draws the rates, one group of bars for each kind.
func (r *Report) plotFloods(path string) error {
	const width = vg.Length(9)
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = "Rubbish at which the innocent lose at most 0.1 %", "per second, logarithmic"
	p.Y.Scale, p.Y.Tick.Marker = logFloor{}, plot.LogTicks{Prec: -1}
	p.Legend.Top = true
	kinds, targets := r.kinds(), r.floodTargets()
	p.Y.Min, p.Y.Max = 100, 1000
	for i, target := range targets {
		values := make(plotter.Values, len(kinds))
		for j, kind := range kinds {
			f, _ := r.flood(kind, target)
			values[j] = max(f.Rate, p.Y.Min)
			p.Y.Max = max(p.Y.Max, f.Rate)
		}
		bars, err := plotter.NewBarChart(values, width)
		if err != nil {
			return err
		}
		bars.Color, bars.LineStyle.Width = plotutil.Color(i), 0 //nolint:misspell // gonum's name
		bars.Offset = width * (vg.Length(i) - vg.Length(len(targets)-1)/2)
		p.Add(bars)
		p.Legend.Add(target, bars)
	}
	p.Y.Min, p.Y.Max = 100, 30*p.Y.Max // room for the legend
	p.NominalX(kinds...)
	p.X.Min, p.X.Max = -.5, float64(len(kinds))-.5
	p.X.Tick.Label.Rotation, p.X.Tick.Label.XAlign = .6, -1
	return savePNG(p, path, vg.Inch*13, vg.Inch*5)
}

func savePNG(p *plot.Plot, path string, w, h vg.Length) error {
	canvas := vgimg.PngCanvas{Canvas: vgimg.New(w, h)}
	p.Draw(draw.Crop(draw.New(canvas), 0, -vg.Inch/4, 0, 0))
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(file); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
