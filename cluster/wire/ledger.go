package wire

import (
	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
)

type wantBody struct {
	Resource string `cbor:"1,keyasint"`
	Number   uint64 `cbor:"2,keyasint,omitempty"`
	Amount   uint32 `cbor:"3,keyasint,omitempty"`
	Held     bool   `cbor:"4,keyasint,omitempty"`
	Leased   bool   `cbor:"5,keyasint,omitempty"`
}

// historyBody names a provisional ledger; nothing is sent of the agreed one.
type historyBody struct {
	Leader      string `cbor:"1,keyasint,omitempty"`
	Incarnation uint64 `cbor:"2,keyasint,omitempty"`
	Number      uint64 `cbor:"3,keyasint,omitempty"`
}

type wantsBody struct {
	Incarnation uint64       `cbor:"1,keyasint,omitempty"`
	Seq         uint64       `cbor:"2,keyasint,omitempty"`
	Wants       []wantBody   `cbor:"3,keyasint,omitempty"`
	Under       *historyBody `cbor:"4,keyasint,omitempty"`
	Cluster     string       `cbor:"5,keyasint,omitempty"`
	Spent       []spentBody  `cbor:"6,keyasint,omitempty"`
	Term        uint64       `cbor:"7,keyasint,omitempty"`
}

// spentBody answers a recall.
type spentBody struct {
	Resource string `cbor:"1,keyasint"`
	Recall   uint64 `cbor:"2,keyasint,omitempty"`
	Ceiling  uint32 `cbor:"3,keyasint,omitempty"`
}

type grantBody struct {
	Incarnation uint64 `cbor:"1,keyasint,omitempty"`
	Number      uint64 `cbor:"2,keyasint,omitempty"`
	Amount      uint32 `cbor:"3,keyasint,omitempty"`
	Freed       bool   `cbor:"4,keyasint,omitempty"`
	Leased      bool   `cbor:"5,keyasint,omitempty"`
	More        bool   `cbor:"6,keyasint,omitempty"`
}

type leadBody struct {
	Term        uint64               `cbor:"1,keyasint,omitempty"`
	Incarnation uint64               `cbor:"2,keyasint,omitempty"`
	Echo        uint64               `cbor:"3,keyasint,omitempty"`
	Grants      map[string]grantBody `cbor:"4,keyasint,omitempty"`
	Recall      map[string]uint32    `cbor:"5,keyasint,omitempty"`
	Under       *historyBody         `cbor:"6,keyasint,omitempty"`
	Cluster     string               `cbor:"7,keyasint,omitempty"`
	Number      uint64               `cbor:"8,keyasint,omitempty"`
}

type recallBody struct {
	Term    uint64            `cbor:"1,keyasint,omitempty"`
	Of      map[string]uint32 `cbor:"2,keyasint,omitempty"`
	Under   *historyBody      `cbor:"3,keyasint,omitempty"`
	Cluster string            `cbor:"4,keyasint,omitempty"`
	Number  uint64            `cbor:"5,keyasint,omitempty"`
}

func wantsOf(m ledger.Beat) *wantsBody {
	b := &wantsBody{Incarnation: uint64(m.Incarnation), Seq: m.Seq, Under: historyOf(m.Under), Cluster: m.Cluster, Term: m.Term}
	for _, s := range m.Spent {
		b.Spent = append(b.Spent, spentBody{string(s.Resource), s.Recall, s.Ceiling})
	}
	for _, w := range m.Wants {
		b.Wants = append(b.Wants, wantBody{string(w.Resource), w.Number, w.Amount, w.Held, w.Leased})
	}
	return b
}

func leadOf(m ledger.Lead) *leadBody {
	b := &leadBody{Term: m.Term, Incarnation: uint64(m.Incarnation), Echo: m.Echo, Recall: amountsOf(m.Recall), Under: historyOf(m.Under), Cluster: m.Cluster, Number: m.Number}
	if m.Grants != nil {
		b.Grants = make(map[string]grantBody, len(m.Grants))
	}
	for r, g := range m.Grants {
		b.Grants[string(r)] = grantBody{uint64(g.Incarnation), g.Number, g.Amount, g.Freed, g.Leased, g.More}
	}
	return b
}

func historyOf(h ledger.History) *historyBody {
	if h == (ledger.History{}) {
		return nil
	}
	return &historyBody{string(h.Leader), uint64(h.Incarnation), h.Number}
}

func (b *historyBody) history(c *check) ledger.History {
	if b == nil {
		return ledger.History{}
	}
	return ledger.History{Leader: cluster.ID(c.text("a leader", b.Leader, maxText)), Incarnation: cluster.Incarnation(b.Incarnation), Number: b.Number}
}

func amountsOf(m map[ledger.Resource]uint32) map[string]uint32 {
	if m == nil {
		return nil
	}
	out := make(map[string]uint32, len(m))
	for r, n := range m {
		out[string(r)] = n
	}
	return out
}

func (b *wantsBody) message() (any, error) {
	var c check
	c.count("wants", len(b.Wants), ledger.MaxWants)
	c.count("answers", len(b.Spent), ledger.MaxWants)
	m := ledger.Beat{Incarnation: cluster.Incarnation(b.Incarnation), Seq: b.Seq, Under: b.Under.history(&c), Cluster: c.text("a cluster", b.Cluster, maxText), Term: b.Term}
	for _, s := range b.Spent {
		m.Spent = append(m.Spent, ledger.Spent{Resource: resource(&c, s.Resource), Recall: s.Recall, Ceiling: s.Ceiling})
	}
	for _, w := range b.Wants {
		m.Wants = append(m.Wants, ledger.Want{Resource: resource(&c, w.Resource), Number: w.Number, Amount: w.Amount, Held: w.Held, Leased: w.Leased})
	}
	return m, c.err
}

func (b *leadBody) message() (any, error) {
	var c check
	m := ledger.Lead{Term: b.Term, Incarnation: cluster.Incarnation(b.Incarnation), Echo: b.Echo, Recall: amounts(&c, b.Recall), Under: b.Under.history(&c), Cluster: c.text("a cluster", b.Cluster, maxText), Number: b.Number}
	c.count("grants", len(b.Grants), ledger.MaxWants)
	if b.Grants != nil {
		m.Grants = make(map[ledger.Resource]ledger.Grant, len(b.Grants))
	}
	for r, g := range b.Grants {
		m.Grants[resource(&c, r)] = ledger.Grant{Incarnation: cluster.Incarnation(g.Incarnation), Number: g.Number, Amount: g.Amount, Freed: g.Freed, Leased: g.Leased, More: g.More}
	}
	return m, c.err
}

func (b *recallBody) message() (any, error) {
	var c check
	m := ledger.Recall{Term: b.Term, Of: amounts(&c, b.Of), Number: b.Number, Under: b.Under.history(&c), Cluster: c.text("a cluster", b.Cluster, maxText)}
	return m, c.err
}

func amounts(c *check, all map[string]uint32) map[ledger.Resource]uint32 {
	if all == nil {
		return nil
	}
	c.count("amounts", len(all), ledger.MaxWants)
	out := make(map[ledger.Resource]uint32, len(all))
	for r, n := range all {
		out[resource(c, r)] = n
	}
	return out
}

func resource(c *check, s string) ledger.Resource {
	return ledger.Resource(c.text("a resource", s, maxText))
}
