// Package dialog is the state of one leg of a call: a dialog of RFC 3261 section 12, the
// reliable provisional responses of RFC 3262 and the session timer of RFC 4028.
//
// It exists so that what a leg is can be read and tested without a transaction, a socket
// or a clock: values go in, values and the next message come out. Whoever owns a leg does
// what they say.
package dialog

import (
	"errors"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// ID names a dialog as this end knows it (RFC 3261 section 12).
type ID struct{ CallID, Local, Remote string }

// State is how far a dialog is.
type State uint8

// States (RFC 3261 section 12).
const (
	Early State = iota
	Confirmed
	Terminated
)

// Dialog is one dialog. Change it through its methods.
type Dialog struct {
	ID
	State State

	LocalParty, RemoteParty message.Address // From and To of requests that this end sends
	Target                  message.URI     // the remote target
	Routes                  []message.Address

	LocalSeq  uint32 // of the last request sent
	RemoteSeq uint32 // of the last request received; see HasRemote
	HasRemote bool
}

// ErrOld means that a request's CSeq is not higher than the last one's; it is answered 500 (RFC 3261
// section 12.2.2).
var ErrOld = errors.New("the request is older than another one of the dialog")

// FromRequest makes the dialog of who receives an INVITE and answers it with that tag
// (RFC 3261 section 12.1.1).
func FromRequest(req *message.Message, tag string) Dialog {
	from, to := req.From(), req.To().WithTag(tag)
	seq, _ := req.CSeq()
	return Dialog{
		ID:         ID{req.CallID(), tag, from.Tag()},
		LocalParty: to, RemoteParty: from,
		Target:    targetOf(req, from.URI),
		Routes:    req.RecordRoutes(),
		RemoteSeq: seq, HasRemote: true,
	}
}

// FromResponse makes the dialog of who sent an INVITE, from the request and a response to
// it that has a tag (RFC 3261 section 12.1.2).
func FromResponse(req, resp *message.Message) Dialog {
	from, to := req.From(), resp.To()
	seq, _ := req.CSeq()
	d := Dialog{
		ID:         ID{req.CallID(), from.Tag(), to.Tag()},
		LocalParty: from, RemoteParty: to,
		Target:   targetOf(resp, req.URI()),
		LocalSeq: seq,
	}
	d.Routes = reversed(resp.RecordRoutes())
	return d
}

// Confirm takes what the 2xx of the INVITE says: the dialog is confirmed, and its route
// set is the response's (RFC 3261 section 13.2.2.4).
func (d *Dialog) Confirm(resp *message.Message) {
	d.Routes = reversed(resp.RecordRoutes())
	d.Refresh(resp)
	d.State = Confirmed
}

// Refresh takes the remote target of a request or a 2xx that may change it: INVITE, UPDATE
// and whatever else refreshes a target (RFC 3261 section 12.2, RFC 3311 section 5).
func (d *Dialog) Refresh(m *message.Message) { d.Target = targetOf(m, d.Target) }

func targetOf(m *message.Message, otherwise message.URI) message.URI {
	if all := m.Contacts(); len(all) > 0 && !all[0].Star {
		return all[0].URI
	}
	return otherwise
}

func reversed(all []message.Address) []message.Address {
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

// Receive checks the order of a request within the dialog (RFC 3261 section 12.2.2).
func (d *Dialog) Receive(req *message.Message) error {
	seq, _ := req.CSeq()
	if d.HasRemote && seq <= d.RemoteSeq {
		return ErrOld
	}
	d.RemoteSeq, d.HasRemote = seq, true
	return nil
}

// Request makes the next request within the dialog (RFC 3261 section 12.2.1.1). It has
// everything but Via and what its method wants besides.
func (d *Dialog) Request(m message.Method) *message.Message {
	d.LocalSeq++
	return d.request(m, d.LocalSeq)
}

// Ack makes the ACK of a 2xx whose INVITE had that CSeq (RFC 3261 section 13.2.2.4).
func (d *Dialog) Ack(seq uint32) *message.Message { return d.request(message.Ack, seq) }

func (d *Dialog) request(m message.Method, seq uint32) *message.Message {
	uri, routes := d.Target, d.Routes
	if len(routes) > 0 && !routes[0].URI.Params.Has("lr") {
		// A strict router gets itself as the Request-URI, and the target as the last Route.
		uri = routes[0].URI
		rest := make([]message.Address, 0, len(routes))
		routes = append(append(rest, routes[1:]...), message.Address{URI: d.Target})
	}
	req := message.NewRequest(m, uri)
	req.SetMaxForwards(70)
	req.SetFrom(d.LocalParty)
	req.SetTo(d.RemoteParty)
	req.SetCallID(d.CallID)
	req.SetCSeq(seq, m)
	if len(routes) > 0 {
		req.SetRoutes(routes...)
	}
	return req
}

// NextHop is the URI that says where the dialog's requests go: the first route or the
// target (RFC 3261 section 8.1.2).
func (d *Dialog) NextHop() message.URI {
	if len(d.Routes) > 0 {
		return d.Routes[0].URI
	}
	return d.Target
}
