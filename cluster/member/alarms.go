package member

import (
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/settings"
)

const (
	// slow is how long a copy of a peer's rows may take until it is alarmed, never how long nothing may do so.
	slow, never = 5 * time.Second, time.Minute
	// doubled is how long a node that was met under two entries counts as such without being met again.
	doubled = 5 * time.Second
)

// Alarm is one that stands when the member begins.
type Alarm struct {
	Number      int
	Key, Detail string
}

// alarm names one of the alarms that stand.
type alarm struct {
	number int
	key    string
}

// sound raises what is wrong now and lowers what is right again (CL-16).
func (m *Member) sound() {
	now := m.troubles()
	for a, detail := range now {
		if was, stands := m.raised[a]; !stands || was != detail {
			m.cfg.Alarms.Raise(a.number, a.key, detail)
		}
	}
	for a := range m.raised {
		if _, stands := now[a]; !stands {
			m.cfg.Alarms.Lower(a.number, a.key)
		}
	}
	m.raised = now
}

// troubles returns all alarms that should stand now.
func (m *Member) troubles() map[alarm]string {
	out := map[alarm]string{}
	add := func(number int, key, detail string) {
		if out[alarm{number, key}] == "" {
			out[alarm{number, key}] = detail
		}
	}
	m.listTroubles(add)
	for _, s := range m.liveness.Status() {
		if !s.Own {
			m.peerTroubles(s, add)
		}
	}
	for _, t := range m.revisions.Troubles() {
		add(t.Number, m.entryOf(cluster.ID(t.Key)), m.named(t.Detail, t.Key))
	}
	return out
}

// listTroubles are of the list itself.
func (m *Member) listTroubles(add func(int, string, string)) {
	if m.index < 0 {
		const none = "no address or name of this node is in the list of peers"
		add(20003, "", none)
		add(20015, "", none)
	}
	for i, p := range m.own.Peers {
		if slices.ContainsFunc(m.own.Peers[:i], func(q string) bool { return strings.EqualFold(p, q) }) {
			add(20003, p, p+" is in the list twice")
		}
	}
	now := m.cfg.Boot()
	for entry, d := range m.doubles {
		if now-d.at > doubled {
			delete(m.doubles, entry)
			continue
		}
		add(20003, entry, entry+" is the same node as "+d.also)
	}
}

// peerTroubles are of one entry of the list.
func (m *Member) peerTroubles(s liveness.Status, add func(int, string, string)) {
	why := m.faults[s.Address]
	var dns *net.DNSError
	if errors.As(why, &dns) {
		add(20005, s.Address, s.Address+" cannot be resolved: "+why.Error())
	}
	here := s.Life == liveness.Active || s.Life == liveness.Suspect
	if !here {
		add(20004, s.Address, silent(s, why))
	}
	c := m.contacts[s.Peer]
	if c == nil {
		return
	}
	for _, d := range settings.Compare(m.own, c.settings) {
		add(d.Number, s.Address, d.Item+" is "+d.Own+" here and "+d.Theirs+" on "+c.name)
	}
	if !settings.Speaks(m.own, c.settings) {
		add(20008, s.Address, c.name+" speaks another protocol of the cluster: upgrade one version at a time")
	}
	m.rowTroubles(s, c, here, add)
}

// silent says why a peer counts as away.
func silent(s liveness.Status, why error) string {
	switch {
	case why != nil:
		return "peer " + s.Address + ": " + why.Error()
	case s.Life == liveness.Lost:
		return "peer " + s.Address + " does not answer any more"
	}
	return "peer " + s.Address + " was not heard yet"
}

// rowTroubles are of the copy of a peer's rows.
func (m *Member) rowTroubles(s liveness.Status, c *contact, here bool, add func(int, string, string)) {
	if !m.joined(c) {
		return
	}
	r, found := m.copyOf(c.id)
	if found && r.Current && here {
		c.since = 0
		return
	}
	now := m.cfg.Boot()
	if c.since == 0 {
		c.since = now
	}
	switch late := now - c.since; {
	case !here:
		add(20006, s.Address, "the rows of "+c.name+" cannot be had")
		c.since = now
	case late > never:
		add(20025, s.Address, "the rows of "+c.name+" could not be brought up to date for "+late.Truncate(time.Minute).String())
		fallthrough
	case late > slow:
		add(20006, s.Address, "the rows of "+c.name+" are not complete yet")
	}
}

func (m *Member) copyOf(id cluster.ID) (rows.Copy, bool) {
	for _, c := range m.rows.Copies() {
		if c.Owner == id {
			return c, true
		}
	}
	return rows.Copy{}, false
}

// entryOf returns the entry of a peer, as alarms are keyed.
func (m *Member) entryOf(id cluster.ID) string {
	if c := m.contacts[id]; c != nil {
		return c.entry
	}
	for entry, other := range m.kept.Entries {
		if other == id {
			return entry
		}
	}
	return string(id)
}

func (m *Member) named(detail, id string) string {
	if id == "" {
		return detail
	}
	return m.nameOf(cluster.ID(id)) + ": " + detail
}
