package transaction

import (
	"bytes"
	"maps"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// table is the transactions of one shard.
type table struct {
	layer   *Layer
	shard   *shard.Shard
	keys    keys
	servers map[key]*Server
	clients map[key]*Client
	acks    map[key]*Server // 2xx that wait for their ACK
	merged  map[key]key     // requests outside dialogs, to the transaction that has them
	records map[key]record  // transactions that are over
	most    int             // records there were since its map was made
	short   queue           // when to forget them
	long    queue
	scratch []byte
	count   counters
}

// counters may be read on any goroutine.
type counters struct {
	servers, clients, records              atomic.Int64
	received, sent                         atomic.Uint64
	repeated, resent                       atomic.Uint64
	refused, merged, timeouts, broken, ack atomic.Uint64
}

// record is what is left of a transaction that is over.
type record struct {
	// answer is sent again when the request, or a client's response, comes again. nil: nothing is.
	answer []byte
	hop    *transport.Hop // of a client's answer, the ACK
	client *Client        // whose user gets each 2xx (RFC 6026 section 7.2)
	merged key
	ok     bool // an INVITE that got a 2xx: its ACK is its user's
}

func newTable(l *Layer, s *shard.Shard) *table {
	t := &table{
		layer: l, shard: s, keys: newKeys(),
		servers: map[key]*Server{}, clients: map[key]*Client{}, acks: map[key]*Server{}, merged: map[key]key{}, records: map[key]record{},
	}
	t.short.delay, t.long.delay = l.timers.T4, l.timers.long()
	return t
}

// full reports whether there is room for another transaction.
func (t *table) full() bool {
	return len(t.servers)+len(t.clients) >= max(1, t.layer.running/len(t.layer.tables))
}

// wire serialises a message, in no more memory than it takes.
func (t *table) wire(m *message.Message) []byte {
	t.scratch = m.Append(t.scratch[:0])
	return bytes.Clone(t.scratch)
}

func (t *table) send(h transport.Hop, data []byte, failed func(error)) {
	t.count.sent.Add(1)
	t.layer.sender.Send(h, data, failed)
}

// request takes a request to its transaction, or makes one (RFC 3261 sections 17.2.3 and 8.2.2.2).
func (t *table) request(src loop.Source, m *message.Message) {
	t.count.received.Add(1)
	if m.Method() == message.Ack {
		t.ack(src, m)
		return
	}
	k := t.keys.server(m, m.Method())
	if s := t.servers[k]; s != nil {
		t.count.repeated.Add(1)
		s.on(repeated, nil)
		return
	}
	if r, over := t.records[k]; over {
		t.count.repeated.Add(1)
		if r.answer != nil {
			t.send(transport.AnswerHop(src, m.Via()), r.answer, nil)
		}
		return
	}
	if m.Method() == message.Cancel {
		t.cancel(src, m)
		return
	}
	if t.full() {
		t.count.refused.Add(1)
		t.layer.Refuse(src, m, 503, func(m *message.Message) { m.Set("Retry-After", RetryAfter) })
		return
	}
	mark := t.mark(m)
	if first, there := t.merged[mark]; there && first != k {
		t.count.merged.Add(1)
		t.serve(src, m, k).Reply(482, "") // a transaction of its own, so that its ACK is known
		return
	}
	s := t.serve(src, m, k)
	if mark != (key{}) {
		s.mark = mark
		t.merged[mark] = k
	}
	t.hand(s)
}

// mark is the key by which a request that comes by two ways is known; zero where it does not matter: inside dialogs, and
// for what is only passed on.
func (t *table) mark(m *message.Message) key {
	if m.To().Tag() != "" || m.Method() != message.Invite && m.Method() != message.Register {
		return key{}
	}
	return t.keys.merged(m)
}

// hand gives a new request to the core. One that it panics at is answered all the same.
func (t *table) hand(s *Server) {
	defer func() {
		if reason := recover(); reason != nil {
			s.Reply(500, "")
			panic(reason)
		}
	}()
	t.layer.core.Request(s)
}

// ack ends the repeating of a final response (RFC 3261 sections 17.2.1 and 13.3.1.4).
func (t *table) ack(src loop.Source, m *message.Message) {
	k := t.keys.server(m, message.Invite)
	if s := t.servers[k]; s != nil && s.state != accepted {
		s.on(acked, nil)
		return
	}
	if r, over := t.records[k]; over && !r.ok {
		return
	}
	if s := t.acks[t.keys.ack(m)]; s != nil {
		s.on(acked, nil)
	}
	t.count.ack.Add(1)
	t.layer.core.Ack(src, m)
}

// cancel answers a CANCEL and tells the user of the INVITE (RFC 3261 section 9.2).
func (t *table) cancel(src loop.Source, m *message.Message) {
	k := t.keys.server(m, message.Invite)
	s := t.servers[k]
	_, over := t.records[k]
	own := t.serve(src, m, t.keys.server(m, message.Cancel))
	if s == nil && !over {
		own.Reply(481, "")
		return
	}
	if s != nil {
		own.tag = s.ownTag()
	}
	own.Reply(200, "")
	if s != nil {
		s.cancel(m)
	}
}

// response takes a response to the transaction that waits for it.
func (t *table) response(src loop.Source, m *message.Message) {
	t.count.received.Add(1)
	k := t.keys.client(m.Via().Branch(), m.Method())
	if c := t.clients[k]; c != nil {
		c.on(eventOf(m), m)
		return
	}
	r, over := t.records[k]
	switch {
	case !over:
		t.layer.core.Stray(src, m)
	case r.client != nil && eventOf(m) == success:
		r.client.tell(m)
	case r.client == nil && eventOf(m) == failure && r.answer != nil:
		t.send(*r.hop, r.answer, nil) // RFC 3261 section 17.1.1.2: the ACK was lost
	}
}

// eventOf is what a response means to a transaction.
func eventOf(m *message.Message) event {
	switch {
	case m.Status() < 200:
		return provisional
	case m.Status() < 300:
		return success
	default:
		return failure
	}
}

// remember keeps a record of a transaction that is over, for as long as the queue does.
func (t *table) remember(k key, r record, q *queue) {
	if len(t.records) >= max(1, t.layer.ended/len(t.layer.tables)) {
		t.forgetOldest()
	}
	t.records[k] = r
	t.most = max(t.most, len(t.records))
	t.count.records.Store(int64(len(t.records)))
	q.add(k, t.shard.Now())
	if !q.armed {
		q.armed = true
		t.shard.After(q.delay, func() { t.expire(q) })
	}
}

// expire forgets what is old enough, and looks again when the next one is.
func (t *table) expire(q *queue) {
	now := t.shard.Now()
	defer t.shrink()
	for {
		k, when, any := q.first()
		if !any {
			q.armed = false
			return
		}
		if wait := when.Sub(now); wait > 0 {
			t.shard.After(max(wait, sweep), func() { t.expire(q) })
			return
		}
		q.drop()
		t.forget(k)
	}
}

// smallMap is what a map of records may take for good.
const smallMap = 4096

// shrink makes the maps of records anew when few are left of many, because a map keeps the room that it once needed: a
// burst is no reason to keep its memory.
func (t *table) shrink() {
	if t.most <= smallMap || len(t.records) > t.most/8 {
		return
	}
	records, merged := make(map[key]record, len(t.records)), make(map[key]key, len(t.merged))
	maps.Copy(records, t.records)
	maps.Copy(merged, t.merged)
	t.records, t.merged, t.most = records, merged, len(records)
}

// sweep is how often records are looked through at most: one timer for many.
const sweep = 100 * time.Millisecond

func (t *table) forgetOldest() {
	for _, q := range []*queue{&t.long, &t.short} {
		if k, _, any := q.first(); any {
			q.drop()
			t.forget(k)
			return
		}
	}
}

func (t *table) forget(k key) {
	r, there := t.records[k]
	if !there {
		return
	}
	delete(t.records, k)
	t.unmark(r.merged, k)
	t.count.records.Store(int64(len(t.records)))
}

func (t *table) unmark(mark, k key) {
	if mark != (key{}) && t.merged[mark] == k {
		delete(t.merged, mark)
	}
}
