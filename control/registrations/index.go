package registrations

import (
	"container/heap"
	"slices"
	"time"
)

// entry is a place in the table; its binding is replaced, never changed.
type entry struct {
	*Binding
	seat Seat   // that it took
	next *entry // of the same origin
	at   int    // in the heap
}

func (t *Table) link(e *entry) {
	t.note(e.ID)
	t.byID[e.ID], t.bySerial[e.Serial] = e, e
	t.byName[e.AOR] = append(t.byName[e.AOR], e)
	for _, name := range e.Also {
		t.byName[name] = append(t.byName[name], e)
	}
	t.linkOrigin(e)
	heap.Push(&t.due, e)
	if e.Proxied {
		t.counts.Proxied++
		return
	}
	t.counts.Local++
	t.counts.Peak = max(t.counts.Peak, t.counts.Local)
}

// drop takes an entry out and returns its binding.
func (t *Table) drop(e *entry) *Binding {
	t.note(e.ID)
	delete(t.byID, e.ID)
	delete(t.bySerial, e.Serial)
	t.unname(e.AOR, e)
	for _, name := range e.Also {
		t.unname(name, e)
	}
	t.unlinkOrigin(e)
	heap.Remove(&t.due, e.at)
	t.cfg.Capacity.Give(e.seat.Device, e.seat.Aliases, e.seat.Proxied)
	if e.Proxied {
		t.counts.Proxied--
	} else {
		t.counts.Local--
	}
	return e.Binding
}

func (t *Table) unname(name string, e *entry) {
	list := t.byName[name]
	i := slices.Index(list, e)
	if i < 0 {
		return
	}
	if len(list) == 1 {
		delete(t.byName, name)
		return
	}
	t.byName[name] = slices.Delete(list, i, i+1)
}

func (t *Table) linkOrigin(e *entry) {
	o := e.origin()
	e.next = t.byOrigin[o]
	t.byOrigin[o] = e
}

func (t *Table) unlinkOrigin(e *entry) {
	o := e.origin()
	first := t.byOrigin[o]
	if first == e {
		if e.next == nil {
			delete(t.byOrigin, o)
		} else {
			t.byOrigin[o] = e.next
		}
		e.next = nil
		return
	}
	for at := first; at != nil; at = at.next {
		if at.next == e {
			at.next, e.next = e.next, nil
			return
		}
	}
}

// deadlines is a heap of entries by the time they expire.
type deadlines []*entry

func (d deadlines) any(now time.Time) bool { return len(d) > 0 && !now.Before(d[0].Expires) }
func (d *deadlines) fix(e *entry)          { heap.Fix(d, e.at) }

// Len is for container/heap, as the others are.
func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].Expires.Before(d[j].Expires) }

// Swap keeps each entry's place.
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].at, d[j].at = i, j
}

// Push adds at the end.
func (d *deadlines) Push(x any) {
	e := x.(*entry)
	e.at = len(*d)
	*d = append(*d, e)
}

// Pop takes from the end.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	e := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return e
}
