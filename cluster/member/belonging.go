package member

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
)

const (
	// requestJoin is the name of the request with which a node asks for its way into the cluster.
	requestJoin = "join"
	// joinTime bounds how long an answer is waited for.
	joinTime = 5 * time.Second
	// maxJoin bounds what is read of a request to join, and of its answer.
	maxJoin = 64 << 10
	// belong is how often membership hears that time has passed, and how the agreement stands.
	belong = 200 * time.Millisecond
)

// Agreement is where peers agree on who belongs to the cluster (cluster/agreement).
type Agreement interface {
	Stored() membership.Stored
	State() agreement.State
	Changed() <-chan struct{}
	// Write makes a step of membership. It may block.
	Write(membership.Write) error
	Accept(net.Conn)
	// Met says that there is a connection with a peer again.
	Met(peer cluster.ID)
	Add(id cluster.ID, address string) error
	Remove(id cluster.ID) error
	Drop(id cluster.ID) error
	Readmit(id cluster.ID) error
	Transfer(to cluster.ID) error
	Propose(ledger.Entry) error
	Table() (*ledger.Table, uint64)
	Leads() <-chan agreement.Leading
}

var _ Agreement = (*agreement.Agreement)(nil)

type (
	// asked is an event: a peer wants to join.
	asked struct {
		membership.Asked
		reply chan membership.Answer
	}
	// stood is an event: the agreement may stand differently.
	stood struct{}
)

// Agree gives the member what its peers agree by. It comes before Run.
func (m *Member) Agree(a Agreement) {
	m.agreement = a
	m.membership = membership.New(membership.Config{Self: m.cfg.Self, Stored: a.Stored()})
	m.say()
}

// watch tells when the agreement changes.
func (m *Member) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.agreement.Changed():
			m.inbox.post(stood{})
		}
	}
}

// settled tells membership what is configured here, and how the node stands to the configuration.
func (m *Member) settled() {
	m.belong(membership.Configured{Settings: m.own, Own: m.index, Decision: m.decidedAt, Reset: m.local.Reset})
}

// ruled tells membership whether this node acts, where that is something else than before.
func (m *Member) ruled() {
	r := membership.Rules{Acting: m.revisions.Acting(), Reign: m.revisions.Has().Reign}
	if r != m.rules {
		m.rules, m.dirty = r, true
		m.belong(r)
	}
}

// stand tells membership how the agreement stands, and that time has passed.
func (m *Member) stand() {
	state := m.agreement.State()
	if !sameAgreed(state.Agreed, m.state.Agreed) {
		m.belong(state.Agreed)
		m.dirty = true
	}
	m.state = state
	m.belong(membership.Tick{Fresh: m.cfg.NewID()})
}

func sameAgreed(a, b membership.Agreed) bool {
	return a.Cluster == b.Cluster && a.Leader == b.Leader && slices.Equal(a.Voters, b.Voters) && slices.Equal(a.Removed, b.Removed)
}

// belong runs the core of membership.
func (m *Member) belong(e membership.Event) {
	for _, a := range m.membership.Step(m.cfg.Boot(), e) {
		var err error
		switch a := a.(type) {
		case membership.Request:
			m.request(a)
		case membership.Reply:
			m.reply(a)
		case membership.Write:
			m.dirty = true
			m.disk.post(a)
		case membership.Add:
			err = m.agreement.Add(a.ID, a.Address)
		case membership.Remove:
			err = m.agreement.Remove(a.Peer)
		case membership.Drop:
			err = m.agreement.Drop(a.Peer)
		case membership.Readmit:
			err = m.agreement.Readmit(a.Peer)
		case membership.Transfer:
			err = m.agreement.Transfer(a.To)
		case membership.Members:
			m.members(a.Peers)
		}
		if err != nil {
			m.cfg.Log.Warn("Cluster Membership Not Changed", "Detail", err, "Action", fmt.Sprintf("%T", a))
		}
	}
}

