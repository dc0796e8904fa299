package registrations

import (
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/licensing"
)

// counted is the capacity of a table that has limits only.
type counted struct {
	limits         func() Limits
	local, proxied int
}

var _ Capacity = (*counted)(nil)

// Take implements Capacity.
func (c *counted) Take(d licensing.Device, aliases int, proxied bool) (place, licence bool) {
	if !c.Room(proxied) {
		return false, true
	}
	c.Keep(d, aliases, proxied)
	return true, true
}

// Keep implements Capacity.
func (c *counted) Keep(_ licensing.Device, _ int, proxied bool) { *c.of(proxied)++ }

// Give implements Capacity.
func (c *counted) Give(_ licensing.Device, _ int, proxied bool) { *c.of(proxied)-- }

// Room implements Capacity.
func (c *counted) Room(proxied bool) bool {
	limit := c.limits().Local
	if proxied {
		limit = c.limits().Proxied
	}
	return limit == 0 || *c.of(proxied) < limit
}

// Waits implements Capacity: there are no peers.
func (c *counted) Waits(licensing.Device, int, bool) bool { return false }

func (c *counted) of(proxied bool) *int {
	if proxied {
		return &c.proxied
	}
	return &c.local
}

// seat is what a binding takes of the capacity.
type seat struct {
	device  licensing.Device
	aliases int
	proxied bool
}

func seatOf(b *Binding) seat {
	return seat{licensing.RegistrationOf(b.Protocol == dialplan.SIP, b.Desktop), 1 + len(b.Also), b.Proxied}
}

// seatAll takes the places of new bindings, all or none. Who is patient is told where peers may have some.
func (t *Table) seatAll(list []Binding, patient bool) error {
	taken := make([]seat, 0, len(list))
	for i := range list {
		if t.byID[list[i].ID] != nil {
			continue
		}
		s := seatOf(&list[i])
		place, licence := t.cfg.Capacity.Take(s.device, s.aliases, s.proxied)
		if place && licence {
			taken = append(taken, s)
			continue
		}
		for _, s := range taken {
			t.cfg.Capacity.Give(s.device, s.aliases, s.proxied)
		}
		if patient && t.cfg.Capacity.Waits(s.device, s.aliases, s.proxied) {
			return ErrWaits
		}
		t.counts.Refused++
		if !place {
			return t.tellFull()
		}
		return ErrLicence
	}
	return nil
}

// Room says whether one more binding fits, of this registrar or of another, and raises the
// alarm where it does not.
func (t *Table) Room(proxied bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cfg.Capacity.Room(proxied) {
		return true
	}
	t.counts.Refused++
	_ = t.tellFull()
	return false
}

// tellFull raises the alarm that the platform carries no more (CA-04).
func (t *Table) tellFull() error {
	if !t.full && t.cfg.Alarms != nil {
		t.cfg.Alarms.Raise(alarmFull, "", ErrFull.Error())
	}
	t.full = true
	return ErrFull
}

// settle lowers the alarm when there is room again.
func (t *Table) settle() {
	if !t.full || !t.cfg.Capacity.Room(false) || !t.cfg.Capacity.Room(true) {
		return
	}
	t.full = false
	if t.cfg.Alarms != nil {
		t.cfg.Alarms.Lower(alarmFull, "")
	}
}
