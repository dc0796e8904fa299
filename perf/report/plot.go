package report

import (
	"os"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

const panelWidth, panelHeight = 5.5 * vg.Inch, 3.5 * vg.Inch

// Plot draws a PNG of four panels: throughput by relays and by payload, the
// targets side by side, and latency.
func (r *Report) Plot(path string) error {
	panels := [][]*plot.Plot{
		{
			logarithmic(r.lines("Flat out, client to peer, by relays", "relays", relays, payload)),
			r.lines("Flat out, client to peer, by payload", "payload, bytes", payload, relays),
		},
		{
			r.bars("Client to peer: flat out and without drop", "packets/s, logarithmic", r.rates()),
			r.bars("Added latency at half the no-drop rate", "µs, logarithmic", r.latencies()),
		},
	}
	canvas := vgimg.PngCanvas{Canvas: vgimg.New(2*panelWidth, 2*panelHeight)}
	tiles := draw.Tiles{Rows: 2, Cols: 2, PadX: vg.Inch / 3, PadY: vg.Inch / 3, PadTop: vg.Inch / 8, PadRight: vg.Inch / 8}
	for i, row := range plot.Align(panels, tiles, draw.New(canvas)) {
		for j, c := range row {
			panels[i][j].Draw(c)
		}
	}
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

// dimension is something that measurements differ in.
type dimension func(Row) float64

func relays(r Row) float64  { return float64(r.Relays) }
func payload(r Row) float64 { return float64(r.Payload) }

// logFloor is a logarithmic scale on which what is below the axis lies on it: bars
// start from there.
type logFloor struct{}

// Normalize implements plot.Normalizer.
//
//nolint:misspell // gonum's name
func (logFloor) Normalize(low, high, x float64) float64 {
	return plot.LogScale{}.Normalize(low, high, max(x, low)) //nolint:misspell // gonum's name
}

// lines plots throughput upwards: one line for each target that has more than one
// value of x with everything else as in its largest measurement.
func (r *Report) lines(title, label string, x, other dimension) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, label, "million packets/s"
	p.Y.Min = 0
	p.Legend.Top = false
	for i, target := range r.targets(Throughput) {
		base, _ := r.Find(Throughput, target, "up")
		points := r.series(target, base, x, other)
		if len(points) < 2 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			continue
		}
		line.Color, dots.Color = plotutil.Color(i), plotutil.Color(i) //nolint:misspell // gonum's name
		p.Add(line, dots)
		p.Legend.Add(target, line)
	}
	return p
}

// series are a target's measurements that differ from base in x only.
func (r *Report) series(target string, base Row, x, other dimension) plotter.XYs {
	var points plotter.XYs
	for _, row := range r.Rows {
		if row.Part != Throughput || row.Target != target || row.Direction != "up" || row.Peers > 1 || row.Note != "" {
			continue
		}
		if other(row) == other(base) {
			points = append(points, plotter.XY{X: x(row), Y: row.Delivered / 1e6})
		}
	}
	slices.SortFunc(points, func(a, b plotter.XY) int { return int(a.X - b.X) })
	return points
}

// logarithmic gives the plot a logarithmic horizontal axis, unless it is empty.
func logarithmic(p *plot.Plot) *plot.Plot {
	if p.X.Min > 0 && p.X.Max > p.X.Min {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	return p
}

// group is a number of bars under one name.
type group struct {
	legend string
	values map[string]float64 // by target
}

func (r *Report) rates() []group {
	flat, nodrop := group{"flat out", map[string]float64{}}, group{"no drop", map[string]float64{}}
	for _, target := range r.targets(Throughput, NoDrop) {
		if row, ok := r.Find(Throughput, target, "up"); ok {
			flat.values[target] = row.Delivered
		}
		if row, ok := r.Find(NoDrop, target, "up"); ok {
			nodrop.values[target] = row.Offered
		}
	}
	return []group{flat, nodrop}
}

func (r *Report) latencies() []group {
	p50, p99 := group{"p50", map[string]float64{}}, group{"p99", map[string]float64{}}
	for _, target := range r.targets(Latency) {
		if row, ok := r.Find(Latency, target, "up"); ok {
			p50.values[target], p99.values[target] = float64(row.P50), float64(row.P99)
		}
	}
	return []group{p50, p99}
}

// targets are those that have rows in one of the parts, in order of appearance.
func (r *Report) targets(parts ...string) []string {
	var names []string
	for _, row := range r.Rows {
		if slices.Contains(parts, row.Part) && !slices.Contains(names, row.Target) {
			names = append(names, row.Target)
		}
	}
	return names
}

// bars plots groups beside each other for each target, on a logarithmic axis.
func (r *Report) bars(title, label string, groups []group) *plot.Plot {
	const width = vg.Inch * 0.3
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = title, label
	p.Legend.Top = true
	p.Y.Scale, p.Y.Tick.Marker = logFloor{}, plot.LogTicks{Prec: -1}
	p.Y.Max = 10
	names := r.targets(Throughput, NoDrop, Latency)
	if len(names) == 0 {
		p.Y.Min = 1
		return p
	}
	p.NominalX(names...)
	for i, g := range groups {
		values := make(plotter.Values, len(names))
		for j, name := range names {
			values[j] = max(g.values[name], 1)
		}
		bars, err := plotter.NewBarChart(values, width)
		if err != nil {
			continue
		}
		bars.Color, bars.Offset, bars.LineStyle.Width = plotutil.Color(i), width*vg.Length(i)-width/2, 0 //nolint:misspell // gonum's name
		p.Add(bars)
		p.Legend.Add(g.legend, bars)
		for _, v := range values {
			p.Y.Max = max(p.Y.Max, v)
		}
	}
	p.Y.Min = 1
	p.Y.Max *= 5 // room for the legend
	return p
}
