package rows_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/rows"
)

// BenchmarkCopy is a whole table of 20,000 registrations of 300 bytes that a peer takes, by a snapshot; and one more
// change, from the owner's write to the row that counts at the reader. It leaves out the wire.
func BenchmarkCopy(b *testing.B) {
	table := map[rows.Key]rows.Row{}
	for i := range 20_000 {
		table[rows.Key(fmt.Sprintf("sip:user%05d@example.test|urn:uuid:%05d|1", i, i))] = rows.Row{Value: strings.Repeat("x", 250), TTL: time.Hour}
	}
	deliver := func(now time.Duration, owner, reader *rows.Core) {
		queue := []rows.Send{}
		add := func(actions []rows.Action) {
			for _, a := range actions {
				if s, ok := a.(rows.Send); ok {
					queue = append(queue, s)
				}
			}
		}
		add(reader.Step(now, rows.Tick{}))
		add(owner.Step(now, rows.Tick{}))
		for ; len(queue) > 0; queue = queue[1:] {
			at, from := owner, cluster.ID("b")
			if queue[0].To == "b" {
				at, from = reader, "a"
			}
			add(at.Step(now, rows.Received{From: from, Message: queue[0].Message}))
		}
	}
	start := func() (*rows.Core, *rows.Core) {
		owner := rows.New(rows.Config{Self: "a", Incarnation: 1, Rows: table})
		reader := rows.New(rows.Config{Self: "b", Incarnation: 1})
		owner.Step(0, rows.Members{Peers: []cluster.ID{"b"}})
		reader.Step(0, rows.Members{Peers: []cluster.ID{"a"}})
		reader.Step(0, rows.Alive{Peer: "a"})
		for now := time.Second; !reader.Copies()[0].Current || reader.Copies()[0].Rows < len(table); now += 50 * time.Millisecond {
			deliver(now, owner, reader)
		}
		return owner, reader
	}
	b.Run("20000-rows", func(b *testing.B) {
		for b.Loop() {
			start()
		}
	})
	b.Run("one-change", func(b *testing.B) {
		owner, reader := start()
		now := time.Minute
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			now += time.Millisecond // heads go every 500 of them
			owner.Step(now, rows.Put{Key: "one", Row: rows.Row{Value: fmt.Sprint(i)}})
			deliver(now, owner, reader)
		}
	})
}
