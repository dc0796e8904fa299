package troubles

import (
	"fmt"
	"strings"
	"time"

	"turnpike.dev/turnpike/cluster/liveness"
)

// Sharing is how this node counts what the cluster shares out.
type Sharing struct {
	// Lent: something is shared by the policy available, so that whoever is cut off counts it for himself.
	Lent bool
	// Strict: something is shared by the policy strict, of which no share grows while nobody leads the agreement.
	Strict bool
	// Aside: nobody leads the agreement, and this node's side counts for itself since Since.
	Aside bool
	Since time.Time
	// Leader is the entry of the peer that leads; empty: nobody does.
	Leader string
}

// Held is what a peer that is not there keeps of what is shared by the policy strict.
type Held struct {
	Resources []string // a few of them by name
	All       int      // how many there are
}

// sharing is about licences and bandwidth that may be counted twice, or not at all (LI-06, BW-05).
func (b *board) sharing(v View) {
	s := v.Sharing
	away := v.away(s.Aside)
	switch {
	case !s.Lent:
	case s.Aside && len(away) > 0:
		b.add(29001, "", "this side counts for itself since "+stamp(s.Since)+"; not reached: "+strings.Join(away, ", "))
	case s.Aside:
		b.add(29001, "", "nobody leads the agreement: who reaches each other counts together since "+stamp(s.Since))
	case len(away) > 0:
		b.add(29001, "", "if they run they count for themselves; not reached: "+strings.Join(away, ", "))
	}
	if s.Strict && s.Aside {
		b.add(29003, "", noGrowth(s.Since, away))
	}
	for _, p := range v.Peers {
		if p.Held.All > 0 && !p.Own && !p.here() {
			b.add(29002, p.Address, p.Held.text()+freedBy(p, s.Leader))
		}
	}
}

// noGrowth says since when no share grows, and who is missing for a majority.
func noGrowth(since time.Time, away []string) string {
	text := "nobody leads the agreement since " + stamp(since)
	if len(away) > 0 {
		text += "; not reached: " + strings.Join(away, ", ")
	}
	return text
}

// away are the peers that this node does not reach any more, or (also) has not reached since its start.
func (v View) away(also bool) []string {
	var out []string
	for i, p := range v.Peers {
		if i == v.Index || p.Own || p.Life != liveness.Lost && (!also || p.here()) {
			continue
		}
		text := p.Address
		if !p.Lost.IsZero() {
			text += " since " + stamp(p.Lost)
		}
		out = append(out, text)
	}
	return out
}

// text says what is held.
func (h Held) text() string {
	text := "reserved for it: " + strings.Join(h.Resources, ", ")
	if more := h.All - len(h.Resources); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// freedBy says how an operator frees what a peer keeps.
func freedBy(p Peer, leader string) string {
	if leader == "" {
		return "; no majority agrees on freeing it: bring peers back, or take it off the list"
	}
	return fmt.Sprintf("; on %s: turnpike database forget %s --confirm %s", leader, p.Address, or(p.Name, p.Address))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
