package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// Capture is what relaying costs in one state of capturing. Each list has a number for
// each round; rounds of all states took turns.
type Capture struct {
	State string `json:"state"`
	// RunNs is what the program takes for a packet at a steady rate, by the kernel's statistics.
	RunNs []float64 `json:"run_ns"`
	// PacketNs is the time of the core that generator, node and counter share, flat out.
	PacketNs []float64 `json:"packet_ns"`
	// Sent and Lost are the media of the steady rate, of all rounds.
	Sent uint64 `json:"sent"`
	Lost int64  `json:"lost"`
	// Recorded and Missing are the capture's own counts.
	Recorded uint64 `json:"recorded,omitempty"`
	Missing  uint64 `json:"missing,omitempty"`
}

// WriteCapture writes capture.json, capture.txt and, for benchstat, capture.bench.
func (r *Report) WriteCapture(dir string) error {
	if err := r.write(dir, "capture", r.CaptureTable, nil); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "capture.bench"), []byte(r.captureBench()), 0o644)
}

// captureBench is every round as `go test -bench` would print it:
// benchstat -col /state capture.bench
func (r *Report) captureBench() string {
	var text strings.Builder
	for _, c := range r.Captures {
		state := strings.ReplaceAll(c.State, " ", "-")
		for i := range min(len(c.RunNs), len(c.PacketNs)) {
			fmt.Fprintf(&text, "BenchmarkRelay/state=%s 1 %.2f ns/run %.2f ns/packet\n", state, c.RunNs[i], c.PacketNs[i])
		}
	}
	return text.String()
}

// CaptureTable writes the states for people.
func (r *Report) CaptureTable(w io.Writer) error {
	r.writeHead(w)
	for _, p := range r.Problems {
		fmt.Fprintf(w, "\nnot measured: %s\n", p)
	}
	fmt.Fprintln(w, "\nWhat a capture costs each packet: median of the rounds (least to most)")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "state\tns/run\t\tns/packet flat out\t\tsent\tlost\trecorded\tmissing\t")
	for _, c := range r.Captures {
		run, runs := middle(c.RunNs)
		packet, packets := middle(c.PacketNs)
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t\n", c.State, run, runs, packet, packets,
			count(float64(c.Sent)), c.Lost, count(float64(c.Recorded)), count(float64(c.Missing)))
	}
	return tw.Flush()
}

// middle returns the median, and the least and the most.
func middle(list []float64) (median, spread string) {
	if len(list) == 0 {
		return "-", ""
	}
	s := slices.Sorted(slices.Values(list))
	return fmt.Sprintf("%.1f", s[len(s)/2]), fmt.Sprintf("(%.1f–%.1f)", s[0], s[len(s)-1])
}
