// Package report is what a benchmark found out: as JSON for the next reader, as a
// table and as a plot.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Parts of a report.
const (
	Throughput = "throughput" // flat out
	NoDrop     = "no-drop"    // the highest rate with at most 0.1 % lost
	Latency    = "latency"    // added, at a fixed rate
	Setups     = "set-ups"    // Allocate, CreatePermission and ChannelBind
	Churn      = "churn"      // throughput while relays come and go
	OneCore    = "one core"   // every relay with 50 packets/s both ways
)

// Row is one measurement. What a part does not measure is zero.
type Row struct {
	Part      string `json:"part"`
	Target    string `json:"target"`
	Direction string `json:"direction,omitempty"` // up: client to peer; down; both
	Relays    int    `json:"relays,omitempty"`
	Peers     int    `json:"peers,omitempty"` // of each relay
	Payload   int    `json:"payload,omitempty"`

	Offered      float64 `json:"offered_pps,omitempty"`
	Delivered    float64 `json:"delivered_pps,omitempty"`           // median of the rounds
	PerCore      float64 `json:"packets_per_core_second,omitempty"` // of the core that generator, node and counter share
	Worst        float64 `json:"worst_pps,omitempty"`               // of the rounds
	Best         float64 `json:"best_pps,omitempty"`
	Sent         uint64  `json:"sent,omitempty"`
	Lost         int64   `json:"lost"`
	Unseen       int     `json:"flows_unseen"`               // flows of which nothing arrived
	RunNs        float64 `json:"run_ns,omitempty"`           // of the XDP program for each packet, with the cost of measuring it
	CPUNs        float64 `json:"process_cpu_ns,omitempty"`   // of the server's process for each packet
	P50          Micros  `json:"p50_us,omitempty"`           // of latency or of a set-up
	P90          Micros  `json:"p90_us,omitempty"`           //
	P99          Micros  `json:"p99_us,omitempty"`           //
	P999         Micros  `json:"p999_us,omitempty"`          //
	PerSecond    float64 `json:"per_second,omitempty"`       // set-ups
	Repeated     int     `json:"repeated,omitempty"`         // requests that were sent again
	RSSPerRelay  int64   `json:"rss_per_relay,omitempty"`    // bytes by which the process grew
	SystemMemory int64   `json:"system_per_relay,omitempty"` // bytes by which the machine's used memory grew
	RSS          uint64  `json:"rss,omitempty"`              // bytes of the process with all relays
	Note         string  `json:"note,omitempty"`
}

// Micros is a duration in microseconds.
type Micros float64

// MicrosOf converts a duration.
func MicrosOf(d time.Duration) Micros { return Micros(float64(d) / float64(time.Microsecond)) }

// Ratio is a number that was promised, and what came of it.
type Ratio struct {
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Want  float64 `json:"want"`          // at least, or at most with AtMost
	Aim   float64 `json:"aim,omitempty"` // what would be good
	// AtMost: smaller is better.
	AtMost bool   `json:"at_most,omitempty"`
	Unit   string `json:"unit,omitempty"`
}

// Met says whether the promise is kept.
func (r Ratio) Met() bool {
	if r.AtMost {
		return r.Value <= r.Want
	}
	return r.Value >= r.Want
}

// Report is one run of the benchmark.
type Report struct {
	Taken   time.Time     `json:"taken"`
	Took    time.Duration `json:"took_ns"`
	Command []string      `json:"command"`
	Kernel  string        `json:"kernel"`
	CPU     string        `json:"cpu"`
	CPUs    int           `json:"cpus"`
	Go      string        `json:"go"`
	// What disturbed: programs of others that ran at the start, and the share of
	// the time that a hypervisor took away.
	Load     float64   `json:"load_at_start"`
	Steal    float64   `json:"steal"`
	Problems []string  `json:"problems,omitempty"` // parts that could not be measured
	Ratios   []Ratio   `json:"ratios"`
	Rows     []Row     `json:"rows"`
	Floods   []Flood   `json:"floods,omitempty"`
	Scales   []Scale   `json:"scales,omitempty"`
	Captures []Capture `json:"captures,omitempty"`
	SIP      *SIP      `json:"sip,omitempty"`
}

// New starts a report on this machine.
func New(command []string, now time.Time) *Report {
	return &Report{
		Taken: now.UTC().Truncate(time.Second), Command: command,
		Kernel: kernel(), CPU: cpuModel(), CPUs: runtime.NumCPU(), Go: runtime.Version(),
		Load: loadAverage(),
	}
}

// Add adds rows.
func (r *Report) Add(rows ...Row) { r.Rows = append(r.Rows, rows...) }

// Find returns the row of that part, target and direction with the most relays and
// one peer, or a payload as given when it is not 0.
func (r *Report) Find(part, target, direction string) (Row, bool) {
	var best Row
	found := false
	for _, row := range r.Rows {
		if row.Part == part && row.Target == target && row.Direction == direction &&
			row.Note == "" && row.Peers <= 1 && (!found || row.Relays > best.Relays) {
			best, found = row, true
		}
	}
	return best, found
}

// Write writes bench.json, bench.txt and bench.png into a folder.
func (r *Report) Write(dir string) error { return r.write(dir, "bench", r.Table, r.Plot) }

func (r *Report) write(dir, name string, asTable func(io.Writer) error, asPlot func(path string) error) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), append(data, '\n'), 0o644); err != nil {
		return err
	}
	var table strings.Builder
	if err := asTable(&table); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name+".txt"), []byte(table.String()), 0o644); err != nil {
		return err
	}
	if asPlot == nil {
		return nil
	}
	if err := asPlot(filepath.Join(dir, name+".png")); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return nil
}

// Finish notes how long it took and how much a hypervisor took away meanwhile,
// given what CPUTicks said at the start.
func (r *Report) Finish(now time.Time, start Ticks) {
	r.Took = now.Sub(r.Taken)
	end := CPUTicks()
	if all := end.All - start.All; all > 0 {
		r.Steal = float64(end.Steal-start.Steal) / float64(all)
	}
}

// Ticks is the time of all CPUs so far.
type Ticks struct{ All, Steal uint64 }

// CPUTicks reads it; it is zero where the kernel does not say.
func CPUTicks() (t Ticks) {
	data, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(data), "\n")
	for i, field := range strings.Fields(line) { // cpu user nice system idle iowait irq softirq steal guest ...
		n, _ := strconv.ParseUint(field, 10, 64)
		if i <= 8 {
			t.All += n
		}
		if i == 8 {
			t.Steal = n
		}
	}
	return t
}

func loadAverage() (one float64) {
	data, _ := os.ReadFile("/proc/loadavg")
	_, _ = fmt.Sscan(string(data), &one)
	return one
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

func cpuModel() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(data)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
