package transaction

import (
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// Client is a request that was sent and waits for its answer. It belongs to its shard.
type Client struct {
	table   *table
	machine *machine[Client]
	key     key
	request *message.Message
	hop     transport.Hop
	user    User // nil: nobody wants to know
	state   state
	clock   clock
	wire    []byte
	err     error // of the transport

	cancel cancelling
	change func(*message.Message) // of the CANCEL
}

// cancelling is how far a CANCEL is.
type cancelling uint8

const (
	unwanted cancelling = iota
	wanted              // it waits for the first response (RFC 3261 section 9.1)
	sent
)

// Send sends a request under a Via of ours with a fresh branch, and keeps the message. s is the shard of its Call-ID. u
// is told of what becomes of it, never before Send returns; nil: nobody is.
func (l *Layer) Send(s *shard.Shard, m *message.Message, h transport.Hop, u User) *Client {
	return l.SendMarked(s, m, h, u)
}

// SendMarked is Send with parameters of the sender's own in the Via, by which it knows a request that comes back to it.
func (l *Layer) SendMarked(s *shard.Shard, m *message.Message, h transport.Hop, u User, marks ...message.Param) *Client {
	t := l.tables[s.Index()]
	c := &Client{table: t, request: m, hop: h, user: u}
	err := t.admit(m)
	if err == nil {
		err = l.pushVia(m, h, marks...)
	}
	if err != nil {
		c.state = ended
		s.After(0, func() { c.failed(err) })
		return c
	}
	c.begin(m.Via().Branch())
	return c
}

// admit says whether a request may be sent.
func (t *table) admit(m *message.Message) error {
	switch {
	case t.layer.group.Of(m.CallID()) != t.shard:
		return ErrShard
	case t.full():
		t.count.refused.Add(1)
		return ErrBusy
	}
	return nil
}

// begin sends the request for the first time.
func (c *Client) begin(branch string) {
	t, timers := c.table, c.table.layer.timers
	c.key = t.keys.client(branch, c.request.Method())
	t.clients[c.key] = c
	t.count.clients.Store(int64(len(t.clients)))
	again, top := timers.T1, timers.T2
	c.machine = &t.layer.machines.client
	if c.request.Method() == message.Invite {
		c.machine, top = &t.layer.machines.inviteClient, timers.long()
	}
	if reliable(c.hop) {
		again = 0
	}
	c.wire = t.wire(c.request)
	c.clock.begin(t.shard, again, top, timers.long(), c.tick)
	t.send(c.hop, c.wire, c.fail)
}

// Request returns the request as it was sent.
func (c *Client) Request() *message.Message { return c.request }

// Hop returns where the request was sent.
func (c *Client) Hop() transport.Hop { return c.hop }

// Shard returns the shard that the transaction belongs to.
func (c *Client) Shard() *shard.Shard { return c.table.shard }

// Cancel asks the other side to give the INVITE up, as soon as it has said anything (RFC 3261 section 9.1). The INVITE is still
// answered, by 487 as a rule, or fails within 32 s. change, which may be nil, changes the CANCEL: its Reason for one.
func (c *Client) Cancel(change func(*message.Message)) {
	if c.cancel != unwanted || c.state == ended || c.request.Method() != message.Invite {
		return
	}
	c.cancel, c.change = wanted, change
	if c.state == proceeding {
		c.sendCancel()
	}
}

// Stop ends the transaction without another word: nothing is sent any more, the user is told nothing, and a
// response is a stray.
func (c *Client) Stop() {
	c.user = nil
	if c.state != ended {
		c.state = ended
		c.end()
	}
	if r, there := c.table.records[c.key]; there && r.client == c {
		c.table.forget(c.key)
	}
}

func (c *Client) tell(m *message.Message) {
	if c.user != nil {
		c.user.Response(c, m)
	}
}

func (c *Client) failed(err error) {
	if c.user != nil {
		c.user.Failed(c, err)
	}
}

func (c *Client) on(e event, m *message.Message) {
	if c.state == ended {
		return
	}
	step := c.machine[c.state][e]
	if step.do == nil {
		return
	}
	c.state = step.to
	step.do(c, m)
}

func (c *Client) tick() {
	c.on(c.clock.tick(c.table.shard.Now()), nil)
	c.clock.again(c.table.shard.Now())
}

// fail is told by the transport that something was not sent.
func (c *Client) fail(err error) {
	c.table.shard.Post(func() {
		c.err = err
		c.on(broken, nil)
	})
}

// end takes the transaction out of the table.
func (c *Client) end() {
	t := c.table
	c.clock.stop()
	c.wire = nil
	delete(t.clients, c.key)
	t.count.clients.Store(int64(len(t.clients)))
}
