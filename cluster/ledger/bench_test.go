package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/wire"
)

// many is a cluster of six with perfect lines of 40 ms one way, and an agreement that takes 120 ms.
type many struct {
	*testing.B
	now      time.Duration
	ids      []cluster.ID
	cores    map[cluster.ID]*ledger.Core
	ceiling  map[cluster.ID]map[ledger.Resource]uint32
	later    []event // in the order of their times: all messages take equally long, and all agreements
	agreed   []event
	bytes    int
	messages int
}

type event struct {
	at time.Duration
	to cluster.ID // empty: all
	e  ledger.Event
}

func newMany(b *testing.B, resources int) *many {
	m := &many{B: b, ids: []cluster.ID{"a", "b", "c", "d", "e", "f"}, cores: map[cluster.ID]*ledger.Core{}, ceiling: map[cluster.ID]map[ledger.Resource]uint32{}}
	totals := map[ledger.Resource]ledger.Total{}
	for i := range resources {
		totals[ledger.Resource(fmt.Sprintf("pipe to the branch %d", i))] = ledger.Total{Amount: 6000, Policy: ledger.Available, Hold: 2 * time.Minute}
	}
	for _, id := range m.ids {
		m.cores[id] = ledger.New(ledger.Config{Self: id, Incarnation: 1}, ledger.NewTable())
		m.ceiling[id] = map[ledger.Resource]uint32{}
		m.step(id, ledger.Members{Peers: m.ids})
		m.step(id, ledger.Here{Peers: m.ids})
		m.step(id, ledger.Totals{Of: totals})
	}
	return m
}

func (m *many) step(at cluster.ID, e ledger.Event) {
	for _, a := range m.cores[at].Step(m.now, e) {
		switch a := a.(type) {
		case ledger.Send:
			m.send(at, a)
		case ledger.Propose:
			m.agreed = append(m.agreed, event{at: m.now + 120*time.Millisecond, e: ledger.Applied(a)})
		case ledger.Raise:
			m.ceiling[at][a.Resource] = a.To
		case ledger.Lower:
			m.step(at, ledger.Lowered{Resource: a.Resource})
		}
	}
}

func (m *many) send(from cluster.ID, a ledger.Send) {
	e := event{m.now, a.To, ledger.Received{From: from, Message: a.Message}}
	if from != a.To {
		frame, err := wire.Append(nil, a.Message)
		if err != nil {
			m.Fatal(err)
		}
		m.bytes += len(frame)
		m.messages++
		e.at += 40 * time.Millisecond
		m.later = append(m.later, e)
		return
	}
	m.step(a.To, e.e)
}

// tick lets 25 ms pass, as cluster/member does.
func (m *many) tick() {
	m.now += 25 * time.Millisecond
	for len(m.agreed) > 0 && m.agreed[0].at <= m.now {
		e := m.agreed[0]
		m.agreed = m.agreed[1:]
		for _, id := range m.ids {
			m.step(id, e.e)
		}
	}
	for len(m.later) > 0 && m.later[0].at <= m.now {
		e := m.later[0]
		m.later = m.later[1:]
		m.step(e.to, e.e)
	}
	if m.now%(300*time.Millisecond) == 0 {
		m.step("a", ledger.Leads{Term: 1, At: m.now})
	}
	for _, id := range m.ids {
		m.step(id, ledger.Tick{})
	}
}

// all says whether everybody has of everything what it wants.
func (m *many) all(resources int) bool {
	for _, of := range m.ceiling {
		if len(of) < resources {
			return false
		}
	}
	return true
}

// BW-05: six peers that all want some of each of 2002 limited objects at once: how long until they have, and what is said when
// nobody wants anything more, all six together. It excludes the network, raft and its disk.
func BenchmarkManyResources(b *testing.B) {
	const resources = 2002
	for b.Loop() {
		m := newMany(b, resources)
		for m.now < 3*time.Second {
			m.tick()
		}
		began, said := m.now, m.bytes
		for _, id := range m.ids {
			for r := range m.cores[id].Table().Totals {
				m.step(id, ledger.Short{Resource: r, N: 100})
			}
		}
		for !m.all(resources) && m.now < time.Minute {
			m.tick()
		}
		b.ReportMetric((m.now - began).Seconds(), "s-until-all-have")
		b.ReportMetric(float64(m.bytes-said), "bytes-until-all-have")
		for range 80 {
			m.tick()
		}
		said, messages := m.bytes, m.messages
		for range 400 {
			m.tick()
		}
		b.ReportMetric(float64(m.bytes-said)/10, "bytes/s-idle")
		b.ReportMetric(float64(m.messages-messages)/10, "messages/s-idle")
	}
}
