package member

import (
	"slices"

	"turnpike.dev/turnpike/cluster/revisions"
)

// Synchronisation is told at its start, with its result and at its completion, on both sides (AL-02).

// sync sends a message about the configuration.
func (m *Member) sync(a revisions.Send) {
	if !m.mesh.Send(a.To, a.Message) {
		return
	}
	c := m.contacts[a.To]
	if p, ok := a.Message.(revisions.Push); ok && c != nil && c.sent != p.Tag {
		c.sent = p.Tag
		m.cfg.Log.Event("Cluster Synchronisation Start", "Detail", "the configuration is sent", "Peer", c.name, "Revision", p.Tag, "Num-bytes", len(p.Bytes))
	}
}

// writes says whether the core has taken up a document.
func writes(out []revisions.Action) bool {
	return slices.ContainsFunc(out, func(a revisions.Action) bool { _, ok := a.(revisions.Write); return ok })
}

// pushed notes that a document comes in.
func (m *Member) pushed(c *contact, p revisions.Push) {
	m.cfg.Log.Event("Cluster Synchronisation Start", "Detail", "the primary's configuration arrives", "Peer", c.name, "Revision", p.Tag, "Num-bytes", len(p.Bytes))
}

// applied notes that a document is in force here.
func (m *Member) applied(a revisions.Apply) {
	if a.Tag.Author == m.cfg.Self {
		m.cfg.Log.Event("Cluster Configuration Written", "Detail", "after "+a.Replaces.String(), "Revision", a.Tag)
		return
	}
	m.synchronised = m.cfg.Now()
	detail := "after " + a.Replaces.String()
	if a.Lost {
		detail += ", which was written here and is not in it"
	}
	m.cfg.Log.Event("Cluster Synchronisation Complete", "Detail", detail, "Peer", m.nameOf(a.Tag.Author), "Revision", a.Tag)
}

// compared notes which peers have what is in force here.
func (m *Member) compared() {
	has := m.revisions.Has()
	for _, c := range m.contacts {
		if has == (revisions.Tag{}) || c.beat.Has != has {
			continue
		}
		c.equal = c.beatAt
		if c.id == m.revisions.Follows() && c.beatAt.After(m.synchronised) {
			m.synchronised = c.beatAt
		}
		if c.told != has && c.sent == has {
			m.cfg.Log.Event("Cluster Synchronisation Complete", "Detail", "the peer has the configuration", "Peer", c.name, "Revision", has)
		}
		c.told = has
	}
}
