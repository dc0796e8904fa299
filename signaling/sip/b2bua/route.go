package b2bua

import (
	"errors"
	"slices"
	"strconv"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/patience"
)

// maxRedirections bounds how often a call is sent elsewhere (facts A2.1, step 8).
const maxRedirections = 10

// retryAfter is how long who is told to come again shall wait.
const retryAfter = "30"

// search asks the dial plan, and rings the first group of what it finds.
func (c *call) search(name string) {
	if c.who.Note.Alias != "" { // a peer has looked it up
		name = c.who.Note.Alias
	}
	called, err := alias.Parse(name)
	if err != nil {
		c.refuse(404, "", warn(err))
		return
	}
	from, _ := alias.Parse(c.invite.From().URI.String()) // none: policy sees no caller
	mark := c.ids.mark()
	req := dialplan.Request{
		Alias: called, Protocol: dialplan.SIP,
		Zone: c.who.Zone, Subzone: c.who.Subzone, Authenticated: c.who.Authenticated,
		Peer: c.who.Peer != 0, Endpoints: c.who.Note.Endpoints,
		Caller: from, HopCount: hopsOf(c.invite),
		Seen: c.b.loops.seen(mark, c), Trail: c.trail,
	}
	c.b.loops.remember(mark, called.String(), c)
	c.mark, c.searched, c.next = mark, called.String(), 0
	c.b.cfg.Router.Locate(&req, &c.result, nil)
	c.noteRoute()
	c.ring(refusal(c.result.Reason))
}

// hopsOf is the hop count of a request; one without Max-Forwards may take as many as one
// that begins here (RFC 3261 section 16.6 step 3).
func hopsOf(req *message.Message) int {
	if n, ok := req.MaxForwards(); ok {
		return n
	}
	return 70
}

// ring calls the next group of targets. otherwise is what the caller is told when there is
// none and nobody has said anything better.
func (c *call) ring(otherwise answer) {
	for c.next < len(c.result.Targets) && c.phase == calling {
		group := c.result.Targets[c.next].Group
		for c.next < len(c.result.Targets) && c.result.Targets[c.next].Group == group {
			t := c.result.Targets[c.next]
			c.next++
			if t.Protocol == dialplan.SIP {
				c.forks = append(c.forks, &fork{
					call: c, target: t, hops: min(t.HopCount, hopsOf(c.invite)), wait: patience.Continue(c.who.Note.Waited),
				})
			}
		}
		for _, f := range slices.Clone(c.forks) {
			f.find()
		}
		if c.rings() {
			return
		}
	}
	c.giveUp(otherwise)
}

// rings reports whether anybody may still answer.
func (c *call) rings() bool {
	return slices.ContainsFunc(c.forks, func(f *fork) bool { return f.state < cancelling })
}

// giveUp answers a caller whom nobody answered: with the best of the refusals, or with
// what is said otherwise.
func (c *call) giveUp(otherwise answer) {
	if c.phase != calling {
		return
	}
	if c.best == nil {
		otherwise = c.toPeer(otherwise)
		if c.short != nil { // it says more than that somebody else was not there
			otherwise = *c.short
		}
		c.conclude(otherwise.status, otherwise.cause(), func() { c.reply(otherwise.status, otherwise.reason, otherwise.explain) })
		return
	}
	if c.redirected() {
		return
	}
	best := c.best
	cause := causeOf(best.Status())
	cause.By = calls.ByCallee
	c.conclude(best.Status(), cause, func() {
		out := c.relayed(best)
		c.passRedirection(out, best)
		c.server.Respond(out)
		c.recordAnswer(c.server, out)
	})
}

// redirected searches again where the best answer is that the callee is elsewhere (facts
// A2.1 step 8). Policy decides about the new name as about the first.
func (c *call) redirected() bool {
	if status := c.best.Status(); status != 301 && status != 302 || c.redirections == maxRedirections || c.who.Peer != 0 {
		return false
	}
	for _, to := range c.best.Contacts() {
		if to.Star || !to.URI.SIP() {
			continue
		}
		c.redirections++
		c.trail = append(c.trail, c.searched)
		c.best, c.short = nil, nil
		c.search(message.URI{Scheme: to.URI.Scheme, User: to.URI.User, Host: to.URI.Host, Port: to.URI.Port}.String())
		return true
	}
	return false
}

// answer is a final response of this node.
type answer struct {
	status int
	reason string
	kind   calls.Kind
	later  bool  // it may be tried again
	why    error // nil: there is no more to say
}

func (a answer) explain(m *message.Message) {
	if a.later {
		m.Set("Retry-After", retryAfter)
	}
	if a.why != nil {
		warn(a.why)(m)
	}
}

func (a answer) cause() calls.Cause {
	c := calls.Cause{Kind: a.kind, By: calls.ByNode, Status: a.status, Reason: a.reason}
	if a.why != nil {
		c.Reason = a.why.Error()
	}
	return c
}

var (
	unreachable = answer{status: 480, reason: "Temporarily Unavailable", kind: calls.Unreachable, later: true}
	timedOut    = answer{status: 408, reason: "Request Timeout", kind: calls.Unreachable}
)

// refusal is what the caller is told of a search that found nothing.
func refusal(r dialplan.Reason) answer {
	switch r {
	case dialplan.Denied:
		return answer{status: 403, reason: "Denied by Call Policy", kind: calls.Denied}
	case dialplan.SearchLoop, dialplan.PolicyLoop: // RFC 3261 section 16.3 step 4
		return answer{status: 482, reason: "Search Loop Detected", kind: calls.Failed}
	case dialplan.HopsUsedUp:
		return answer{status: 483, reason: "Too Many Hops", kind: calls.Failed}
	case dialplan.IPRefused:
		return answer{status: 403, reason: "Calls to Addresses Are Off", kind: calls.Denied}
	case dialplan.Unreachable, dialplan.Found:
		return unreachable
	case dialplan.NoInterwork:
		return answer{status: 480, reason: "Reached by H.323 Only", kind: calls.Unreachable}
	}
	return answer{status: 404, reason: "Not Found", kind: calls.NotFound}
}

// causeOf is what a final response means for the record.
func causeOf(status int) calls.Cause {
	kind := calls.Refused
	switch status {
	case 401, 403, 407:
		kind = calls.Denied
	case 404, 604:
		kind = calls.NotFound
	case 408, 480, 503:
		kind = calls.Unreachable
	case 487:
		kind = calls.Cancelled
	}
	if status >= 500 && status < 600 && status != 503 {
		kind = calls.Failed
	}
	return calls.Cause{Kind: kind, By: calls.ByNode, Status: status}
}

// warn says in a response what was wrong (RFC 3261 section 20.43).
func warn(err error) func(*message.Message) {
	code, text := "399", err.Error()
	var r *resources.Refusal
	if errors.As(err, &r) {
		code, text = warning(r)
	}
	return func(m *message.Message) { m.Set("Warning", code+" turnpike "+strconv.Quote(text)) }
}
