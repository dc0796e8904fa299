package resources

import (
	"cmp"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/licensing"
)

// held is what a call has. It never changes.
type held struct {
	connected bool
	streams   int
	lanes     []lane
	tolls     []toll // in the order of objects
	video     bool   // what it counts as on the platform
	units     uint32
	halves    int
	kind      licensing.Kind
	amounts   []admission.Amount // of all that is limited, in the order of taking

	// Room for most calls, so that deciding about one allocates once.
	oneLane  [1]lane
	fewTolls [8]toll
	few      [9]admission.Amount
}

// lane is a way that a call has.
type lane struct {
	way     Way
	asked   int
	kbps    int
	plan    *bandwidth.Plan
	objects []*object // that the plan's IDs are of
}

// toll is what a call takes of an object.
type toll struct {
	object      *object
	times, kbps int
}

func (t toll) sum() uint32 { return uint32(min(uint64(t.times)*uint64(t.kbps), admission.Unlimited)) }

// on returns what is taken of an object.
func (h *held) on(o *object) uint32 {
	for _, t := range h.tolls {
		if t.object == o {
			return t.sum()
		}
	}
	return 0
}

// lane returns the lane of a way that the call has already; of several that which asked
// for most.
func (h *held) lane(w Way) *lane {
	if h == nil {
		return nil
	}
	var most *lane
	for i := range h.lanes {
		if l := &h.lanes[i]; l.way.same(w) && (most == nil || l.asked > most.asked) {
			most = l
		}
	}
	return most
}

// decide works out what a call would have. had is what it has; nil: nothing.
func (r *Resources) decide(w *Want, had *held) (*held, *Refusal) {
	h := &held{connected: w.Connected, streams: w.Streams}
	h.lanes, h.tolls, h.amounts = h.oneLane[:0], h.fewTolls[:0], h.few[:0]
	for _, way := range w.Ways {
		l, refused := r.rules.lane(way, w.Anew, had, r.use(w, had))
		if refused != nil {
			return nil, refused
		}
		h.lanes = append(h.lanes, l)
	}
	h.license(w, had)
	h.measure(r.rules, had)
	h.charge()
	h.demand(&r.limits)
	return h, nil
}

// lane finds the way and says how much of what it asks for it may have. What asks for no
// more than it has never fails and never has less than it asks for because of a limit:
// links and limits may have changed since.
func (r *rules) lane(w Way, anew bool, had *held, use bandwidth.Use) (lane, *Refusal) {
	asked := r.asked(w)
	before := had.lane(w)
	if before == nil {
		if l := had.became(w); l != nil {
			return r.became(*l, w), nil
		}
	}
	if before != nil && w.Asked == before.way.Asked {
		asked = before.asked // also where the default is another by now
	}
	modest := before != nil && asked <= before.asked
	if modest && !anew {
		return before.keep(w, asked), nil
	}
	p, err := r.plan.Plan(w.From.Node, w.To.Node, w.Traversal)
	if err != nil {
		if modest {
			return before.keep(w, asked), nil
		}
		return lane{}, &Refusal{Why: NoWay, At: err.Error()}
	}
	kbps, refused := r.grant(p, asked, use)
	switch {
	case before != nil && kbps < min(asked, before.kbps) && (modest || refused == nil):
		return before.keep(w, asked), nil
	case refused != nil:
		return lane{}, refused
	}
	return lane{way: w, asked: asked, kbps: kbps, plan: p, objects: r.objects}, nil
}

// keep is the same lane with what a way asks for now.
func (l lane) keep(w Way, asked int) lane {
	l.way, l.asked, l.kbps = w, asked, min(asked, l.kbps)
	return l
}

// became returns the lane of a call that is being set up which this way follows.
func (h *held) became(w Way) *lane {
	if h == nil || h.connected {
		return nil
	}
	for i := range h.lanes {
		if w.follows(h.lanes[i].way) {
			return &h.lanes[i]
		}
	}
	return nil
}

// became is the lane of a call that was set up to or from a peer: what it was granted it keeps, and
// the parties have been told; only what it is charged on is another.
func (r *rules) became(l lane, w Way) lane {
	next := l.keep(w, r.asked(w))
	if w.Asked == l.way.Asked {
		next.asked, next.kbps = l.asked, l.kbps
	}
	if p, err := r.plan.Plan(w.From.Node, w.To.Node, w.Traversal); err == nil {
		next.plan, next.objects = p, r.objects
	}
	return next
}

