package registrations

import (
	"errors"

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
func (c *counted) Take(_ bool, seats ...Seat) error {
	for i, s := range seats {
		if c.Room(s.Proxied) {
			c.Keep(s.Device, s.Aliases, s.Proxied)
			continue
		}
		for _, s := range seats[:i] {
			c.Give(s.Device, s.Aliases, s.Proxied)
		}
		return ErrFull
	}
	return nil
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

// Seat is what a binding takes of the capacity.
type Seat struct {
	Device  licensing.Device
	Aliases int
	Proxied bool
}

func seatOf(b *Binding) Seat {
	return Seat{licensing.RegistrationOf(b.Protocol == dialplan.SIP, b.Desktop), 1 + len(b.Also), b.Proxied}
}

// seatAll takes the places of new bindings, all or none: in one, so that the cluster hears of all that is short.
func (t *Table) seatAll(c *Changes) error {
	seats := make([]Seat, 0, len(c.Put))
	for i := range c.Put {
		if t.byID[c.Put[i].ID] == nil {
			seats = append(seats, seatOf(&c.Put[i]))
		}
	}
	seats, reserved := c.Reserved.without(seats)
	if err := t.take(c.Patient, seats); err != nil {
		return err
	}
	if reserved > 0 {
		c.Reserved.use(reserved)
	}
	return nil
}

// take takes places, and counts a refusal that stands. Who is patient is told where peers may have some.
func (t *Table) take(patient bool, seats []Seat) error {
	if len(seats) == 0 {
		return nil
	}
	err := t.cfg.Capacity.Take(patient, seats...)
	if err != nil && !errors.Is(err, ErrWaits) {
		t.counts.Refused++
	}
	if errors.Is(err, ErrFull) {
		t.tellFull()
	}
	return err
}

// tellFull raises the alarm that the platform carries no more (CA-04).
func (t *Table) tellFull() {
	if !t.full && t.cfg.Alarms != nil {
		t.cfg.Alarms.Raise(alarmFull, "", ErrFull.Error())
	}
	t.full = true
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
