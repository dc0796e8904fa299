package member

import (
	"strings"

	"turnpike.dev/turnpike/cluster/rows"
)

// watcher is told of rows whose keys have a prefix.
type watcher struct {
	prefix string
	take   func([]rows.Changed)
}

// of returns the changes that the watcher asked for.
func (w watcher) of(all []rows.Changed) []rows.Changed {
	var out []rows.Changed
	for _, c := range all {
		if strings.HasPrefix(string(c.Key), w.prefix) {
			out = append(out, c)
		}
	}
	return out
}

// Watch tells changes of what counts under keys with a prefix, from the member's goroutine: take must be
// quick and must not block. It comes before Run; the recovered rows come first.
func (m *Member) Watch(prefix string, take func([]rows.Changed)) {
	m.watchers = append(m.watchers, watcher{prefix, take})
}

// Put writes a row of this node's own.
func (m *Member) Put(k rows.Key, r rows.Row) { m.inbox.post(rows.Put{Key: k, Row: r}) }

// Delete removes a row of this node's own.
func (m *Member) Delete(k rows.Key) { m.inbox.post(rows.Delete{Key: k}) }

// remaking notes that the copy of a peer's rows is made anew (AL-02).
func (m *Member) remaking(a rows.Resynchronised) {
	if c := m.contacts[a.Owner]; c != nil {
		c.making, m.dirty = true, true
	}
	m.cfg.Log.Event("Cluster Database Synchronisation Start", "Detail", a.Why, "Peer", m.nameOf(a.Owner))
}

// row runs the core of the rows.
func (m *Member) row(e rows.Event) {
	for _, a := range m.rows.Step(m.cfg.Boot(), e) {
		switch a := a.(type) {
		case rows.Send:
			m.mesh.Send(a.To, a.Message)
		case rows.Changed:
			m.news = append(m.news, a)
		case rows.Resynchronised:
			m.remaking(a)
		case rows.Refused:
			m.cfg.Log.Warn("Cluster Row Refused", "Detail", a.Err, "Peer", m.nameOf(a.Owner))
		}
	}
}
