// Package access says who sent a request: a zone of the list, somebody registered or with
// an account, or anybody.
//
// It exists so that there is one answer to that, before anything is routed: passwords,
// certificates, the addresses of zones and the policies of zones and subzones meet here,
// and what is behind only asks who the caller is. It is closed by default: whom nothing
// names is a caller from the Default Zone, whom call policy lets do nothing unless a rule
// says so.
package access

import (
	"crypto/x509"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/digest"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/peers"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// Caller is who sent a request.
type Caller struct {
	// Zone is where it came from: a zone of the list, the Local Zone for whoever is
	// registered or proved an account, else the Default Zone.
	Zone *zones.Zone
	// Subzone of a caller of the Local Zone.
	Subzone string
	// Authenticated: a password was checked, or the zone or subzone is treated so.
	Authenticated bool
	// Account is whose password was checked; empty: none was.
	Account string
	// Trusted: what it says of identities (RFC 3325) is believed, and it is told those of
	// others (zones[].sip.trusted).
	Trusted bool
	// Binding is the registration that the request came from; 0: none.
	Binding uint64
	// Peer is the peer of the cluster that passed the request on, by its index; 0: none. It has
	// checked the caller, and looks for who is registered here and nobody else (RG-01).
	Peer uint8
	// Note is what that peer says of the caller.
	Note peers.Note
}

// Request is a request that waits for an answer: transaction.Server.
type Request interface {
	Request() *message.Message
	Source() loop.Source
	Reply(status int, reason string, change ...func(*message.Message))
}

var _ Request = (*transaction.Server)(nil)

// Sources know which zone a message comes from (neighbours.Neighbours).
type Sources interface {
	Source(src loop.Source) *zones.Zone
}

// Bindings are the registrations of this node (control/registrations.Table).
type Bindings interface {
	Of(name string) []*registrations.Binding
	From(dst []*registrations.Binding, flow uint64, source netip.AddrPort) []*registrations.Binding
}

// Flows number the connections that registrations came over (the registrar).
type Flows interface {
	Flow(c *loop.Conn) uint64
}

// Peers are the other nodes of the cluster (peers.Table).
type Peers interface {
	// From returns the index of the peer that a message comes from; 0: none.
	From(src loop.Source) uint8
}

// Log takes records of the event log.
type Log interface {
	Warn(event string, kv ...any)
}

// Deps is what a Guard asks. Roots may be nil: then no certificate has a name.
type Deps struct {
	Sources  Sources
	Bindings Bindings
	Flows    Flows
	Snapshot func() *routing.Snapshot
	Roots    func() *x509.CertPool // who is believed about names in certificates
	Log      Log
	Peers    Peers // nil: the node is in no cluster
	// Key makes nonces; the same for all processes of a node. Peers have others (design/0054).
	Key []byte
	// Own are this node's addresses: a domain of ours, where a phone uses them as one.
	Own func() []netip.Addr
}

// Guard stands before everything that is routed. Check and Register run on any shard.
type Guard struct {
	Deps
	policy   atomic.Pointer[policy]
	digest   *digest.Server
	failures *failures
	names    sync.Map // *loop.Conn → []string, of its certificate
}

// New returns a guard for a configuration.
func New(n *config.Node, d Deps) *Guard {
	g := &Guard{Deps: d, digest: digest.NewServer(d.Key), failures: newFailures()}
	g.Change(n)
	return g
}

// Change puts a configuration in force. It returns which accounts are still there with the
// password they had: the registrations of the others end (registrations.Table.Revoke).
func (g *Guard) Change(n *config.Node) (holds func(account string) bool) {
	var own []netip.Addr
	if g.Own != nil {
		own = g.Own()
	}
	next := compile(n, own)
	before := g.policy.Swap(next)
	return func(name string) bool {
		name = strings.ToLower(name)
		now := next.accounts[name]
		if now == nil || before == nil {
			return now != nil
		}
		was := before.accounts[name]
		return was == nil || was.password == now.password
	}
}

// Closed says that a connection has gone.
func (g *Guard) Closed(c *loop.Conn) { g.names.Delete(c) }

// Check says who sends a request outside of a dialog; where done, it was answered: with a
// challenge (407), or refused (403). Requests within a dialog are known by the dialog.
//
// In this order: a peer of the cluster, a registration that the request comes from, a zone of
// the list, a domain of ours in From, and else the Default Zone.
func (g *Guard) Check(t *transaction.Server) (who Caller, done bool) { return g.check(t) }

func (g *Guard) check(t Request) (Caller, bool) {
	p, now := g.policy.Load(), time.Now()
	directory := g.Snapshot().Zones
	if who, is := g.peer(t, directory); is {
		return who, false
	}
	from, err := alias.Parse(t.Request().From().URI.String())
	if err != nil {
		from = alias.Alias{}
	}
	if b := g.registered(t, from); b != nil {
		return g.local(t, p, b, directory, now)
	}
	if z := g.Sources.Source(t.Source()); z != nil && z.Listed() {
		return g.listed(t, p, z, now)
	}
	if p.ours(from) {
		account, done := g.demand(t, p, &from, now)
		who := Caller{Zone: directory.Local(), Authenticated: true, Account: account}
		if !done {
			who.Subzone, _ = g.Snapshot().Members.Subzone(zones.Endpoint{Addr: t.Source().Remote.Addr(), Aliases: []alias.Alias{from}})
		}
		return who, done
	}
	return g.stranger(t, p, directory, now)
}

// registered finds the registration that a request comes from: the same way (connection,
// or address and port) and the same name. Who asks for privacy (RFC 3323 section 4.1.1.3)
// is known by the way alone, where only one name came by it.
func (g *Guard) registered(t Request, from alias.Alias) *registrations.Binding {
	src := t.Source()
	var flow uint64
	if src.Conn != nil {
		if flow = g.Flows.Flow(src.Conn); flow == 0 {
			return nil
		}
	}
	// By its name: a proxy has registered thousands from one address.
	for _, b := range g.Bindings.Of(from.Name) {
		if b.AOR == from.Name && b.Flow == flow && (flow != 0 || b.Source == src.Remote) {
			return b
		}
	}
	if from.Domain() != "anonymous.invalid" {
		return nil
	}
	if have := g.Bindings.From(nil, flow, src.Remote); len(have) == 1 {
		return have[0]
	}
	return nil
}

// local is a caller that is registered. A connection over which the password was shown is
// not asked again; a datagram's address proves nothing.
func (g *Guard) local(t Request, p *policy, b *registrations.Binding, d *zones.Directory, now time.Time) (Caller, bool) {
	who := Caller{Zone: d.Local(), Subzone: b.Subzone, Binding: b.ID}
	switch p.subzone(b.Subzone) {
	case config.AuthTrusted:
		who.Authenticated = true
	case config.AuthCheck:
		if t.Source().Conn != nil && b.Account != "" {
			who.Account = b.Account
		} else {
			name := alias.Alias{Name: b.AOR, Kind: alias.URI}
			var done bool
			if who.Account, done = g.demand(t, p, &name, now); done {
				return who, true
			}
		}
		who.Authenticated = true
	}
	return who, false
}

// listed is a caller from a zone of the list.
func (g *Guard) listed(t Request, p *policy, z *zones.Zone, now time.Time) (Caller, bool) {
	rules := p.zones[z.Name]
	who := Caller{Zone: z, Trusted: rules.trusted}
	return g.asZone(t, p, who, rules.mode, now)
}

// stranger is a caller that nothing names.
func (g *Guard) stranger(t Request, p *policy, d *zones.Directory, now time.Time) (Caller, bool) {
	if c := t.Source().Conn; c != nil && c.Transport() == loop.TLS {
		if ok, rule := d.Admits(g.certified(c)); !ok {
			g.tell("Request Refused", t, "Detail", "no access rule of the Default Zone lets the certificate in", "Rule", rule)
			t.Reply(403, "")
			return Caller{}, true
		}
	}
	return g.asZone(t, p, Caller{Zone: d.Default()}, p.stranger, now)
}

func (g *Guard) asZone(t Request, p *policy, who Caller, mode config.AuthenticationMode, now time.Time) (Caller, bool) {
	done := false
	switch mode {
	case config.AuthTrusted:
		who.Authenticated = true
	case config.AuthCheck:
		who.Account, done = g.demand(t, p, nil, now)
		who.Authenticated = !done
	}
	return who, done
}

func (g *Guard) tell(event string, t Request, kv ...any) {
	if g.Log == nil {
		return
	}
	src, m := t.Source(), t.Request()
	g.Log.Warn(event, append([]any{
		"Protocol", src.Transport, "Method", m.Method(), "Src-ip", src.Remote.Addr(), "Src-port", src.Remote.Port(),
		"From", m.From().URI, "Call-id", m.CallID(),
	}, kv...)...)
}
