package doctor

import (
	"fmt"
	"strings"

	"turnpike.dev/turnpike/control/sharing"
)

// namedShares is how many of the things that are shared a finding names.
const namedShares = 3

// shared is something that peers share, by its name.
type shared struct {
	name string
	sharing.Share
}

// sharedOut judges how the running node counts what its peers share (LI-06, BW-05).
func sharedOut(s *Snapshot) []Finding {
	if s.Running == nil || s.Running.Licences.Sharing.State == "" || s.Running.Licences.Sharing.State == sharing.StateAlone {
		return nil
	}
	st, all := s.Running.Licences.Sharing, s.Running.shared()
	var found []Finding
	switch st.State {
	case sharing.StateApart:
		found = append(found, finding("shares", Warning, st.Text()+": others may use the same licences and bandwidth", "turnpike cluster check"))
	case sharing.StateWaits:
		found = append(found, finding("shares", Warning, "the node "+st.Text(), "turnpike cluster status"))
	}
	if names := named(all, func(o shared) bool { return o.State == sharing.StateOver }); names != "" {
		found = append(found, finding("shares", Note, "more is granted than there is of "+names+": nothing of it grows until enough calls have ended", "turnpike licence status --peers; turnpike bandwidth status --peers"))
	}
	if names := named(all, func(o shared) bool { return o.Full() && o.Shared() }); names != "" {
		found = append(found, finding("shares", Note, "the whole cluster uses all of "+names, "turnpike licence status --peers; turnpike bandwidth status --peers"))
	}
	if names := named(all, func(o shared) bool { return o.Policy == sharing.PolicyStrict }); names != "" && len(s.Running.Cluster.Peers) == 2 {
		found = append(found, finding("shares", Note, "policy strict for "+names+" in a cluster of two: while one peer is away no share of the other grows", "see \"What is shared\" in docs/cluster.md"))
	}
	if len(found) == 0 {
		return []Finding{fine("shares", fmt.Sprintf("%d things are shared by %s", len(all), st.Text()))}
	}
	return found
}

// shared are the things that the node shares with its peers.
func (r *Running) shared() []shared {
	var out []shared
	for _, u := range r.Licences.Use {
		if u.Shared() {
			out = append(out, shared{u.Name, u.Share})
		}
	}
	for _, o := range r.Bandwidth {
		if o.Share != nil && o.Shared() {
			out = append(out, shared{o.String(), *o.Share})
		}
	}
	return out
}

// named lists the first of those that are so; empty: none is.
func named(all []shared, so func(shared) bool) string {
	var names []string
	more := 0
	for _, o := range all {
		switch {
		case !so(o):
		case len(names) < namedShares:
			names = append(names, o.name)
		default:
			more++
		}
	}
	text := strings.Join(names, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
