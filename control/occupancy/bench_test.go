package occupancy

import (
	"fmt"
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/config"
)

// large is a node with as many subzones, links and pipes as there may be.
func large(b *testing.B) *config.Node {
	b.Helper()
	var text strings.Builder
	text.WriteString("system: {name: a}\ninterfaces: {external: {name: s1}}\nsubzones:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: s%d}\n", i)
	}
	text.WriteString("pipes:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: p%d, total: {mode: limited, kbps: 100000}, per_call: {mode: limited, kbps: 2000}}\n", i)
	}
	text.WriteString("links:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: d%d, node1: s%d, node2: DefaultSubZone, pipe1: p%d}\n", i, i, i)
		fmt.Fprintf(&text, "  - {name: t%d, node1: s%d, node2: TraversalSubZone, pipe1: p%d}\n", i, i, i)
		fmt.Fprintf(&text, "  - {name: n%d, node1: s%d, node2: s%d, pipe1: p%d}\n", i, i, (i+1)%1000, i)
	}
	n, err := config.Parse("large", []byte(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkReport is what a scrape costs at the largest size with 500 calls that are
// measured. What each of them sends is known already.
func BenchmarkReport(b *testing.B) {
	n := large(b)
	r, err := sitesOf(n)
	if err != nil {
		b.Fatal(err)
	}
	sent := sending{}
	for i := range 500 {
		serial := fmt.Sprint(i)
		admit(b, r, serial, fmt.Sprintf("s%d", i), fmt.Sprintf("s%d", i+400), 1000, true)
		sent[serial] = 900
	}
	b.Run("objects", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Objects(r, n, sent)
		}
	})
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Of(r, n, sent)
		}
	})
}
