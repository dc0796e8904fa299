package registrations

import (
	"slices"
	"time"
)

// Changes are what becomes of the bindings of one name.
type Changes struct {
	// Put has the bindings that are new (ID 0) and those that replace the one of their ID.
	Put []Binding
	// Remove are the IDs of those that go, because of Why.
	Remove []uint64
	Why    Reason
	// Patient: rather have ErrWaits than be refused what other peers of the cluster may have.
	Patient bool
	// Reserved has places for those that another registrar holds; nil: they take theirs now.
	Reserved *Reservation
}

// Update changes the bindings of one name: everything that change returns, or nothing
// when it or the table refuses (RFC 3261 section 10.3 step 7). change gets those that are
// there; it must not call the table. The bindings that there are then are returned.
func (t *Table) Update(name string, change func(now time.Time, have []*Binding) (Changes, error)) ([]*Binding, error) {
	now := time.Now()
	have, events, err := t.update(name, now, change)
	t.tell(events)
	return have, err
}

func (t *Table) update(name string, now time.Time, change func(time.Time, []*Binding) (Changes, error)) ([]*Binding, []Event, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gone := t.sweep(now) // what expired a moment ago is in nobody's way
	c, err := change(now, t.of(name, now))
	if err != nil {
		return nil, gone, err
	}
	events, err := t.apply(name, now, c)
	if err != nil {
		return nil, gone, err
	}
	return t.of(name, now), append(gone, events...), nil
}

// apply checks everything before it changes anything.
func (t *Table) apply(name string, now time.Time, c Changes) ([]Event, error) {
	added := 0
	for i := range c.Put {
		if t.byID[c.Put[i].ID] == nil {
			added++
		}
	}
	if added > 0 && len(t.byName[name])-len(c.Remove)+added > MaxContacts {
		return nil, ErrMany
	}
	if err := t.seatAll(&c); err != nil {
		return nil, err
	}
	var events []Event
	for _, id := range c.Remove {
		if e := t.byID[id]; e != nil && slices.Contains(t.byName[name], e) { // of this name, or nothing
			events = append(events, Event{Binding: t.drop(e), Why: c.Why})
		}
	}
	for i := range c.Put {
		if b, was := t.put(&c.Put[i], now); was == nil || t.cfg.Renewed != nil {
			events = append(events, Event{Binding: b, was: was})
		}
	}
	return events, nil
}

// put stores a binding and returns it, with the one in whose place it is; nil: none.
func (t *Table) put(b *Binding, now time.Time) (is, was *Binding) {
	stored := *b
	stored.Renewed = now
	if e := t.byID[b.ID]; e != nil {
		was = e.Binding
		t.note(b.ID)
		stored.Serial, stored.Since, stored.Desktop, stored.Stamp = e.Serial, e.Since, e.Desktop, e.Stamp
		if !slices.Equal(e.Also, stored.Also) { // its contact has another name by now
			for _, name := range e.Also {
				t.unname(name, e)
			}
			for _, name := range stored.Also {
				t.byName[name] = append(t.byName[name], e)
			}
		}
		if e.origin() == stored.origin() { // a refresh, of which the origin may have thousands
			e.Binding = &stored
		} else {
			t.unlinkOrigin(e)
			e.Binding = &stored
			t.linkOrigin(e)
		}
		t.due.fix(e)
		return e.Binding, was
	}
	t.lastID++
	stored.ID, stored.Serial, stored.Since = t.lastID, newSerial(), now
	t.link(&entry{Binding: &stored, seat: seatOf(&stored)})
	return &stored, nil
}

// Stamped notes what the peers of a cluster are told of when a binding was renewed, so that it is known after a restart.
func (t *Table) Stamped(id uint64, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.byID[id]
	if e == nil || e.Stamp.Equal(at) {
		return
	}
	b := *e.Binding
	b.Stamp = at
	e.Binding = &b // who has the one before has it as it was
	t.note(id)
}

// Remove ends a binding. It tells whether there was one.
func (t *Table) Remove(id uint64, why Reason) bool {
	t.mu.Lock()
	e := t.byID[id]
	var gone []Event
	if e != nil {
		gone = []Event{{Binding: t.drop(e), Why: why}}
	}
	t.mu.Unlock()
	t.tell(gone)
	return e != nil
}

// Closed says that a connection is gone. A binding that was to be reached over it and
// no other way goes (RFC 5626 section 7); another is reached by its contact from now on.
func (t *Table) Closed(flow uint64) {
	if flow == 0 {
		return
	}
	t.mu.Lock()
	var gone []Event
	for e := t.byOrigin[origin{flow: flow}]; e != nil; e = t.byOrigin[origin{flow: flow}] {
		if e.Outbound {
			gone = append(gone, Event{Binding: t.drop(e), Why: FlowFailed})
			continue
		}
		t.unlinkOrigin(e)
		changed := *e.Binding
		changed.Flow = 0
		e.Binding = &changed
		t.linkOrigin(e)
	}
	t.mu.Unlock()
	t.tell(gone)
}

// Revoke ends the bindings that an account registered which no longer holds.
func (t *Table) Revoke(holds func(account string) bool) {
	t.mu.Lock()
	var gone []Event
	for _, e := range t.byID {
		if e.Account != "" && !holds(e.Account) {
			gone = append(gone, Event{Binding: t.drop(e), Why: Revoked})
		}
	}
	t.mu.Unlock()
	t.tell(gone)
}

func (t *Table) expire() {
	now := time.Now()
	t.mu.Lock()
	gone := t.sweep(now)
	t.settle()
	t.mu.Unlock()
	t.tell(gone)
}

func (t *Table) sweep(now time.Time) []Event {
	var gone []Event
	for t.due.any(now) {
		gone = append(gone, Event{Binding: t.drop(t.due[0]), Why: Expired})
	}
	return gone
}
