package rows_test

import (
	"fmt"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/rows"
)

// A peer that is lost is sent nothing, however much changes, until it is heard of again.
func TestLostPeerIsNotFed(t *testing.T) {
	o := rows.New(rows.Config{Self: "a", Incarnation: 1, Log: 8})
	o.Step(0, rows.Members{Peers: []cluster.ID{"b"}})
	o.Step(0, rows.Alive{Peer: "b"})
	o.Step(0, rows.Received{From: "b", Message: rows.Head{N: 1, Incarnation: 1, Has: rows.Has{Of: 1}}})
	o.Step(0, rows.Lost{Peer: "b"})
	now := time.Duration(0)
	for i := range 2000 {
		now += 50 * time.Millisecond
		o.Step(now, rows.Put{Key: rows.Key(fmt.Sprint(i)), Row: rows.Row{Value: "x"}})
		for _, a := range o.Step(now, rows.Tick{}) {
			if s, is := a.(rows.Send); is {
				switch s.Message.(type) {
				case rows.Part, rows.Tail:
					t.Fatalf("sent %T after %s", s.Message, now)
				}
			}
		}
	}
}
