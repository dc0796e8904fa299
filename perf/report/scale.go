package report

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Scale is what a node of one size takes for the work that is not media.
type Scale struct {
	Relays   int    `json:"relays"`
	Channels int    `json:"channels"` // of all relays
	Step     string `json:"step"`
	// Took is the step's own time.
	Took time.Duration `json:"took_ns"`
	// Sent and Lost are the media that went on meanwhile.
	Sent uint64 `json:"sent"`
	Lost int64  `json:"lost"`
	RSS  uint64 `json:"rss"`
	// Files are the descriptors that the node has open.
	Files int    `json:"files"`
	Note  string `json:"note,omitempty"`
}

// WriteScale writes scale.json and scale.txt into a folder.
func (r *Report) WriteScale(dir string) error {
	return r.write(dir, "scale", r.ScaleTable, nil)
}

// ScaleTable writes the steps for people.
func (r *Report) ScaleTable(w io.Writer) error {
	r.writeHead(w)
	for _, p := range r.Problems {
		fmt.Fprintf(w, "\nnot measured: %s\n", p)
	}
	return r.writeScales(w)
}

func (r *Report) writeScales(w io.Writer) error {
	if len(r.Scales) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nWhat changes take, and the media that went on meanwhile")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "relays\tchannels\tstep\ttook ms\tsent\tlost\tRSS MiB\tfiles\t\t")
	for _, s := range r.Scales {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%.1f\t%s\t%d\t%d\t%d\t%s\t\n", count(float64(s.Relays)), count(float64(s.Channels)), s.Step,
			float64(s.Took)/1e6, count(float64(s.Sent)), s.Lost, s.RSS>>20, s.Files, s.Note)
	}
	return tw.Flush()
}
