package member

import (
	"context"
	"fmt"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
)

const (
	// tick is how often the cores hear that time has passed.
	tick = 25 * time.Millisecond
	// look is how often alarms and status are made anew, besides whenever something happens.
	look = 250 * time.Millisecond
)

// New returns a member. Its incarnation is durable when it returns.
func New(cfg Config) (*Member, error) {
	k, err := restore(cfg.Kept, cfg.Now())
	if err != nil {
		return nil, err
	}
	if err := cfg.Keep(k.bytes()); err != nil {
		return nil, fmt.Errorf("keep the number of this start: %w", err)
	}
	m := &Member{
		cfg: cfg, inbox: newInbox(), disk: newInbox(), ended: make(chan struct{}), changed: make(chan struct{}),
		incarnation: k.Incarnation, decidedAt: k.Decision, handlers: map[string]Handler{},
		kept: k, contacts: map[cluster.ID]*contact{}, faults: map[string]error{}, twice: map[string]bool{}, raised: cfg.Standing,
		liveness: liveness.New(cfg.Self, k.Incarnation),
		rows:     rows.New(rows.Config{Self: cfg.Self, Incarnation: k.Incarnation, Rows: cfg.Rows, Newer: cfg.Newer}),
		revisions: revisions.New(revisions.Config{
			Self: cfg.Self, Incarnation: k.Incarnation, Software: cfg.Software,
			Stored: cfg.Documents.Stored(), Initial: cfg.Documents.Initial(),
		}),
	}
	m.began = cfg.Boot()
	m.say()
	m.know()
	m.status.Store(&Status{Self: cfg.Self, Incarnation: k.Incarnation, Tag: m.revisions.Has()})
	return m, nil
}

// Run is this node in its cluster until ctx ends.
func (m *Member) Run(ctx context.Context) error {
	defer close(m.ended)
	ctx, cancel := context.WithCancel(ctx)
	m.ctx = ctx
	defer m.beside.Wait()
	defer cancel()
	m.beside.Go(func() { m.runDisk(ctx) })
	m.beside.Go(func() { m.watch(ctx) })
	m.beside.Go(func() { m.lead(ctx) })
	m.recovered()
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
			m.tick()
		case <-m.inbox.wake:
		}
		for _, e := range m.inbox.take() {
			m.handle(e)
		}
		m.ruled()
		m.tell()
		if m.dirty {
			m.say()
		}
		m.publish()
	}
}

// recovered tells the rows that were there before anything happened.
func (m *Member) recovered() {
	for k, r := range m.cfg.Rows {
		m.news = append(m.news, rows.Changed{Key: k, Found: true, Owner: m.cfg.Self, Row: r})
	}
	m.tell()
}

func (m *Member) tick() {
	m.beat(liveness.Tick{})
	m.row(rows.Tick{})
	m.revise(revisions.Tick{})
	if now := m.cfg.Boot(); now >= m.belongs {
		m.belongs = now + belong
		m.stand()
	}
	m.keepDue(m.cfg.Boot())
	m.count(m.cfg.Boot())
}

// handle takes what was posted.
func (m *Member) handle(e any) {
	switch e := e.(type) {
	case configured:
		m.configure(e)
	case contacted:
		m.meet(e.contact)
	case closed:
		m.part(e)
	case failed:
		m.fail(e)
	case liveness.Certificate:
		m.beat(e)
	case received:
		m.receive(e)
	case asked:
		m.ask(e)
	case membership.Answered:
		m.answered(e)
	case stepped:
		m.stepped(e)
	case membership.WriteFailed:
		m.belong(e)
	case pooled:
		m.pooled(e)
	case wanted:
		m.count(m.cfg.Boot())
	case agreement.Applied:
		m.agreed(e)
	case agreement.Leading:
		m.leads(e)
	case stood:
		m.stand()
	case Local:
		m.local = e
		m.settled()
	case rows.Event:
		m.row(e)
	case keptIs:
		m.wasKept(e)
	case looked:
		e.done <- e.look(m)
	case decided:
		m.decide(e)
	case proposed:
		m.propose(e)
	case forced:
		e.done <- refusal(m.revise(revisions.Force{}))
	case left:
		m.beat(liveness.Leave{})
		m.leave()
		e.done <- nil
	case revisions.Event: // the disk is done
		m.revise(e)
	}
	switch e.(type) {
	case received, wanted, agreement.Applied, agreement.Leading:
	case rows.Event, failed, liveness.Certificate: // hundreds within a second, perhaps: the next look sees them
	default:
		m.dirty = true
	}
}

// receive tells a core what a peer says.
func (m *Member) receive(r received) {
	c := m.contacts[r.from]
	if c == nil {
		return // not of the list, or not any more
	}
	c.heard = m.cfg.Boot()
	switch msg := r.message.(type) {
	case liveness.Beat:
		m.beat(liveness.Heard{Address: c.entry, From: r.from, Name: c.name, Resolved: c.addr.String(), Beat: msg})
	case rows.Head, rows.Tail, rows.Part:
		m.row(rows.Received{From: r.from, Message: msg})
	case revisions.Beat:
		c.beat, c.beatAt = msg, m.cfg.Now()
		m.revise(revisions.Received{From: r.from, Message: msg})
	case ledger.Beat, ledger.Lead, ledger.Recall:
		m.ledger(ledger.Received{From: r.from, Message: msg})
	case revisions.Push:
		if writes(m.revise(revisions.Received{From: r.from, Message: msg})) {
			m.pushed(c, msg)
		}
	}
}

// tell hands the changes of rows to those who watch them.
func (m *Member) tell() {
	if len(m.news) == 0 {
		return
	}
	all := m.news
	m.news = nil
	for _, w := range m.watchers {
		if mine := w.of(all); len(mine) > 0 {
			w.take(mine)
		}
	}
}
