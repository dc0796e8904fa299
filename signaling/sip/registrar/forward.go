package registrar

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/places"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// longestForwarded is what a registration elsewhere is cut to: how long it lasts is that
// registrar's to say.
const longestForwarded = 24 * time.Hour

// passage is a REGISTER on its way to another registrar (RG-10, RFC 3327). What that one
// confirms is kept, so that a call which it sends to the contact finds the way back, and so
// that it counts.
type passage struct {
	registrar *Registrar
	t         server
	q         request
	zone      string
	places    []places.Place
	reserved  *registrations.Reservation // of what it may confirm; nil: there is none
}

// forward sends a REGISTER for somebody else's domain on, where that is configured.
func (r *Registrar) forward(t server, aor alias.Alias) {
	p := &passage{registrar: r, t: t, q: request{m: t.Request(), src: t.Source(), aor: aor.Name, elsewhere: true}}
	target, err := p.target(aor)
	if err != nil {
		r.refuse(t, err)
		return
	}
	p.zone = target.Zone.Name
	send := func() {
		r.Places.Find(t.Shard(), target, func(found []places.Place, err error) {
			if p.places = found; err != nil {
				p.refuse(err.Error())
				return
			}
			p.next()
		})
	}
	if len(p.q.wishes) == 0 && !p.q.all { // a question
		send()
		return
	}
	r.carryOut(&held{server: t, request: p.q, attempt: p.reserve, then: send})
}

// reserve takes the places of what is new, or looks for them: the other registrar is not asked for what could not be kept here.
func (p *passage) reserve(patient bool) (err error) {
	have := p.bindings(p.registrar.Table.Of(p.q.aor))
	matched, added := map[uint64]bool{}, 0
	for i := range p.q.wishes {
		w := &p.q.wishes[i]
		if was := w.match(have, matched); was != nil {
			matched[was.ID] = true
		} else if w.expires > 0 {
			added++
		}
	}
	p.reserved, err = p.registrar.Table.Reserve(added, patient)
	return err
}

// refuse ends a passage that nobody answered.
func (p *passage) refuse(detail string) {
	p.reserved.Release()
	p.registrar.refuse(p.t, &refusal{status: 503, detail: detail})
}

// bindings are those of a name that another registrar holds.
func (p *passage) bindings(have []*registrations.Binding) []*registrations.Binding {
	return slices.DeleteFunc(have, func(b *registrations.Binding) bool { return !b.Proxied })
}

// target is where the search rules lead a registration.
func (p *passage) target(aor alias.Alias) (*dialplan.Target, error) {
	r, mode := p.registrar, p.registrar.settings.Load().forward
	if mode == config.ForwardOff || r.Places == nil {
		return nil, &refusal{status: 403, reason: "Domain Not Served", detail: "the domain is none of this node's, and sip.forward_registrations is off"}
	}
	hops, ok := p.q.m.MaxForwards()
	if ok && hops == 0 {
		return nil, &refusal{status: 483, detail: "the request has come too far"}
	} else if !ok {
		hops = 70
	}
	if err := p.q.read(longestForwarded); err != nil {
		return nil, err
	}
	endpoint := zones.Endpoint{Addr: p.q.src.Remote.Addr(), Aliases: []alias.Alias{aor}}
	admission := r.Router.Register(endpoint, nil)
	if p.q.subzone = admission.Subzone; !admission.Allowed() {
		return nil, &refusal{status: 403, detail: admission.Verdict.String()}
	}
	var found dialplan.Result
	r.Router.Locate(&dialplan.Request{
		Alias: aor, Protocol: dialplan.SIP, Zone: r.Router.Snapshot().Zones.Local(), Subzone: admission.Subzone,
		Authenticated: true, Caller: aor, HopCount: hops,
	}, &found, nil)
	for i := range found.Targets {
		if t := &found.Targets[i]; t.Kind == dialplan.ToZone || t.Kind == dialplan.ToDNS && mode == config.ForwardAny {
			return t, nil
		}
	}
	return nil, &refusal{status: 403, reason: "Domain Not Served", detail: "no search rule leads the domain to a zone: " + found.Reason.String()}
}

