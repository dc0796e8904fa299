package doctor

import "strings"

// Severity says how much a finding matters.
type Severity string

// Severities. Warnings and problems make the node degraded.
const (
	OK      Severity = "ok"
	Note    Severity = "note"    // to know; nothing is lost by it
	Warning Severity = "warning" // costs packets, speed or reach under some load
	Problem Severity = "problem" // does not work
)

func (s Severity) rank() int {
	switch s {
	case Problem:
		return 3
	case Warning:
		return 2
	case Note:
		return 1
	default:
		return 0
	}
}

// ID names a check. It does not change from release to release: scripts and alarms may
// go by it (docs/doctor.md).
type ID string

// Finding is what a check found about one subject.
type Finding struct {
	ID       ID       `json:"id"`
	Subject  string   `json:"subject"` // an interface, or the part of the machine
	Severity Severity `json:"severity"`
	What     string   `json:"what"`
	Why      string   `json:"why,omitempty"`
	// Command mends it, where a command can.
	Command string `json:"command,omitempty"`
	// Fixable: doctor --fix does it.
	Fixable bool `json:"fixable"`

	mends []mend
}

// complete derives the command from what would be mended.
func (f *Finding) complete() {
	if len(f.mends) == 0 {
		return
	}
	f.Fixable = true
	var commands []string
	for _, m := range f.mends {
		commands = append(commands, m.command())
	}
	f.Command = strings.Join(commands, " && ")
}

func fine(subject, what string) Finding {
	return Finding{Subject: subject, Severity: OK, What: what}
}

func finding(subject string, s Severity, what, command string) Finding {
	return Finding{Subject: subject, Severity: s, What: what, Command: command}
}

func mendable(subject string, s Severity, what string, mends ...mend) Finding {
	return Finding{Subject: subject, Severity: s, What: what, mends: mends}
}
