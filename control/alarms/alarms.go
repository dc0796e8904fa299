// Package alarms keeps what is wrong with a node until it is right again.
//
// It exists because a line in a log scrolls by: an operator needs to see what stands
// now, since when, how bad it is, what it means and what to do about it, and to say
// "seen". Numbers and titles are those that operators of systems of this kind know
// (facts A5); the texts are our own. Whoever notices something raises and lowers by
// number and key, as often as it likes; saying so again changes nothing. What stands
// survives a restart.
//
// Board decides, without clock, file or goroutine; Alarms gives it those.
package alarms

import (
	"fmt"
	"strings"
	"time"
)

// Severity is how bad an alarm is, worst first (facts A5).
type Severity uint8

// Severities.
const (
	Emergency Severity = iota
	Alert
	Critical
	Error
	Warning
	Notice
	Info
	Debug
)

var severityNames = [...]string{"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"}

// Severities lists all of them, worst first.
func Severities() []Severity {
	return []Severity{Emergency, Alert, Critical, Error, Warning, Notice, Info, Debug}
}

// String returns the severity as commands and metrics show it.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return fmt.Sprintf("severity %d", uint8(s))
}

// MarshalText writes the severity for JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a severity.
func (s *Severity) UnmarshalText(text []byte) error {
	for i, name := range severityNames {
		if name == string(text) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no severity: want one of %s", text, strings.Join(severityNames[:], ", "))
}

// AboveNotice says whether somebody should do something.
func (s Severity) AboveNotice() bool { return s < Notice }

// State is how far an alarm is.
type State string

// States (AL-01).
const (
	Raised       State = "raised"
	Acknowledged State = "acknowledged" // it stands, and somebody has seen it
	Lowered      State = "lowered"      // it does not stand any more
)

// Alarm is one alarm that stands or stood (AL-01).
type Alarm struct {
	Number   int       `json:"number"`
	Key      string    `json:"key,omitempty"` // which of several: a peer, a certificate
	UUID     string    `json:"uuid"`
	Severity Severity  `json:"severity"`
	Title    string    `json:"title"`
	Detail   string    `json:"detail"`
	State    State     `json:"state"`
	First    time.Time `json:"first"` // when it was raised
	Last     time.Time `json:"last"`  // when it was raised again or lowered
	// Times is how often it was raised; more than once where it comes and goes.
	Times int    `json:"times"`
	By    string `json:"acknowledged_by,omitempty"`
	// Behind is the number of a standing alarm that explains this one; 0: none.
	Behind int `json:"behind,omitempty"`
}

// Stands says whether the alarm is raised, acknowledged or not.
func (a *Alarm) Stands() bool { return a.State != Lowered }

// Bounds of what callers may say, some of which comes from outside.
const (
	maxKey    = 128
	maxDetail = 512
	// maxKeys is how many keys of one number stand one by one; more of them are
	// counted in one alarm with the key MoreKey.
	maxKeys = 32
	// maxFolded bounds how many keys are counted.
	maxFolded = 10_000
	// maxLowered is how many alarms are kept that do not stand any more.
	maxLowered = 200
)

// MoreKey is the key of the alarm that stands for the keys that are too many.
const MoreKey = "more"

// bounded cuts what a caller says to size and keeps it on one line.
func bounded(s string, n int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n-3], "") + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
