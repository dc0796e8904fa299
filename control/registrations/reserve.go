package registrations

// Reservation is places that were taken before there are bindings: of those that another registrar is asked to confirm
// (RG-10). A nil one has none.
type Reservation struct {
	t    *Table
	left int // the table's lock guards it
}

// Reserve takes the places of so many bindings which another registrar holds, all or none, so that it is not asked for more
// than can be kept here. Who is patient has an error that is ErrWaits where peers may have some. Whoever reserves
// releases, also when bindings have taken the places.
func (t *Table) Reserve(n int, patient bool) (*Reservation, error) {
	if n == 0 {
		return nil, nil
	}
	if n > MaxContacts {
		return nil, ErrMany
	}
	seats := make([]Seat, n)
	for i := range seats {
		seats[i] = Seat{Proxied: true}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.take(patient, seats); err != nil {
		return nil, err
	}
	return &Reservation{t: t, left: n}, nil
}

// Release gives back what no binding has taken. It may be called again.
func (r *Reservation) Release() {
	if r == nil {
		return
	}
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	for ; r.left > 0; r.left-- {
		r.t.cfg.Capacity.Give(0, 0, true)
	}
}

// without returns the seats for which there is no place in a reservation. The table is locked.
func (r *Reservation) without(seats []Seat) (rest []Seat, reserved int) {
	if r == nil {
		return seats, 0
	}
	for _, s := range seats {
		if s.Proxied && reserved < r.left {
			reserved++
			continue
		}
		rest = append(rest, s)
	}
	return rest, reserved
}