// use is what is left for a call.
func (r *Resources) use(w *Want, had *held) bandwidth.Use {
	patient := w.Patient && r.lending.lease != nil
	switch {
	case had == nil && patient:
		return (*mostOfNew)(r)
	case had == nil:
		return r.rules
	case patient:
		return most{spare{r.rules, had}, r}
	}
	return spare{r.rules, had}
}

func (r *rules) grant(p *bandwidth.Plan, asked int, use bandwidth.Use) (int, *Refusal) {
	kbps, why, at := p.Grant(asked, r.downspeed, use)
	switch why {
	case bandwidth.OverPerCall:
		return 0, &Refusal{Why: OverPerCall, At: r.objects[at].String()}
	case bandwidth.OverTotal:
		return 0, &Refusal{Why: OverTotal, At: r.objects[at].String(), lacks: lacksOf(p, at, asked, use)}
	}
	return kbps, nil
}

// lacksOf is how much of an object is missing for all that is asked for and one call may have.
func lacksOf(p *bandwidth.Plan, at bandwidth.ID, asked int, use bandwidth.Use) uint32 {
	if p.PerCall.Limited {
		asked = min(asked, p.PerCall.Kbps)
	}
	left, _ := use.Left(at)
	for _, c := range p.Charges {
		if c.ID == at {
			all := toll{times: c.Times, kbps: asked}.sum()
			return all - min(all, uint32(left))
		}
	}
	return 0
}

// license says what the call costs in licences: as much as the dearest of its ways.
func (h *held) license(w *Want, had *held) {
	for _, l := range h.lanes {
		halves, kind := licensing.Cost(licensing.Call{
			A: l.way.From.Party, B: l.way.To.Party,
			Media: l.way.Traversal, Beyond: w.Beyond, Connected: w.Connected, Streams: w.Streams,
		})
		h.halves, h.kind = max(h.halves, halves), max(h.kind, kind)
	}
	if len(h.lanes) == 0 && had != nil {
		h.halves, h.kind = had.halves, had.kind
	}
}

// measure says what the call uses of the platform: as much as one with video unless it is
// known to have one stream. A call that is the same as before uses the same, whatever the
// platform's measure is by now.
func (h *held) measure(r *rules, had *held) {
	h.video = h.streams != 1
	h.units = r.audio
	if h.video {
		h.units = r.video
	}
	if had != nil && h.video == had.video {
		h.units = had.units
	} else if had != nil && !h.video {
		h.units = min(h.units, had.units)
	}
}

// charge lists what is taken of each object: for the way that takes most.
func (h *held) charge() {
	for _, l := range h.lanes {
		for _, c := range l.plan.Charges {
			h.tolls = append(h.tolls, toll{l.objects[c.ID], c.Times, l.kbps})
		}
	}
	slices.SortFunc(h.tolls, func(a, b toll) int {
		return cmp.Or(cmp.Compare(a.object.order, b.object.order), cmp.Compare(b.sum(), a.sum()), cmp.Compare(a.times, b.times))
	})
	h.tolls = slices.CompactFunc(h.tolls, func(a, b toll) bool { return a.object == b.object })
}

// demand lists the amounts of what is limited.
func (h *held) demand(l *limits) {
	h.amounts = append(h.amounts, admission.Amount{Of: l.calls, N: h.units}, admission.Amount{Of: l.whole.calls, N: h.units})
	if h.halves > 0 {
		h.amounts = append(h.amounts, admission.Amount{Of: l.rms, N: uint32(h.halves)})
	}
	for _, t := range h.tolls {
		if t.object.counter != nil {
			h.amounts = append(h.amounts, admission.Amount{Of: t.object.counter, N: t.sum()})
		}
	}
}

// granted is what the call has, as others see it.
func (h *held) granted() Granted {
	g := Granted{HalfRMS: h.halves, Kind: h.kind, Kbps: make([]uint32, 0, len(h.lanes)), Charges: make([]Charge, 0, len(h.tolls))}
	for _, l := range h.lanes {
		g.Kbps = append(g.Kbps, uint32(l.kbps))
	}
	for _, t := range h.tolls {
		g.Charges = append(g.Charges, Charge{Kind: t.object.kind, Name: t.object.name, Times: t.times, Kbps: uint32(t.kbps)})
	}
	slices.SortFunc(g.Charges, func(a, b Charge) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	if len(h.lanes) > 0 {
		p := h.lanes[0].plan
		g.Nodes, g.Links = p.Nodes, p.Links
	}
	return g
}
