package resources

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/licensing"
)

// Recover takes what the journal holds of a process before, and returns how many grants.
// They count, also beyond what there is now, until they are adopted or relay.LeaseTime is
// over: so long their media goes on. Call it before the first Admit.
func (r *Resources) Recover() (int, error) {
	j := r.deps.Journal
	if j == nil {
		return 0, nil
	}
	before := j.before
	j.before = contents{}
	r.lastID.Store(max(r.lastID.Load(), before.lastID))
	now, found := r.deps.Now(), 0
	for _, id := range slices.Sorted(maps.Keys(before.records)) {
		if r.revive(before.records[id], now) {
			found++
		}
	}
	r.compact()
	if before.damaged > 1 { // one is what a process that was killed leaves
		return found, fmt.Errorf("%d lines of %s are damaged: what these calls had is not counted", before.damaged, j.path)
	}
	return found, nil
}

// revive makes the grant of a record, which ends by itself.
func (r *Resources) revive(rec record, now time.Time) bool {
	until := now.Add(relay.LeaseTime)
	if rec.Until != 0 { // it was recovered before
		if until = earlier(until, time.Unix(0, rec.Until)); !now.Before(until) {
			return false
		}
	}
	g := &Grant{r: r, id: rec.ID, serial: rec.Serial, until: until}
	r.changing.Lock()
	g.has = r.heldOf(rec)
	short := r.admission.KeepTo(&g.taken, g.has.amounts)
	r.changing.Unlock()
	if short != nil {
		return false
	}
	r.mu.Lock()
	r.grants[g.id] = g
	r.mu.Unlock()
	return true
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// heldOf makes what a call had from its record: as it was, whatever configuration says by
// now.
func (r *Resources) heldOf(rec record) *held {
	h := &held{
		connected: rec.Connected, streams: rec.Streams,
		video: rec.Streams != 1, units: rec.Units,
		halves: rec.Halves, kind: licensing.Kind(rec.Kind),
	}
	for _, l := range rec.Lanes {
		h.lanes = append(h.lanes, r.laneOf(l))
	}
	h.charge()
	h.demand(&r.limits)
	return h
}

func (r *Resources) laneOf(rec laneRecord) lane {
	l := lane{
		way:   Way{From: rec.From.party(), To: rec.To.party(), Traversal: rec.Traversal, Asked: rec.Way},
		asked: rec.Asked, kbps: rec.Kbps, plan: &bandwidth.Plan{Nodes: rec.Nodes, Links: rec.Links},
	}
	for i, t := range rec.Tolls {
		kind, _ := kindOf(t.Kind)
		l.objects = append(l.objects, r.object(key{kind, t.Name}))
		l.plan.Charges = append(l.plan.Charges, bandwidth.Charge{ID: bandwidth.ID(i), Times: t.Times})
	}
	return l
}

func (p partyRecord) party() Party {
	return Party{Node: p.Node, Party: licensing.Party{Registered: p.Registered, Stranger: p.Stranger, SIP: p.SIP}}
}

// Adopt makes a recovered grant that of a call which has been found again. false: there
// is none any more, and the call needs another.
func (r *Resources) Adopt(serial string) (*Grant, bool) {
	for _, g := range r.all() {
		if g.serial == serial && g.adopt() {
			return g, true
		}
	}
	return nil, false
}

func (g *Grant) adopt() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.has == nil || g.until.IsZero() {
		return false
	}
	g.until = time.Time{}
	g.r.deps.Journal.put(g)
	return true
}

// expire ends recovered grants whose time is over.
func (r *Resources) expire(now time.Time) {
	for _, g := range r.all() {
		g.expire(now)
	}
}

// expire ends a grant that was recovered, if its time is over.
func (g *Grant) expire(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.until.IsZero() && !now.Before(g.until) {
		g.release()
	}
}

// compact writes the journal anew.
func (r *Resources) compact() {
	r.deps.Journal.rewrite(r.lastID.Load(), func(b []byte) ([]byte, int) {
		lines := 0
		for _, g := range r.all() {
			g.mu.Lock()
			if g.has != nil {
				b, lines = appendGrant(b, g.id, g.serial, g.until, g.has), lines+1
			}
			g.mu.Unlock()
		}
		return b, lines
	})
}