// request asks a peer for the way in, beside the member's goroutine.
func (m *Member) request(r membership.Request) {
	m.cfg.Log.Event("Cluster Join Request", "Detail", "this node asks to join", "Peer", m.nameOf(r.To))
	m.beside.Go(func() {
		ctx, cancel := context.WithTimeout(m.ctx, joinTime)
		defer cancel()
		out := membership.Answered{From: r.To}
		body, err := json.Marshal(r.Ask)
		if err == nil {
			body, err = m.mesh.Request(ctx, r.To, requestJoin, body)
		}
		if err == nil && len(body) > maxJoin {
			err = errTooLong
		}
		if err == nil {
			err = json.Unmarshal(body, &out.Answer)
		}
		out.Err = err
		m.inbox.post(out)
	})
}

var errTooLong = errors.New("the message is longer than what peers say")

// admit answers a peer that wants to join. It waits for the member's goroutine.
func (m *Member) admit(ctx context.Context, from cluster.ID, body []byte) ([]byte, error) {
	if len(body) > maxJoin {
		return nil, errTooLong
	}
	e := asked{membership.Asked{From: from}, make(chan membership.Answer, 1)}
	if err := json.Unmarshal(body, &e.Ask); err != nil {
		return nil, fmt.Errorf("read a request to join: %w", err)
	}
	m.inbox.post(e)
	select {
	case a := <-e.reply:
		return json.Marshal(a)
	case <-m.ended:
		return nil, ErrStopped
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ask tells membership who wants to join; the answer comes with the same step.
func (m *Member) ask(e asked) {
	m.asking = e.reply
	m.belong(e.Asked)
	m.asking = nil
}

func (m *Member) reply(r membership.Reply) {
	result := "admitted"
	if r.Answer.Cluster == "" {
		result = r.Answer.Refused
	}
	m.cfg.Log.Event("Cluster Join Request", "Detail", result, "Peer", m.nameOf(r.To))
	if m.asking != nil {
		m.asking <- r.Answer
		m.asking = nil
	}
}

// answered takes what came of an own request to join.
func (m *Member) answered(e membership.Answered) {
	result := "admitted"
	switch {
	case e.Err != nil:
		result = e.Err.Error()
	case e.Answer.Cluster == "":
		result = e.Answer.Refused
	}
	m.cfg.Log.Event("Cluster Join Result", "Detail", result, "Peer", m.nameOf(e.From))
	m.belong(e)
}

// step makes a step of membership, on the disk's goroutine.
func (m *Member) step(w membership.Write) {
	if err := m.agreement.Write(w); err != nil {
		m.inbox.post(membership.WriteFailed{Err: err})
		return
	}
	m.inbox.post(stepped{w})
}

// stepped is an event: a step of membership is made.
type stepped struct{ membership.Write }

var howWords = map[membership.How]string{
	membership.Found: "founded", membership.Join: "joined", membership.Recover: "recovered with this node alone", membership.Settle: "settled",
}

func (m *Member) stepped(e stepped) {
	if e.How != membership.Settle {
		m.cfg.Log.Event("Cluster Membership Changed", "Detail", howWords[e.How], "Cluster", e.Stored.Cluster)
	}
	m.belong(membership.Wrote{Stored: e.Stored})
	m.state = agreement.State{} // what was said of the history before does not count
	m.dirty = true
	m.stand()
}

// members tells the cores who has properly joined (CL-02): nobody else is sent anything.
func (m *Member) members(ids []cluster.ID) {
	m.with = ids
	m.dirty = true
	m.remember()
	m.row(rows.Members{Peers: ids})
	m.revise(revisions.Members{Peers: ids})
	m.ledger(ledger.Members{Peers: append(slices.Clone(ids), m.cfg.Self)})
	for _, id := range ids {
		if c := m.contacts[id]; c != nil {
			m.pool(c.brought())
		}
	}
	for _, id := range ids {
		m.reach(id, m.liveness.State(id))
	}
}

// joined says whether a peer is of this node's cluster.
func (m *Member) joined(id cluster.ID) bool { return slices.Contains(m.with, id) }
