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
func (c *counted) Take(d licensing.Device, aliases int, proxied, _ bool) Taken {
	if !c.Room(proxied) {
		return NoPlace
	}
	c.Keep(d, aliases, proxied)
	return Seated
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
		got := t.cfg.Capacity.Take(s.device, s.aliases, s.proxied, patient)
		if got == Seated {
			taken = append(taken, s)
			continue
		}
		for _, s := range taken {
			t.cfg.Capacity.Give(s.device, s.aliases, s.proxied)
		}
		return t.unseated(got)
	}
	return nil
}

// unseated is the error of a new binding that has no places, counted where that stands.
func (t *Table) unseated(why Taken) error {
	if why == Waits {
		return ErrWaits
	}
	t.counts.Refused++
	if why == NoPlace {
		return t.tellFull()
	}
	return ErrLicence
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