// next sends the request to the next place.
func (p *passage) next() {
	if len(p.places) == 0 {
		p.refuse("no peer of the zone answers")
		return
	}
	place := p.places[0]
	p.places = p.places[1:]
	m := p.t.Request().Clone()
	if hops, ok := m.MaxForwards(); ok {
		m.SetMaxForwards(hops - 1)
	} else {
		m.SetMaxForwards(70)
	}
	routes := m.Routes()
	if len(routes) > 0 && p.registrar.forUs(routes[0].URI) { // which brought it here
		routes = routes[1:]
	}
	m.SetRoutes(append(slices.Clone(place.Routes), routes...)...)
	at, err := p.registrar.Local(place.Hop)
	if err != nil {
		p.next()
		return
	}
	m.PushPath(way(at, place.Hop))
	p.registrar.Sender.Send(p.t.Shard(), m, place.Hop, p)
}

// way is our URI in the Path: what comes for the contact comes by us (RFC 3327 section 5.2).
func way(at netip.AddrPort, h transport.Hop) message.Address {
	uri := message.URI{Scheme: "sip", Host: at.Addr().String(), Port: at.Port(), Params: message.Params{{Name: "lr"}}}
	if h.Transport != loop.UDP {
		uri.Params = uri.Params.With("transport", h.Transport.String())
	}
	return message.Address{URI: uri}
}

// Response passes an answer back, and notes what was confirmed (transaction.User).
func (p *passage) Response(_ *transaction.Client, m *message.Message) {
	if m.Status() < 200 || m.Status() == 503 && len(p.places) > 0 {
		if m.Status() == 503 { // RFC 3261 section 16.7 step 6
			p.next()
		}
		return
	}
	var err error
	if m.Status() < 300 {
		err = p.note(m)
	}
	p.reserved.Release()
	if err != nil { // it is not registered as far as calls go that come by this node
		p.registrar.refuse(p.t, err)
		return
	}
	back := m.Clone()
	back.PopVia()
	p.t.Respond(back)
}

// Failed tries the next place (transaction.User).
func (p *passage) Failed(*transaction.Client, error) { p.next() }

// note keeps what another registrar confirmed, if there are places for it.
func (p *passage) note(answer *message.Message) error {
	r := p.registrar
	var flow uint64
	if p.q.src.Conn != nil && p.q.keeps() {
		flow = r.Flows.take(p.q.src.Conn)
	}
	_, err := r.Table.Update(p.q.aor, func(now time.Time, have []*registrations.Binding) (registrations.Changes, error) {
		return p.changes(answer, now, have, flow), nil
	})
	if flow != 0 && p.q.src.Conn.Why() != nil { // it went meanwhile: nobody else would tell
		r.Closed(p.q.src.Conn)
	}
	if err != nil {
		return fmt.Errorf("the other registrar has confirmed what this node has not kept: %w", err)
	}
	return nil
}

func (p *passage) changes(answer *message.Message, now time.Time, have []*registrations.Binding, flow uint64) registrations.Changes {
	c := registrations.Changes{Why: registrations.Left, Reserved: p.reserved}
	have = p.bindings(have)
	if p.q.all {
		for _, b := range have {
			c.Remove = append(c.Remove, b.ID)
		}
		return c
	}
	matched := map[uint64]bool{}
	for i := range p.q.wishes {
		w := &p.q.wishes[i]
		was := w.match(have, matched)
		if was != nil {
			matched[was.ID] = true
		}
		if w.expires > 0 { // who leaves needs no place, whatever the answer lists
			w.expires = granted(answer, w)
		}
		switch {
		case w.expires > 0:
			b := p.q.binding(w, was, now, flow)
			b.Proxied, b.Zone, b.Also = true, p.zone, nil
			if a, err := alias.Parse(w.contact); err == nil {
				b.Also = []string{strings.Clone(a.Name)}
			}
			c.Put = append(c.Put, b)
		case was != nil:
			c.Remove = append(c.Remove, was.ID)
		}
	}
	return c
}

// granted is how long the other registrar keeps a contact; 0: not at all.
func granted(answer *message.Message, w *wish) time.Duration {
	for _, a := range answer.Contacts() {
		if !a.URI.Equal(w.uri) {
			continue
		}
		text, ok := a.Params.Get("expires")
		seconds, err := strconv.ParseUint(text, 10, 32)
		if !ok || err != nil {
			return w.expires
		}
		return min(time.Duration(seconds)*time.Second, longestForwarded)
	}
	return 0
}
