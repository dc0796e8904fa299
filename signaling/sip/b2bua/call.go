package b2bua

import (
	"slices"
	"strconv"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// phase is how far a call is.
type phase uint8

const (
	calling phase = iota // the caller's INVITE has no final response
	up                   // it was answered with a 2xx
	over                 // it ended; transactions and dialogs may still be closing
)

// call is one call from its INVITE until nothing of it is left.
type call struct {
	b     *B2BUA
	shard *shard.Shard
	table *table
	owner string       // of its media
	entry *calls.Entry // nil: nothing is recorded
	phase phase

	server *transaction.Server // the caller's INVITE
	invite *message.Message
	who    access.Caller
	a      end
	timer  dialog.Session // granted to the caller
	offer  *description   // the caller's; nil: it waits for the callee's
	ids    sessionIDs
	hides  privacy

	result       dialplan.Result
	next         int      // of result.Targets
	searched     string   // the name of the last search
	trail        []string // those before, of redirections
	redirections int
	forks        []*fork // that have not ended
	pairs        []*pair // that have not ended
	won          *pair
	taking       *fork            // whose 2xx waits for what it asks for; nil: none does
	media        *media           // the winner's
	best         *message.Message // the best refusal so far (RFC 3261 section 16.7 step 6)
	mark         string           // in the memory of searches
	reasons      []string         // why it ends (RFC 3326)
	pending      []*exchange      // whose requests are not answered

	grant *resources.Grant // what the call has; nil: nothing yet
	want  resources.Want   // what it was given for
	short *answer          // why a fork was not admitted
}

// begin takes a new INVITE.
func (b *B2BUA) begin(t *transaction.Server) {
	req := t.Request()
	if b.refused(t, req) {
		return
	}
	who, done := b.cfg.Access.Check(t)
	if done {
		return
	}
	c := &call{
		b: b, shard: t.Shard(), table: b.table(t.Shard()),
		server: t, invite: req, who: who, hides: privacyOf(req),
	}
	c.a = b.callerEnd(t, who)
	c.open()
	t.OnCancel(c.cancelled)
	t.OnEnd(func(err error) {
		if err != nil { // the caller cannot be told any more
			c.conclude(timedOut.status, timedOut.cause(), func() {})
		}
	})
	c.prepare()
}

// open enters the call where it is looked for.
func (c *call) open() {
	c.table.calls[c] = struct{}{}
	if book := c.b.cfg.Book; book != nil {
		c.entry = book.Begin(c.info(), c)
		c.owner = "call:" + strconv.FormatUint(c.entry.ID(), 10)
	} else {
		c.owner = "call:" + c.invite.CallID()
	}
	c.b.own(c)
	c.record(c.server.Source(), c.invite)
}

// prepare checks what depends on who calls, and begins the search.
func (c *call) prepare() {
	granted, ok := c.b.cfg.Policy.Session().Grant(c.invite)
	if !ok { // RFC 4028 section 6
		c.refuse(422, "", func(m *message.Message) {
			m.Set("Min-SE", strconv.Itoa(int(c.b.cfg.Policy.Session().Min.Seconds())))
		})
		return
	}
	c.timer = granted
	offer, err := describe(c.invite)
	if err != nil {
		c.refuse(488, "", warn(err))
		return
	}
	c.offer = offer
	c.ids = sessionsOf(c.invite)
	if c.replace() {
		return
	}
	c.search(c.invite.URI().String())
}

// refuse gives the caller's INVITE its final response, and ends the call.
func (c *call) refuse(status int, reason string, change ...func(*message.Message)) {
	c.conclude(status, causeOf(status), func() { c.reply(status, reason, change...) })
}

// conclude ends a call that was not answered. respond answers the INVITE.
func (c *call) conclude(status int, cause calls.Cause, respond func()) {
	if c.phase != calling {
		return
	}
	c.phase = over
	if !c.server.Answered() {
		respond()
	}
	cause.Status = status
	c.close(cause)
}

// close lets go of everything that a call has, as far as the ends allow. Its phase is over.
func (c *call) close(cause calls.Cause) {
	for _, f := range slices.Clone(c.forks) {
		f.cancel()
	}
	for _, x := range slices.Clone(c.pending) {
		x.abandon()
	}
	for _, p := range slices.Clone(c.pairs) {
		p.hangUp(cause)
	}
	c.finish(cause)
	c.tidy()
}

// finish releases the media and what was granted, and ends the record.
func (c *call) finish(cause calls.Cause) {
	var final []calls.Stream
	if c.media != nil {
		final = c.media.release()
	}
	c.letGo()
	c.b.loops.forget(c.mark, c)
	if c.entry != nil {
		c.entry.End(cause, final...)
	}
}

// tidy forgets a call of which nothing is left.
func (c *call) tidy() {
	if c.phase == over && len(c.forks) == 0 && len(c.pairs) == 0 {
		delete(c.table.calls, c)
		c.b.disown(c)
	}
}

// cancelled: the caller gave up (RFC 3261 section 9.2).
func (c *call) cancelled(m *message.Message) {
	c.record(c.server.Source(), m)
	c.passReason(m)
	c.conclude(487, calls.Cause{Kind: calls.Cancelled, By: calls.ByCaller}, func() { c.reply(487, "") })
}

// Disconnect ends the call for the operator. From any goroutine.
func (c *call) Disconnect(reason string) {
	c.shard.Post(func() {
		c.endBy(ending{calls.Cause{Kind: calls.Disconnected, By: calls.ByOperator, Reason: reason}, 480})
	})
}

// Streams says what the call's media has carried. From any goroutine.
func (c *call) Streams() []calls.Stream {
	if m := c.carries(); m != nil {
		return m.streams()
	}
	return nil
}

// Rate says what the ends send. From any goroutine.
func (c *call) Rate() *calls.Rate {
	if m := c.carries(); m != nil {
		return m.rate()
	}
	return nil
}

// carries is the winner's media; nil: nobody has won. From any goroutine.
func (c *call) carries() *media {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	return c.media
}

// ending is an end of a call that neither party asked for.
type ending struct {
	cause  calls.Cause
	status int // for a caller that has no answer yet
}

var (
	byMedia   = ending{calls.Cause{Kind: calls.MediaTimeout, By: calls.ByNode, Reason: "no media came any more"}, 480}
	byTimer   = ending{calls.Cause{Kind: calls.SessionExpired, By: calls.ByNode, Reason: "nobody refreshed the session"}, 408}
	byNoAck   = ending{calls.Cause{Kind: calls.Failed, By: calls.ByNode, Reason: "the ACK did not come"}, 500}
	byLoss    = ending{calls.Cause{Kind: calls.Failed, By: calls.ByNode, Reason: "one end knows the call no more"}, 500}
	byGrant   = ending{calls.Cause{Kind: calls.Disconnected, By: calls.ByNode, Reason: "more media was sent than was granted"}, 480}
	byNoMedia = ending{calls.Cause{Kind: calls.Failed, By: calls.ByNode, Reason: "the media that was answered cannot be relayed"}, 500}
)

// endBy ends a call whatever its phase.
func (c *call) endBy(e ending) {
	switch c.phase {
	case calling:
		c.conclude(e.status, e.cause, func() { c.reply(e.status, "") })
	case up:
		c.phase = over
		c.close(e.cause)
	}
}
