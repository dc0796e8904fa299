package peers

import (
	"time"

	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/control/registrations"
)

// Told takes what came to the own table and left it (registrations.Config.Told).
func (t *Table) Told(e registrations.Event) { t.follow(e.Binding) }

// Renewed takes what was refreshed (registrations.Config.Renewed).
func (t *Table) Renewed(was, is *registrations.Binding) {
	if keyOf(was) != keyOf(is) {
		t.follow(was)
	}
	t.follow(is)
}

// follow makes the row of a binding what the own table says now. What was told may be late:
// two goroutines tell at once.
func (t *Table) follow(b *registrations.Binding) {
	k := keyOf(b)
	t.spread.Lock()
	defer t.spread.Unlock()
	if is := t.under(b.AOR, k); is != nil {
		t.write(is)
		return
	}
	if _, was := t.spread.rows[k]; !was {
		return
	}
	delete(t.spread.rows, k)
	if t.spread.to != nil {
		t.spread.to.Delete(k)
	}
}

// under returns the own binding of a key.
func (t *Table) under(aor string, k rows.Key) *registrations.Binding {
	for _, b := range t.cfg.Own.Of(aor) {
		if b.AOR == aor && keyOf(b) == k {
			return b
		}
	}
	return nil
}

// write tells the peers of a binding, where they do not know it all. A refresh that changes
// nothing that they know is not told, unless the endpoint was on another peer meanwhile.
func (t *Table) write(b *registrations.Binding) {
	if len(b.AOR) > maxName {
		return // nobody can call it
	}
	k := keyOf(b)
	r := rowOf(b, b.Renewed)
	before, was := t.spread.rows[k]
	seen := t.seen(k)
	if was && !seen.After(stampTime(before.Value)) {
		r.Stamp = stampTime(before.Value)
		if before.Value == r.encode() {
			return
		}
	}
	// Not older than what it comes after, whatever the peers' clocks say.
	r.Stamp = renewed(b)
	if !r.Stamp.After(seen) {
		r.Stamp = seen.Add(time.Microsecond)
	}
	if was && !r.Stamp.After(stampTime(before.Value)) {
		r.Stamp = stampTime(before.Value).Add(time.Microsecond)
	}
	if r.Stamp.After(renewed(b)) {
		t.cfg.Own.Stamped(b.ID, r.Stamp) // the next process must not fall behind it
	}
	is := rows.Row{Value: r.encode(), TTL: time.Duration(r.seconds()) * time.Second}
	t.spread.rows[k] = is
	if t.spread.to != nil {
		t.spread.to.Put(k, is)
	}
}

// renewed is when a binding was renewed, as far as its peers are told.
func renewed(b *registrations.Binding) time.Time {
	if b.Stamp.After(b.Renewed) {
		return b.Stamp
	}
	return b.Renewed
}

func stampTime(value string) time.Time { return time.UnixMicro(stampOf(value)) }

// seen is when the endpoint registered on another peer; the zero time: never.
func (t *Table) seen(k rows.Key) time.Time {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if r := t.theirs[k]; r != nil {
		return r.stamp
	}
	return time.Time{}
}

// yield removes own bindings whose endpoint has registered on another peer since. One that
// was refreshed here after that counts again.
func (t *Table) yield() {
	t.mu.Lock()
	beaten := t.beaten
	t.beaten = map[rows.Key]struct{}{}
	t.mu.Unlock()
	for k := range beaten {
		if b := t.loser(k); b != nil {
			t.cfg.Own.Remove(b.ID, registrations.Superseded)
		}
	}
}

// loser is the own binding of a key that has to go.
func (t *Table) loser(k rows.Key) *registrations.Binding {
	t.spread.Lock()
	defer t.spread.Unlock()
	mine, ok := t.spread.rows[k]
	seen := t.seen(k)
	if !ok || seen.IsZero() {
		return nil
	}
	r, err := decode(mine.Value)
	if err != nil {
		return nil
	}
	b := t.under(r.AOR, k)
	if b == nil {
		return nil
	}
	if b.Renewed.After(seen) {
		t.write(b)
		return nil
	}
	return b
}
