package b2bua

import (
	"slices"
	"strings"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// privacy is what a caller wants hidden (RFC 3323 section 4.2, RFC 3325 section 9.3).
type privacy struct {
	id      bool // who the network says that it is
	user    bool // who it says itself
	session bool // where its media is
}

// privacyOf reads Privacy.
func privacyOf(m *message.Message) (p privacy) {
	for v := range strings.FieldsFuncSeq(strings.Join(m.All("Privacy"), ";"), func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
		switch strings.ToLower(v) {
		case "id":
			p.id = true
		case "user":
			p.user = true
		case "session":
			p.session = true
		case "none":
			return privacy{}
		}
	}
	return p
}

// personal are the header fields by which a user may be known (RFC 3323 section 5.3).
var personal = []string{"Subject", "Call-Info", "Organization", "Reply-To", "In-Reply-To", "Remote-Party-ID", "History-Info", "Diversion", "Referred-By"}

// identify shows an end who the other one is, as far as trust and privacy allow (RFC 3325
// sections 5 and 7). What an end outside the boundary says of identities is not believed.
func (c *call) identify(out *message.Message, to *end) {
	believed := c.who.Trusted
	if to == &c.a {
		believed = !slices.ContainsFunc(c.callees(), func(e *end) bool { return !e.trusted })
	}
	hides := privacyOf(out)
	if !believed || hides.id && !to.trusted {
		out.Del("P-Asserted-Identity")
		out.Del("Remote-Party-ID")
	}
	if to != &c.a && !believed && c.who.Account != "" && to.trusted && out.Method() == message.Invite {
		// Section 5: who proved an account is who its From says, when that is the account's.
		if from := c.invite.From(); strings.EqualFold(from.URI.User, c.who.Account) {
			out.Set("P-Asserted-Identity", from.WithTag("").String())
		}
	}
	if to != &c.a && c.hides.user && !to.trusted {
		for _, name := range personal {
			out.Del(name)
		}
	}
}

// callees are the ends that the caller may hear of.
func (c *call) callees() []*end {
	if c.won != nil {
		return []*end{c.won.b.end}
	}
	var all []*end
	for _, f := range c.forks {
		all = append(all, &f.end)
	}
	return all
}

// anonymous is who a caller is that wants to be nobody (RFC 3323 section 4.1).
var anonymous = message.Address{Name: "Anonymous", URI: message.URI{Scheme: "sip", User: "anonymous", Host: "anonymous.invalid"}}

// caller is who callees see, without a tag.
func (c *call) caller(to *end) message.Address {
	if c.hides.user && !to.trusted {
		return anonymous
	}
	return c.invite.From().WithTag("")
}

// called is whom the caller asked for.
func (c *call) called() message.Address { return c.invite.To().WithTag("") }
