package report

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// SIPCost is the CPU time that one request or call takes of all processes of a target,
// in user and kernel mode; the median of the rounds.
type SIPCost struct {
	What     string  `json:"what"`
	Target   string  `json:"target"`
	Rate     float64 `json:"rate_per_second"`
	Done     int     `json:"done"` // in all rounds
	Failed   int     `json:"failed"`
	Repeated int     `json:"repeated"` // messages that the load sent again
	Median   Micros  `json:"cpu_us"`
	Least    Micros  `json:"least_us"`
	Most     Micros  `json:"most_us"`
}

// SIPMemory is by how much a target grew for each of many, in bytes.
type SIPMemory struct {
	What   string `json:"what"`
	Target string `json:"target"`
	Number int    `json:"number"`
	// Each is of the processes' proportional set size, System adds what the kernel holds.
	Each   int64  `json:"bytes_each"`
	System int64  `json:"system_bytes_each"`
	Total  uint64 `json:"pss"` // with all of them
	Note   string `json:"note,omitempty"`
}

// SIPMedia is the media of many calls at once.
type SIPMedia struct {
	Target  string  `json:"target"`
	Calls   int     `json:"calls"`
	Offered float64 `json:"offered_pps"`
	Sent    uint64  `json:"sent"`
	Lost    int64   `json:"lost"`
	Unseen  int     `json:"streams_unseen"`
	// Process is the CPU time of all processes for each packet, Program that of the
	// XDP programs, by the kernel's statistics.
	Process float64 `json:"process_ns"`
	Program float64 `json:"program_ns"`
	Cores   float64 `json:"cores"` // process and program together
	P50     Micros  `json:"p50_us"`
	P99     Micros  `json:"p99_us"`
}

// SIP is what was found out about signalling and the media of calls.
type SIP struct {
	Costs  []SIPCost   `json:"costs,omitempty"`
	Memory []SIPMemory `json:"memory,omitempty"`
	Media  []SIPMedia  `json:"media,omitempty"`
}

// Middle sets the median and the range of the rounds.
func (c *SIPCost) Middle(rounds []Micros) {
	if len(rounds) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(rounds))
	c.Least, c.Most = sorted[0], sorted[len(sorted)-1]
	c.Median = sorted[len(sorted)/2]
	if n := len(sorted); n%2 == 0 {
		c.Median = (sorted[n/2-1] + sorted[n/2]) / 2
	}
}

// WriteSIP writes sip.json and sip.txt into a folder.
func (r *Report) WriteSIP(dir string) error { return r.write(dir, "sip", r.SIPTable, nil) }

// SIPTable writes it for people.
func (r *Report) SIPTable(w io.Writer) error {
	r.writeHead(w)
	if r.SIP != nil {
		if err := r.SIP.table(w); err != nil {
			return err
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "\nnot measured: %s\n", p)
	}
	return r.writeRatios(w)
}

func (s *SIP) table(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(s.Costs) > 0 {
		fmt.Fprintln(w, "\nCPU time of all processes (user and kernel), by turns, median of the rounds")
		fmt.Fprintln(tw, "what\ttarget\trate/s\tµs each\tleast–most\tdone\tfailed\tsent again\t")
		for _, c := range s.Costs {
			fmt.Fprintf(tw, "%s\t%s\t%.0f\t%s\t%s–%s\t%d\t%d\t%d\t\n", c.What, c.Target, c.Rate, micros(c.Median), micros(c.Least), micros(c.Most), c.Done, c.Failed, c.Repeated)
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	if len(s.Memory) > 0 {
		fmt.Fprintln(w, "\nMemory: growth of the processes (PSS) for each; with what the kernel holds (sockets, maps)")
		fmt.Fprintln(tw, "what\ttarget\tnumber\tKiB each\twith kernel KiB\tPSS MiB\t\t")
		for _, m := range s.Memory {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%.2f\t%.2f\t%d\t%s\t\n", m.What, m.Target, count(float64(m.Number)), float64(m.Each)/1024, float64(m.System)/1024, m.Total>>20, m.Note)
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	return s.mediaTable(w, tw)
}

func (s *SIP) mediaTable(w io.Writer, tw *tabwriter.Writer) error {
	if len(s.Media) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nMedia of calls at once, both ways (packets come from a generator in the kernel on another core)")
	fmt.Fprintln(tw, "target\tcalls\tpackets/s\tsent\tlost\tstreams unseen\tprocess ns/packet\tXDP ns/packet\tcores\tp50 µs\tp99 µs\t")
	for _, m := range s.Media {
		fmt.Fprintf(tw, "%s\t%d\t%s\t%s\t%d\t%d\t%s\t%s\t%.3f\t%s\t%s\t\n", m.Target, m.Calls, count(m.Offered), count(float64(m.Sent)), m.Lost, m.Unseen,
			count(m.Process), count(m.Program), m.Cores, micros(m.P50), micros(m.P99))
	}
	return tw.Flush()
}
