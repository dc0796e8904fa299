package pooling

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/resources"
)

// BenchmarkShares is what a look at all that is shared costs: 2000 pipes of which each of six peers has some, as a scrape, a
// status and a look for full lines make it.
func BenchmarkShares(b *testing.B) {
	var text strings.Builder
	text.WriteString("system: {name: tp1}\nsubzones:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: s%d, bandwidth: {total: {mode: limited, kbps: 60000}}}\n", i)
	}
	text.WriteString("pipes:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: p%d, total: {mode: limited, kbps: 60000}}\n", i)
	}
	r, err := resources.New(parsed(b, text.String()), halves(2), resources.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	of := map[cluster.ID]uint32{"a": 9000, "b": 9000, "c": 9000, "d": 9000, "e": 9000, "f": 9000}
	shown := member.Ledger{Begun: true, Resources: map[ledger.Resource]member.Holding{}}
	p := New(Deps{Self: "a", Resources: r, Member: picture{ledger: shown}, Boot: func() time.Duration { return time.Hour }})
	r.Lend(p.lease)
	for _, part := range r.Parts() {
		shown.Resources[ledger.Resource(part.Name)] = member.Holding{Total: part.Total, Granted: 54000, Ceiling: 9000, Of: of}
		for id := range of {
			if p.others[id] == nil {
				p.others[id] = map[string]uint32{}
			}
			p.others[id][part.Name] = 1000
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(p.Shares()) < 2000 {
			b.Fatal("it shows less than there is")
		}
	}
}
