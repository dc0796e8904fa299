package b2bua

import (
	"errors"
	"net/url"
	"strings"

	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/places"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// replaces names a dialog as its other end knows it (RFC 3891 section 6.1).
type replaces struct {
	callID, to, from string
	early            bool // only while it is early
}

func parseReplaces(v string) (r replaces, err error) {
	id, params, _ := strings.Cut(v, ";")
	r.callID = strings.TrimSpace(id)
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "to-tag":
			r.to = strings.TrimSpace(value)
		case "from-tag":
			r.from = strings.TrimSpace(value)
		case "early-only":
			r.early = true
		}
	}
	if r.callID == "" || r.to == "" || r.from == "" {
		return r, errors.New("a dialog that is replaced wants a Call-ID, a to-tag and a from-tag")
	}
	return r, nil
}

// errOneDialog: RFC 3891 section 3.
var errOneDialog = errors.New("an INVITE replaces one dialog, named by Call-ID, to-tag and from-tag")

// String returns the header field's value.
func (r replaces) String() string {
	s := r.callID + ";to-tag=" + r.to + ";from-tag=" + r.from
	if r.early {
		s += ";early-only"
	}
	return s
}

// replaced is a dialog of ours that is to be replaced: how the end that has it knows it,
// and where that end is.
type replaced struct {
	name  replaces
	place places.Place
}

// find looks for the dialog that somebody names, and tells done, on shard on. Two know it
// in a way that leads there: the end on the other side of this node, by what it sees of
// us, and the end itself. done gets nil where it is not ours.
func (b *B2BUA) find(on *shard.Shard, r replaces, done func(*replaced)) {
	owner := b.cfg.Group.Of(r.callID)
	look := func() *replaced {
		legs := b.table(owner).legs
		if l := legs[dialog.ID{CallID: r.callID, Local: r.to, Remote: r.from}]; l != nil {
			return l.other().asReplaced(r.early)
		}
		if l := legs[dialog.ID{CallID: r.callID, Local: r.from, Remote: r.to}]; l != nil {
			return l.asReplaced(r.early)
		}
		return nil
	}
	if owner == on {
		done(look())
		return
	}
	answered := owner.Post(func() {
		found := look()
		on.Post(func() { done(found) })
	})
	if !answered { // the shard is overloaded; without the dialog the call is one like others
		done(nil)
	}
}

func (l *leg) asReplaced(early bool) *replaced {
	return &replaced{
		name: replaces{callID: l.d.CallID, to: l.d.Remote, from: l.d.Local, early: early},
		place: places.Place{
			URI: l.d.Target, Routes: l.d.Routes, Hop: l.next(),
			Zone: l.end.zone, Subzone: l.end.subzone, Side: l.end.local, NAT: l.end.latch(),
		},
	}
}

// replace looks for the dialog that an INVITE replaces (RFC 3891 section 3). One of ours
// leads straight to the end that has it: who knows its tags was told them by this call. It
// reports whether the INVITE is taken care of.
func (c *call) replace() bool {
	all := c.invite.All("Replaces")
	if len(all) == 0 {
		return false
	}
	r, err := parseReplaces(all[0])
	if err != nil || len(all) > 1 {
		c.refuse(400, "", warn(errOneDialog))
		return true
	}
	c.b.find(c.shard, r, func(d *replaced) {
		switch {
		case c.phase != calling:
		case d == nil:
			c.search(c.invite.URI().String())
		default:
			f := &fork{call: c, hops: hopsOf(c.invite), places: []places.Place{d.place}, replaces: d.name.String()}
			c.forks = append(c.forks, f)
			f.begin()
		}
	})
	return true
}

// referCame: REFER by policy (RFC 3515). A dialog that Refer-To wants replaced is named as
// the end knows it that has it (RFC 3891 section 3): whoever is referred may ask that end.
func (l *leg) referCame(t *transaction.Server) {
	m := t.Request()
	if !l.call.b.cfg.Policy.Refer(l.end.zone) {
		l.reply(t, 403)
		return
	}
	target, err := message.ParseAddress(m.Get("Refer-To"))
	if err != nil || len(m.All("Refer-To")) != 1 { // section 2.4.2
		l.reply(t, 400)
		return
	}
	r, rest, ok := replacesIn(target.URI.Headers)
	if !ok {
		l.pass(t, nil)
		return
	}
	l.call.b.find(l.call.shard, r, func(d *replaced) {
		if l.closing || l.d.State == dialog.Terminated {
			l.reply(t, 481)
			return
		}
		l.pass(t, func(_ *exchange, req *message.Message) bool {
			if d != nil {
				target.URI.Headers = "Replaces=" + url.QueryEscape(d.name.String()) + rest
				req.Set("Refer-To", target.String())
			}
			return true
		})
	})
}

// replacesIn finds Replaces in the headers of a URI; rest is what else they are.
func replacesIn(headers string) (r replaces, rest string, ok bool) {
	for h := range strings.SplitSeq(headers, "&") {
		name, value, _ := strings.Cut(h, "=")
		if !strings.EqualFold(name, "Replaces") {
			if h != "" {
				rest += "&" + h
			}
			continue
		}
		text, err := url.PathUnescape(value)
		if err != nil {
			return r, "", false
		}
		if r, err = parseReplaces(text); err != nil {
			return r, "", false
		}
		ok = true
	}
	return r, rest, ok
}
