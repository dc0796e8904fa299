// Package registrar takes REGISTER requests: who is reached where, for how long, and over
// which connection (RFC 3261 section 10.3, RFC 5626, RFC 3327).
//
// It exists between the transactions, which it answers, and control/registrations, which
// keeps what it decides: it reads contacts, asks for passwords and policies, and compares
// with what is there. A REGISTER for a domain that is not ours goes on to where the search
// rules lead, and comes back by us (RG-10).
package registrar

import (
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/control/trace"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/licensing"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/patience"
	"turnpike.dev/turnpike/signaling/sip/places"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// MinExpires is the shortest time that is agreed to, unless the configured one is shorter.
const MinExpires = 45 * time.Second

// fullRetryAfter is the seconds after which an endpoint that found the node full may come
// again (CA-04).
const fullRetryAfter = "120"

// Access asks for passwords (access.Guard).
type Access interface {
	Ours(a alias.Alias) bool
	Register(t access.Request, aor alias.Alias, subzone string) (account string, done bool)
}

// Router is the dial plan in force (routing.Router).
type Router interface {
	Register(e zones.Endpoint, t *trace.Trace) zones.Admission
	Locate(req *dialplan.Request, out *dialplan.Result, t *trace.Trace)
	Snapshot() *routing.Snapshot
}

// Places finds where a request for a target goes (places.Finder).
type Places interface {
	Find(on places.Poster, t *dialplan.Target, done func([]places.Place, error))
}

// Sender sends requests (transaction.Layer).
type Sender interface {
	Send(s *shard.Shard, m *message.Message, h transport.Hop, u transaction.User) *transaction.Client
}

// Log takes records of the event log.
type Log interface {
	Event(event string, kv ...any)
	Warn(event string, kv ...any)
}

// Deps are what a Registrar works with. Places, Sender and Local are for requests that go
// on to other registrars; without them none does.
type Deps struct {
	Table  *registrations.Table
	Flows  *Flows
	Access Access
	Router Router
	Places Places
	Sender Sender
	Local  func(transport.Hop) (netip.AddrPort, error)
	Log    Log
	// Await has a registration tried again for which other peers of the cluster may have places or licences
	// (resources.Resources); nil: there are none.
	Await patience.Await
}

// settings are what of a configuration counts here.
type settings struct {
	longest  time.Duration
	forward  config.Forward
	desktops *licensing.Desktops
}

// Registrar answers REGISTER requests. Its methods run on any shard.
type Registrar struct {
	Deps
	settings atomic.Pointer[settings]
	patience *patience.Patience // nil: nothing is waited for
	waiting  waiting
}

// New returns a registrar for a configuration.
func New(n *config.Node, d Deps) *Registrar {
	r := &Registrar{Deps: d}
	if d.Await != nil {
		r.patience = patience.New(d.Await)
	}
	r.Change(n)
	return r
}

// Change puts a configuration in force. Bindings that are there keep their time.
func (r *Registrar) Change(n *config.Node) {
	r.settings.Store(&settings{
		longest:  time.Duration(n.SIP.ExpireDelta) * time.Second,
		forward:  n.SIP.Forward,
		desktops: licensing.NewDesktops(n.Licensing.Desktops()),
	})
}

// Closed says that a connection has gone: it belongs to transport.Config.Closed.
func (r *Registrar) Closed(c *loop.Conn) { r.Table.Closed(r.Flows.forget(c)) }

// server is what of transaction.Server is used here.
type server interface {
	access.Request
	Shard() *shard.Shard
	Respond(m *message.Message)
}

var _ server = (*transaction.Server)(nil)

// Register answers a REGISTER, in the order of RFC 3261 section 10.3.
func (r *Registrar) Register(t *transaction.Server) { r.register(t) }

func (r *Registrar) register(t server) {
	m := t.Request()
	aor, err := alias.Parse(m.To().URI.String())
	if err != nil || aor.Kind != alias.URI {
		t.Reply(404, "")
		return
	}
	if !r.Access.Ours(aor) || !strings.EqualFold(m.URI().Host, aor.Domain()) && !r.forUs(m.URI()) { // step 1
		r.forward(t, aor)
		return
	}
	endpoint := zones.Endpoint{Addr: t.Source().Remote.Addr(), Aliases: []alias.Alias{aor}}
	admission := r.Router.Register(endpoint, nil)
	account, done := r.Access.Register(t, aor, admission.Subzone) // steps 3 to 5
	if done {
		return
	}
	now := r.settings.Load()
	q := request{m: m, src: t.Source(), aor: aor.Name, subzone: admission.Subzone, account: account, desktops: now.desktops}
	if err := q.read(now.longest); err != nil {
		r.refuse(t, err)
		return
	}
	if len(q.wishes) == 0 && !q.all { // a question
		r.confirm(t, &q, r.Table.Of(q.aor))
		return
	}
	h := &held{server: t, request: q}
	var have []*registrations.Binding
	h.attempt = func(patient bool) (err error) {
		have, err = r.update(&h.request, admission, patient)
		return err
	}
	h.then = func() { r.confirm(t, &h.request, have) }
	r.carryOut(h)
}

// forUs says whether a Request-URI is a domain of ours: it has no user.
func (r *Registrar) forUs(u message.URI) bool {
	u.User, u.Params, u.Headers = "x", nil, ""
	a, err := alias.Parse(u.String())
	return err == nil && r.Access.Ours(a)
}

// refusal is an answer that is no 2xx.
type refusal struct {
	status       int
	reason       string
	field, value string // a header field that goes with it
	detail       string
}

// Error says why.
func (f *refusal) Error() string { return f.detail }

// refuse answers a request that changed nothing, and tells the log.
func (r *Registrar) refuse(t server, err error) {
	var f *refusal
	switch {
	case errors.As(err, &f):
	case errors.Is(err, registrations.ErrFull), errors.Is(err, registrations.ErrCluster), errors.Is(err, registrations.ErrLicence): // CA-04
		f = &refusal{status: 503, field: "Retry-After", value: fullRetryAfter, detail: err.Error()}
	case errors.Is(err, registrations.ErrMany):
		f = &refusal{status: 403, reason: "Too Many Contacts", detail: err.Error()}
	default:
		f = &refusal{status: 500, detail: err.Error()}
	}
	m, src := t.Request(), t.Source()
	r.Log.Warn("Registration Rejected",
		"Service", "SIP", "Src-ip", src.Remote.Addr(), "Src-port", src.Remote.Port(), "Protocol", src.Transport,
		"AOR", m.To().URI, "Response-code", f.status, "Reason", f.detail, "Call-id", m.CallID())
	t.Reply(f.status, f.reason, func(m *message.Message) {
		if f.field != "" {
			m.Set(f.field, f.value)
		}
	})
}
