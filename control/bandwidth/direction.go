package bandwidth

import "slices"

// Crossing says how often the caller's media crosses a pipe in each of its directions.
// The called party's media crosses it as often in the other.
//
// A pipe's forward direction is that of the first link it is on, from one end of the link
// to the other as they are written. On its further links forward is what fits to that: an
// access line's links meet at its site, whichever of their ends that is, and what leaves
// the site goes the same way on all of them.
type Crossing struct {
	ID                ID
	Forward, Backward int
}

// sides are the nodes before and behind a pipe, as far as links have told.
type sides struct{ near, far []int }

// along reports whether from a to b is the pipe's forward direction, and remembers it.
func (s *sides) along(a, b int) bool {
	known := slices.Contains(s.near, a) || slices.Contains(s.far, b)
	if !known && (slices.Contains(s.near, b) || slices.Contains(s.far, a)) {
		s.near, s.far = append(s.near, b), append(s.far, a)
		return false
	}
	s.near, s.far = append(s.near, a), append(s.far, b)
	return true
}

// cross counts the crossings of a link's pipes by who enters the link at a node.
func (p *Plan) cross(l *link, from int) {
	for i, pipe := range l.ids {
		at := slices.IndexFunc(p.Crossings, func(c Crossing) bool { return c.ID == pipe })
		if at < 0 {
			at = len(p.Crossings)
			p.Crossings = append(p.Crossings, Crossing{ID: pipe})
		}
		if l.along[i] == (l.a == from) {
			p.Crossings[at].Forward++
		} else {
			p.Crossings[at].Backward++
		}
	}
}
