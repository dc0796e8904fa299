// Package bpf holds the XDP program of the relay, its compiled object and the Go
// twins of what both sides share. It knows flows and packets, and nothing of TURN
// sessions or calls; dataplane/xdp loads and feeds it.
package bpf

// Reason is why a packet left the relay: the one enum of the program, the
// process's relay, the metrics and the documentation.
type Reason uint32

// Verdict is what happens to a packet.
type Verdict string

// Verdicts.
const (
	Forward Verdict = "forward"
	Pass    Verdict = "pass"
	Drop    Verdict = "drop"
)

// String returns the reason's name as metrics and commands show it.
func (r Reason) String() string { return reasons[r].name }

// Text returns what the reason means and what to do about it.
func (r Reason) Text() string { return reasons[r].text }

// Verdict returns what happens to a packet that leaves for this reason.
func (r Reason) Verdict() Verdict { return reasons[r].verdict }
