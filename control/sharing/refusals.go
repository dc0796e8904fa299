package sharing

import (
	"fmt"
	"slices"
	"strings"
)

// Refusals are how many calls, registrations and relays were refused for want of something since the node's start, by the
// name of the reason.
type Refusals map[string]uint64

// All returns how many they are together.
func (f Refusals) All() (n uint64) {
	for _, of := range f {
		n += of
	}
	return n
}

// Text says how many for which reason, in the order of Reasons: 3 used_up, 1 no_answer.
func (f Refusals) Text() string {
	var out []string
	for _, why := range f.Shown() {
		out = append(out, fmt.Sprintf("%d %s", f[why.Name], why.Name))
	}
	return strings.Join(out, ", ")
}

// Reason is why something was refused, and what an operator can do about it.
type Reason struct{ Name, Text, Remedy string }

// OwnLimit is the reason of what peers do not share.
const OwnLimit = "own_limit"

// Reasons lists all of them, in the order in which they are shown: first what more of it would cure, then what other peers
// would.
func Reasons() []Reason {
	return []Reason{
		{OwnLimit, "all that this node has is in use, and peers share none of it", "more of it, or fewer calls"},
		{"used_up", "all that the cluster has is in use", "more of it for the cluster, or fewer calls"},
		{"reserved", "a peer that is not there keeps what would be enough", "bring it back, or `turnpike database forget`; bandwidth of policy available is free after two minutes"},
		{"over_total", "peers use more than there is, as after a partition or a lower limit", "wait until enough has ended, or raise the limit"},
		{"apart", "this side of the cluster counts for itself, and has no more", "see `turnpike cluster status`: peers must reach each other"},
		{"no_majority", "no majority of the peers agrees, and by the policy strict no share grows", "see `turnpike cluster status`: bring peers back"},
		{"no_lease", "this node was cut off, and may not use its share before it is told so again", "see `turnpike cluster status`; it takes a second or two"},
		{"starting", "this node has just started, and had no share yet", "wait; if it lasts, see `turnpike cluster status`"},
		{"no_answer", "this node's share was in use, and no more came in time", "see `turnpike cluster status` for round trips; one peer may have all calls"},
		{"no_wait", "this node's share was in use, and who asked cannot wait (TURN, ACK, PRACK)", "the next one may have it, as more is asked for at once; if it lasts, more of it"},
		{"damaged", "the node's database is damaged, and by the policy strict nobody tells what is left", "see `turnpike database status`"},
	}
}

// Shown lists the reasons that some were refused for, in the order of Reasons; those that are unknown, of another version,
// come last.
func (f Refusals) Shown() []Reason {
	var out []Reason
	known := map[string]bool{}
	for _, r := range Reasons() {
		if known[r.Name] = true; f[r.Name] > 0 {
			out = append(out, r)
		}
	}
	at := len(out)
	for name := range f {
		if !known[name] {
			out = append(out, Reason{Name: name, Text: "a reason of another version", Remedy: "see docs/cluster.md of that version"})
		}
	}
	slices.SortFunc(out[at:], func(a, b Reason) int { return strings.Compare(a.Name, b.Name) })
	return out
}
