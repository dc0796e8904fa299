package sip

import (
	"slices"
	"strings"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

var _ transaction.Core = (*Stack)(nil)

// What the node says it can do. Bodies and extensions of what it only passes on are for the ends to know.
const (
	allow     = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER, NOTIFY, SUBSCRIBE, MESSAGE, PUBLISH"
	accept    = "application/sdp"
	supported = "100rel, timer, path, outbound"
)

// understood are the option tags that a request may require of the node (RFC 3261 section 8.2.2.3). Between the
// ends of a call they pass.
var understood = []string{"100rel", "timer", "path", "outbound", "replaces", "norefersub", "histinfo", "from-change", "tdialog", "eventlist", "sdp-anat"}

// Request is a new request (transaction.Core).
func (s *Stack) Request(t *transaction.Server) {
	m := t.Request()
	if s.parts.Login != nil && s.parts.Login(t) {
		return
	}
	if m.To().Tag() != "" {
		s.within(t)
		return
	}
	if s.refusedFor(t) {
		return
	}
	switch m.Method() {
	case message.Invite:
		s.invite(t)
	case message.Register:
		s.register(t)
	case message.Bye, message.Update, message.Prack, message.Info:
		t.Reply(481, "") // they mean nothing outside a dialog (sections 12.2.2 and 15.1.2)
	default:
		s.other(t)
	}
}

// Ack is the ACK of a 2xx (transaction.Core).
func (s *Stack) Ack(src loop.Source, m *message.Message) {
	if s.parts.Calls != nil {
		s.parts.Calls.Ack(src, m)
	}
}

// Stray is a response that nobody waits for (transaction.Core). It is not passed on: a proxy without state
// would (RFC 3261 section 16.7), and anybody could send through us what he likes.
func (s *Stack) Stray(loop.Source, *message.Message) { s.strays.Add(1) }

// within takes a request in a dialog to whoever has it (RFC 3261 section 12.2.2).
func (s *Stack) within(t *transaction.Server) {
	switch {
	case s.parts.Calls != nil && s.parts.Calls.Within(t):
	case s.parts.Proxy != nil && s.parts.Proxy.Within(t):
	default:
		t.Reply(481, "")
	}
}

// refusedFor answers requests outside dialogs that nobody could do anything with.
func (s *Stack) refusedFor(t *transaction.Server) bool {
	m := t.Request()
	switch scheme := strings.ToLower(m.URI().Scheme); {
	case scheme != "sip" && scheme != "sips" && scheme != "tel":
		t.Reply(416, "") // RFC 3261 section 8.2.2.1
		return true
	case s.requires(t, "Proxy-Require", nil): // section 16.3, step 5
		return true
	}
	return false
}

// requires answers a request that requires what is not understood (RFC 3261 sections 8.2.2.3 and 16.3).
func (s *Stack) requires(t *transaction.Server, header string, known []string) bool {
	var unknown []string
	for _, tag := range t.Request().Tokens(header) {
		if !containsFold(known, tag) {
			unknown = append(unknown, tag)
		}
	}
	if len(unknown) == 0 {
		return false
	}
	t.Reply(420, "", func(m *message.Message) { m.Set("Unsupported", strings.Join(unknown, ", ")) })
	return true
}

func containsFold(list []string, s string) bool {
	for _, one := range list {
		if strings.EqualFold(one, s) {
			return true
		}
	}
	return false
}

// spent answers a request that has come too far (RFC 3261 section 16.3, step 3).
func spent(t *transaction.Server) bool {
	if n, there := t.Request().MaxForwards(); !there || n > 0 {
		return false
	}
	t.Reply(483, "")
	return true
}

func (s *Stack) invite(t *transaction.Server) {
	switch {
	case s.parts.Calls == nil:
		t.Reply(501, "")
	case s.maintenance.Load(): // RG-08
		t.Reply(503, "", retryLater)
	case spent(t), s.requires(t, "Require", understood):
	default:
		s.parts.Calls.Invite(t)
	}
}

func (s *Stack) register(t *transaction.Server) {
	switch {
	case s.parts.Registrar == nil:
		t.Reply(501, "")
	case s.maintenance.Load() && !leaving(t.Request()): // RG-08: endpoints move to other nodes
		t.Reply(503, "", retryLater)
	case s.requires(t, "Require", understood):
	default:
		s.parts.Registrar.Register(t)
	}
}

// leaving reports whether a REGISTER only takes something away: a contact's own expires counts more than the
// header field's (RFC 3261 section 10.2.1.1).
func leaving(m *message.Message) bool {
	seconds, there := m.Expires()
	contacts := m.Contacts()
	for _, c := range contacts {
		if own, has := c.Params.Get("expires"); has && own != "0" || !has && !(there && seconds == 0) {
			return false
		}
	}
	return len(contacts) > 0
}

// other takes what is neither call nor registration: for the node itself, or to be passed on.
func (s *Stack) other(t *transaction.Server) {
	m := t.Request()
	switch {
	case m.URI().User == "" && s.cfg.Own(m.URI()):
		s.ourselves(t)
	case s.parts.Proxy == nil:
		t.Reply(501, "")
	case spent(t):
	default:
		s.parts.Proxy.Request(t)
	}
}

// ourselves answers what asks the node and nobody behind it.
func (s *Stack) ourselves(t *transaction.Server) {
	if s.requires(t, "Require", understood) {
		return
	}
	switch method := t.Request().Method(); {
	case method == message.Options: // RFC 3261 section 11.2
		t.Reply(200, "", func(m *message.Message) {
			m.Set("Allow", allow)
			m.Set("Accept", accept)
			m.Set("Accept-Language", "en")
			m.Set("Supported", supported)
			if s.parts.Tell != nil {
				s.parts.Tell(t.Source(), m)
			}
		})
	case slices.Contains(strings.Split(allow, ", "), string(method)):
		t.Reply(405, "", func(m *message.Message) { m.Set("Allow", allow) }) // section 8.2.1
	default:
		t.Reply(501, "") // section 21.5.2
	}
}
