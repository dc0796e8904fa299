package transaction

import (
	"turnpike.dev/turnpike/signaling/sip/message"
)

// What the tables of clients do.

// repeat sends the request again.
func (c *Client) repeat(*message.Message) {
	c.table.count.resent.Add(1)
	c.table.send(c.hop, c.wire, c.fail)
}

// proceed: an INVITE is being worked on. It is not sent again, and may be cancelled now.
func (c *Client) proceed(m *message.Message) {
	switch c.cancel {
	case unwanted:
		c.clock.begin(c.table.shard, 0, 0, c.table.layer.timers.Patience, c.tick)
	case wanted:
		c.sendCancel()
	case sent: // the clock runs to the end of the CANCEL
	}
	c.tell(m)
}

// slow: another request is being worked on. After the next time it is sent less often (RFC 3261 section 17.1.2.2).
func (c *Client) slow(m *message.Message) {
	if c.clock.step > 0 {
		c.clock.step = c.clock.top
	}
	c.tell(m)
}

// accept: the user acknowledges a 2xx, and gets each that comes (timer M).
func (c *Client) accept(m *message.Message) {
	c.end()
	c.table.remember(c.key, record{client: c, ok: true}, &c.table.long)
	c.tell(m)
}

// reject acknowledges any other final response to an INVITE, whenever it comes (timer D).
func (c *Client) reject(m *message.Message) {
	ack := c.table.wire(c.ack(m))
	c.end()
	c.table.send(c.hop, ack, nil)
	if !reliable(c.hop) {
		hop := c.hop
		c.table.remember(c.key, record{answer: ack, hop: &hop}, &c.table.long)
	}
	c.tell(m)
}

// finish: what is left absorbs the response when it comes again (timer K).
func (c *Client) finish(m *message.Message) {
	c.end()
	if !reliable(c.hop) {
		c.table.remember(c.key, record{}, &c.table.short)
	}
	c.tell(m)
}

// abandon gives up an INVITE that rang for too long, and says so on the way out.
func (c *Client) abandon(*message.Message) {
	if c.cancel != sent {
		c.sendCancel()
	}
	c.expire(nil)
}

// expire gives up.
func (c *Client) expire(*message.Message) {
	c.table.count.timeouts.Add(1)
	c.end()
	c.failed(ErrTimeout)
}

func (c *Client) breakOff(*message.Message) {
	c.table.count.broken.Add(1)
	c.end()
	c.failed(c.err)
}

// ack acknowledges a final response that is no 2xx (RFC 3261 section 17.1.1.3).
func (c *Client) ack(answer *message.Message) *message.Message {
	m := c.like(message.Ack)
	m.SetTo(answer.To())
	return m
}

// sendCancel sends the CANCEL in a transaction of its own, and waits for the INVITE's answer as long as for that (RFC 3261 section 9.1).
func (c *Client) sendCancel() {
	c.cancel = sent
	m := c.like(message.Cancel)
	if c.change != nil {
		c.change(m)
	}
	timers := c.table.layer.timers
	c.clock.begin(c.table.shard, 0, 0, timers.long(), c.tick)
	cancel := &Client{table: c.table, request: m, hop: c.hop}
	cancel.begin(m.Via().Branch())
}

// like makes a request that goes where the INVITE went, under its branch.
func (c *Client) like(method message.Method) *message.Message {
	r := c.request
	m := message.NewRequest(method, r.URI())
	m.PushVia(r.Via())
	m.SetRoutes(r.Routes()...)
	m.SetMaxForwards(70)
	m.SetFrom(r.From())
	m.SetTo(r.To())
	m.SetCallID(r.CallID())
	seq, _ := r.CSeq()
	m.SetCSeq(seq, method)
	return m
}
