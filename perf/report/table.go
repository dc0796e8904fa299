package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// column is one column of a part's table.
type column struct {
	title string
	cell  func(Row) string
}

var (
	colTarget    = column{"target", func(r Row) string { return r.Target }}
	colDirection = column{"direction", func(r Row) string { return r.Direction }}
	colRelays    = column{"relays", func(r Row) string { return count(float64(r.Relays)) }}
	colPeers     = column{"peers", func(r Row) string { return count(float64(r.Peers)) }}
	colPayload   = column{"payload", func(r Row) string { return count(float64(r.Payload)) }}
	colOffered   = column{"offered/s", func(r Row) string { return count(r.Offered) }}
	colDelivered = column{"packets/s", func(r Row) string { return count(r.Delivered) }}
	colRange     = column{"worst–best", func(r Row) string { return span(r.Worst, r.Best) }}
	colSent      = column{"sent", func(r Row) string { return count(float64(r.Sent)) }}
	colLost      = column{"lost", func(r Row) string { return fmt.Sprint(r.Lost) }}
	colRun       = column{"ns/run", func(r Row) string { return count(r.RunNs) }}
	colCPU       = column{"process ns/packet", func(r Row) string { return count(r.CPUNs) }}
	colP50       = column{"p50 µs", func(r Row) string { return micros(r.P50) }}
	colP90       = column{"p90 µs", func(r Row) string { return micros(r.P90) }}
	colP99       = column{"p99 µs", func(r Row) string { return micros(r.P99) }}
	colP999      = column{"p99.9 µs", func(r Row) string { return micros(r.P999) }}
	colPerSecond = column{"set-ups/s", func(r Row) string { return count(r.PerSecond) }}
	colRepeated  = column{"repeated", func(r Row) string { return count(float64(r.Repeated)) }}
	colRSS       = column{"RSS/relay KiB", func(r Row) string { return kib(r.RSSPerRelay) }}
	colSystem    = column{"system/relay KiB", func(r Row) string { return kib(r.SystemMemory) }}
	colTotal     = column{"RSS MiB", func(r Row) string { return count(float64(r.RSS) / (1 << 20)) }}
	colPerCore   = column{"packets/core second", func(r Row) string { return count(r.PerCore) }}
	colUnseen    = column{"flows unseen", func(r Row) string { return fmt.Sprint(r.Unseen) }}
	colNote      = column{"", func(r Row) string { return r.Note }}
)

// tables are the parts in the order in which they are shown.
var tables = []struct {
	part, title string
	columns     []column
}{
	{Throughput, "Flat out", []column{colTarget, colDirection, colRelays, colPeers, colPayload, colDelivered, colRange, colPerCore, colUnseen, colRun, colCPU, colNote}},
	{NoDrop, "No-drop rate (at most 0.1 % lost)", []column{colTarget, colDirection, colRelays, colPayload, colOffered, colCPU, colNote}},
	{Latency, "Added latency", []column{colTarget, colDirection, colRelays, colPayload, colOffered, colP50, colP90, colP99, colP999, colNote}},
	{OneCore, "Every relay at 50 packets/s both ways, all on one core", []column{colTarget, colRelays, colPayload, colOffered, colSent, colLost, colUnseen, colP50, colP99, colNote}},
	{Setups, "Set-ups (Allocate, CreatePermission, ChannelBind) and memory", []column{colTarget, colRelays, colPerSecond, colRepeated, colP50, colP99, colRSS, colSystem, colTotal, colNote}},
	{Churn, "Cost of set-ups under load", []column{colTarget, colDirection, colRelays, colOffered, colDelivered, colLost, colPerSecond, colRepeated, colP50, colP99, colNote}},
}

// Table writes the report for people.
func (r *Report) Table(w io.Writer) error {
	r.writeHead(w)
	for _, t := range tables {
		if err := r.writePart(w, t.part, t.title, t.columns); err != nil {
			return err
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "\nnot measured: %s\n", p)
	}
	return r.writeRatios(w)
}

// writeHead says on what machine the report was made, and what disturbed.
func (r *Report) writeHead(w io.Writer) {
	fmt.Fprintf(w, "%s  %s\n%s, %d CPUs, Linux %s, %s, took %s\nload before %.2f, stolen by the hypervisor %.1f %%\n",
		r.Taken.Format(time.RFC3339), strings.Join(r.Command, " "),
		r.CPU, r.CPUs, r.Kernel, r.Go, r.Took.Round(time.Second), r.Load, 100*r.Steal)
}

func (r *Report) writePart(w io.Writer, part, title string, columns []column) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	empty := true
	for _, row := range r.Rows {
		if row.Part != part {
			continue
		}
		if empty {
			fmt.Fprintf(w, "\n%s\n", title)
			line(tw, columns, func(c column) string { return c.title })
			empty = false
		}
		line(tw, columns, func(c column) string { return c.cell(row) })
	}
	return tw.Flush()
}

func line(w io.Writer, columns []column, text func(column) string) {
	for _, c := range columns {
		fmt.Fprintf(w, "%s\t", text(c))
	}
	fmt.Fprintln(w)
}

func (r *Report) writeRatios(w io.Writer) error {
	if len(r.Ratios) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nPromises")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, x := range r.Ratios {
		verdict, sign := "met", "≥"
		if !x.Met() {
			verdict = "NOT MET"
		}
		if x.AtMost {
			sign = "≤"
		}
		aim := ""
		if x.Aim != 0 {
			aim = fmt.Sprintf("(aim %.4g%s)", x.Aim, x.Unit)
		}
		fmt.Fprintf(tw, "%s\t%.3g%s\t%s %.4g%s\t%s\t%s\n", x.What, x.Value, x.Unit, sign, x.Want, x.Unit, aim, verdict)
	}
	return tw.Flush()
}

// count shows a number without fraction, with thousands set apart, and nothing for
// zero.
func count(v float64) string {
	if v == 0 {
		return ""
	}
	digits := fmt.Sprintf("%.0f", v)
	var parts []string
	for len(digits) > 3 {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, parts...), ",")
}

func span(from, to float64) string {
	if from == 0 && to == 0 {
		return ""
	}
	return count(from) + "–" + count(to)
}

func micros(m Micros) string {
	if m == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", float64(m))
}

func kib(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", float64(bytes)/1024)
}
