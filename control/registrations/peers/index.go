package peers

import (
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/control/dialplan"
)

// remote is a binding of another peer, as far as calls are routed by it. Its texts are
// parts of value, which the cluster's core has as well.
type remote struct {
	owner    cluster.ID
	value    string
	stamp    time.Time
	id       uint64
	endpoint uint64
	q        uint16
	flags    byte
	aor      string
	contact  string
	also     []string
}

func (r *remote) protocol() dialplan.Protocol {
	if r.flags&flagH323 != 0 {
		return dialplan.H323
	}
	return dialplan.SIP
}

// answers says whether the endpoint can be asked for under a name (registrations.Lookup).
func (r *remote) answers(name string) bool {
	return r.flags&flagBroken == 0 && (r.flags&flagProxied == 0 || name != r.aor)
}

// Changed takes which rows count (member.Watch). It is called from the member's goroutine
// and does not wait.
func (t *Table) Changed(list []rows.Changed) {
	for part := range slices.Chunk(list, changedAtOnce) {
		t.changed(part)
	}
}

// changedAtOnce is how many rows are taken while calls wait: a peer that is lost takes away thousands.
const changedAtOnce = 256

func (t *Table) changed(list []rows.Changed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range list {
		t.forget(c.Key)
		if !c.Found || c.Owner == t.cfg.Self {
			delete(t.beaten, c.Key)
			continue
		}
		t.learn(c)
	}
	if len(t.beaten) > 0 {
		select {
		case t.beating <- struct{}{}:
		default:
		}
	}
}

func (t *Table) forget(k rows.Key) {
	r := t.theirs[k]
	if r == nil {
		return
	}
	delete(t.theirs, k)
	t.unname(r.aor, r)
	for _, name := range r.also {
		t.unname(name, r)
	}
}

// learn takes a row. One that cannot be read is of a version that this one does not know,
// and nobody is called by it.
func (t *Table) learn(c rows.Changed) {
	d, err := decode(c.Row.Value)
	if err != nil {
		return
	}
	r := &remote{
		owner: c.Owner, value: c.Row.Value, stamp: d.Stamp, id: d.ID, endpoint: d.Endpoint, q: d.Q, flags: d.Flags,
		aor: d.AOR, contact: d.Contact, also: d.Also,
	}
	t.theirs[c.Key] = r
	t.byName[r.aor] = append(t.byName[r.aor], r)
	for _, name := range r.also {
		t.byName[name] = append(t.byName[name], r)
	}
	t.beaten[c.Key] = struct{}{} // if there is one here as well
}

func (t *Table) unname(name string, r *remote) {
	list := t.byName[name]
	i := slices.Index(list, r)
	switch {
	case i < 0:
	case len(list) == 1:
		delete(t.byName, name)
	default:
		t.byName[name] = slices.Delete(list, i, i+1)
	}
}
