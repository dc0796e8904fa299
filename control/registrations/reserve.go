package registrations

// maxReserved bounds the places that are taken for what nobody has confirmed, of the node together: whoever asks has not been
// checked yet, and a registrar that does not answer takes its time.
const maxReserved = 20

// Reservation is places that were taken before there are bindings: of those that another registrar is asked to confirm
// (RG-10). A nil one has none.
type Reservation struct {
	t    *Table
	left int // the table's lock guards it
}

// Reserve takes the places of so many bindings which another registrar holds, all or none, so that it is not asked for more
// than can be kept here. Who is patient has an error that is ErrWaits where peers may have some. Whoever reserves
// releases, also when bindings have taken the places. While as many are reserved as may be, it is only looked whether
// there are places: the bindings take theirs when they come, if they are still there.
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
	if t.reserved+n > maxReserved {
		t.giveProxied(n)
		return nil, nil
	}
	t.reserved += n
	return &Reservation{t: t, left: n}, nil
}

// Release gives back what no binding has taken. It may be called again.
func (r *Reservation) Release() {
	if r == nil {
		return
	}
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	r.t.giveProxied(r.left)
	r.use(r.left)
}

// use notes that places are reserved no more. The table is locked.
func (r *Reservation) use(n int) {
	r.left -= n
	r.t.reserved -= n
}

// giveProxied gives places back. The table is locked.
func (t *Table) giveProxied(n int) {
	for range n {
		t.cfg.Capacity.Give(0, 0, true)
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
