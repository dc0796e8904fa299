package registrar

import (
	"slices"
	"strings"
	"time"
	"unique"

	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// update carries out what a request asks for, as a whole (RFC 3261 section 10.3 steps 6
// and 7).
func (r *Registrar) update(q *request, admission zones.Admission, patient bool) ([]*registrations.Binding, error) {
	var flow uint64
	if q.src.Conn != nil && q.keeps() {
		flow = r.Flows.take(q.src.Conn)
	}
	have, err := r.Table.Update(q.aor, func(now time.Time, have []*registrations.Binding) (registrations.Changes, error) {
		c, err := q.changes(now, have, flow, admission)
		c.Patient = patient
		return c, err
	})
	if flow != 0 && q.src.Conn.Why() != nil { // it went meanwhile: nobody else would tell
		r.Closed(q.src.Conn)
		have = r.Table.Of(q.aor)
	}
	return have, err
}

// keeps says whether the request leaves anything behind.
func (q *request) keeps() bool {
	return slices.ContainsFunc(q.wishes, func(w wish) bool { return w.expires > 0 })
}

func (q *request) changes(now time.Time, have []*registrations.Binding, flow uint64, admission zones.Admission) (registrations.Changes, error) {
	c := registrations.Changes{Why: registrations.Left}
	have = slices.DeleteFunc(have, func(b *registrations.Binding) bool { return b.Proxied }) // another registrar's
	if q.all {
		for _, b := range have {
			if err := q.order(b); err != nil {
				return c, err
			}
			c.Remove = append(c.Remove, b.ID)
		}
		return c, nil
	}
	matched := map[uint64]bool{}
	for i := range q.wishes {
		w := &q.wishes[i]
		b := w.match(have, matched)
		if b != nil {
			if err := q.order(b); err != nil {
				return c, err
			}
			matched[b.ID] = true
		}
		switch {
		case w.expires > 0 && b == nil && !admission.Allowed(): // those that are there stay
			return c, &refusal{status: 403, detail: admission.Verdict.String()}
		case w.expires > 0:
			c.Put = append(c.Put, q.binding(w, b, now, flow))
		case b != nil:
			c.Remove = append(c.Remove, b.ID)
		}
	}
	return c, nil
}

// match finds the binding that a contact is about: of the same endpoint and flow (RFC 5626
// section 6), or else with an equal URI (RFC 3261 section 19.1.4).
func (w *wish) match(have []*registrations.Binding, matched map[uint64]bool) *registrations.Binding {
	if w.instance != "" {
		for _, b := range have {
			if !matched[b.ID] && b.Instance == w.instance && b.RegID == w.regID {
				return b
			}
		}
	}
	for _, b := range have {
		if !matched[b.ID] && b.Instance == w.instance && b.RegID == w.regID && w.same(b.Contact) {
			return b
		}
	}
	return nil
}

func (w *wish) same(contact string) bool {
	if contact == w.contact {
		return true
	}
	uri, err := message.ParseURI(contact)
	return err == nil && uri.Equal(w.uri)
}

// order refuses what one client said before what it has said already (step 7).
func (q *request) order(b *registrations.Binding) error {
	if seq, _ := q.m.CSeq(); b.CallID == q.m.CallID() && seq <= b.CSeq {
		return &refusal{status: 500, reason: "CSeq Out Of Order", detail: "a later request of the same Call-ID was there before"}
	}
	return nil
}

// binding is what a contact leaves behind. Text that is as it was is taken from the
// binding before; other text is copied, because what comes from a message keeps all of it
// in memory.
func (q *request) binding(w *wish, was *registrations.Binding, now time.Time, flow uint64) registrations.Binding {
	if was == nil {
		was = &registrations.Binding{AOR: strings.Clone(q.aor)}
	}
	seq, _ := q.m.CSeq()
	b := registrations.Binding{
		ID: was.ID, Protocol: dialplan.SIP, AOR: was.AOR,
		Contact: keep(was.Contact, w.contact), Params: keep(was.Params, w.params), Path: was.Path,
		Instance: keep(was.Instance, w.instance), RegID: w.regID, Q: w.q,
		CallID: keep(was.CallID, q.m.CallID()), CSeq: seq,
		Source: q.src.Remote, Local: q.src.Local, Transport: q.src.Transport.String(), Flow: flow, Outbound: q.outbound && w.regID != 0,
		Expires:   now.Add(w.expires),
		UserAgent: agent(q.m), Subzone: q.subzone, Account: q.account,
	}
	b.Desktop = was.Desktop
	if was.ID == 0 {
		b.Desktop = q.desktops.Is(b.UserAgent)
	}
	if !slices.Equal(was.Path, q.path) {
		b.Path = nil
		for _, p := range q.path {
			b.Path = append(b.Path, strings.Clone(p))
		}
	}
	return b
}

func keep(was, is string) string {
	if was == is {
		return was
	}
	return strings.Clone(is)
}

// agent is the User-Agent, of which there are few.
func agent(m *message.Message) string {
	text := m.Get("User-Agent")
	if text == "" {
		return ""
	}
	return unique.Make(strings.ToValidUTF8(text[:min(len(text), maxAgent)], "")).Value()
}
