package pooling

import (
	"errors"
	"time"

	"turnpike.dev/turnpike/control/resources"
)

// asking is a call that waits as SIP's do: patiently while it may, and finally by what is here.
type asking struct {
	p      *peer
	want   resources.Want
	since  time.Duration
	wait   resources.Waiter
	waited bool
	done   func(*asking)

	grant   *resources.Grant
	refused *resources.Refusal
	took    time.Duration
}

// ask has a node admit a call; done is called when that is decided.
func (p *peer) ask(w resources.Want, done func(*asking)) {
	a := &asking{p: p, want: w, since: p.ring.now(), done: done}
	a.try()
}

func (a *asking) try() {
	g, err := a.p.resources.Admit("call", a.want)
	var refused *resources.Refusal
	if errors.As(err, &refused) && refused.Waits != nil {
		if a.p.resources.Await(&a.wait, refused.Waits, func() { a.p.ring.after(0, a.try) }) {
			a.waited = true
			return
		}
		a.want.Patient, a.want.Waited = false, true
		a.try()
		return
	}
	a.grant, a.refused, a.took = g, refused, a.p.ring.now()-a.since
	a.done(a)
}
