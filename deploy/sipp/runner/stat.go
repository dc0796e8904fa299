package runner

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// Result is what a SIPp counted from its start to its end.
type Result struct {
	Created    int // calls, in either direction
	Successful int
	Failed     int
	// Reasons are the counters of failures that are not zero, by SIPp's names.
	Reasons map[string]int
	// Retransmissions are messages that it sent again.
	Retransmissions int
	// OutOfCall are messages that fit no call of it.
	OutOfCall int
}

// result reads the last line of the statistics.
func (p *Process) result() (Result, error) {
	text, err := os.ReadFile(p.file("stat.csv"))
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w%s", p.name(), err, p.said())
	}
	r, err := parseStat(string(text))
	if err != nil {
		return r, fmt.Errorf("%s: %w%s", p.name(), err, p.said())
	}
	var exit *exec.ExitError
	switch {
	case p.ended && r.Failed == 0:
		return r, nil
	case r.Failed > 0:
		return r, fmt.Errorf("%s: %d of %d calls failed (%s)%s", p.name(), r.Failed, r.Created, r.why(), p.said())
	case errors.As(p.err, &exit):
		return r, fmt.Errorf("%s: exit code %d, %d of %d calls done%s", p.name(), exit.ExitCode(), r.Successful, p.cfg.Calls, p.said())
	}
	return r, p.err
}

func (r Result) why() string {
	var all []string
	for name, n := range r.Reasons {
		all = append(all, fmt.Sprintf("%s %d", name, n))
	}
	return strings.Join(all, ", ")
}

// parseStat reads a file of -trace_stat: names, and a line each second and at the end.
func parseStat(text string) (Result, error) {
	in := csv.NewReader(strings.NewReader(text))
	in.Comma, in.FieldsPerRecord, in.LazyQuotes = ';', -1, true
	lines, err := in.ReadAll()
	if err != nil {
		return Result{}, fmt.Errorf("read the statistics: %w", err)
	}
	if len(lines) < 2 {
		return Result{}, errors.New("no statistics yet")
	}
	last := lines[len(lines)-1]
	r := Result{Reasons: map[string]int{}}
	for i, name := range lines[0] {
		total, is := strings.CutSuffix(name, "(C)")
		if name == "TotalCallCreated" {
			total, is = name, true
		}
		if !is || i >= len(last) {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(last[i]))
		if err != nil {
			continue // a time
		}
		r.set(total, n)
	}
	return r, nil
}

func (r *Result) set(name string, n int) {
	switch {
	case name == "TotalCallCreated":
		r.Created = n
	case name == "SuccessfulCall":
		r.Successful = n
	case name == "FailedCall":
		r.Failed = n
	case name == "Retransmissions":
		r.Retransmissions = n
	case name == "OutOfCallMsgs":
		r.OutOfCall = n
	case strings.HasPrefix(name, "Failed") && n > 0:
		r.Reasons[strings.TrimPrefix(name, "Failed")] = n
	}
}
