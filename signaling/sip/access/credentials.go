package access

import (
	"strings"
	"time"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/signaling/sip/digest"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// maxCredentials bounds how many header fields of one request are looked at.
const maxCredentials = 4

// Register says whose password a REGISTER for a name in a subzone shows; empty where the
// subzone's policy asks for none. Where done, it was answered: 401, or 403 for a name
// that is not the account's.
func (g *Guard) Register(t Request, aor alias.Alias, subzone string) (account string, done bool) {
	p := g.policy.Load()
	if p.subzone(subzone) != config.AuthCheck {
		return "", false
	}
	return g.demand(t, p, &aor, time.Now())
}

// Ours says whether a name is of a domain of this node.
func (g *Guard) Ours(a alias.Alias) bool { return g.policy.Load().ours(a) }

// demand asks for a password and returns the account that showed it. With a name, it has
// to be the account's own.
func (g *Guard) demand(t Request, p *policy, name *alias.Alias, now time.Time) (string, bool) {
	a, stale := g.verify(t, p, now)
	if a == nil {
		g.challenge(t, p, stale, now)
		return "", true
	}
	if name != nil && !a.owns(*name) {
		g.tell("Authentication Refused", t, "User", a.name, "Detail", "the name is not the account's")
		t.Reply(403, "")
		return "", true
	}
	return a.name, false
}

// fields are the header fields of credentials and challenges: of this node as a server of
// its own (RFC 3261 section 22.2), or as a proxy (section 22.3).
type fields struct {
	status                   int
	challenge, authorization string
}

func fieldsOf(m message.Method) fields {
	if m == message.Register {
		return fields{401, "WWW-Authenticate", "Authorization"}
	}
	return fields{407, "Proxy-Authenticate", "Proxy-Authorization"}
}

// verify looks for credentials of our realm. nil: there are none, or they are no good.
func (g *Guard) verify(t Request, p *policy, now time.Time) (good *account, stale bool) {
	m := t.Request()
	source := t.Source().Remote.Addr()
	for i, value := range m.All(fieldsOf(m.Method()).authorization) {
		if i == maxCredentials {
			break
		}
		c, err := digest.ParseCredentials(value)
		if err != nil || c.Realm != p.realm {
			continue
		}
		user := strings.ToLower(c.User)
		if !g.failures.may(source, user, now) {
			return nil, false // looks like a wrong password
		}
		a, key := p.accounts[user], (*digest.Key)(nil)
		if a != nil && a.name == c.User {
			key = &a.key
		}
		switch g.digest.Check(&c, key, string(m.Method()), source, now) {
		case digest.Good:
			g.failures.clear(source, user)
			return a, false
		case digest.Stale:
			return nil, true
		}
		g.failures.count(source, user, now)
		g.tell("Authentication Failed", t, "User", c.User, "Detail", "no such account, or another password")
		return nil, false
	}
	return nil, false
}

func (g *Guard) challenge(t Request, p *policy, stale bool, now time.Time) {
	f := fieldsOf(t.Request().Method())
	values := g.digest.Challenge(p.realm, t.Source().Remote.Addr(), stale, now, p.algorithms...)
	t.Reply(f.status, "", func(m *message.Message) {
		for _, v := range values {
			m.Add(f.challenge, v)
		}
	})
}
