package bandwidth_test

import (
	"fmt"
	"testing"

	"turnpike.dev/turnpike/control/bandwidth"
)

// large is a chain of subzones with a short cut for each tenth: everything a node may have.
func large() bandwidth.Config {
	c := bandwidth.Config{Traversal: bandwidth.Traversal{Name: "T"}}
	for i := range bandwidth.MaxSubzones {
		c.Subzones = append(c.Subzones, bandwidth.Subzone{Name: fmt.Sprint("S", i), Total: bandwidth.Of(500_000)})
		c.Pipes = append(c.Pipes, bandwidth.Pipe{Name: fmt.Sprint("P", i), Total: bandwidth.Of(10_000), PerCall: bandwidth.Of(1920)})
		c.Links = append(c.Links, bandwidth.Link{Name: fmt.Sprint("t", i), A: fmt.Sprint("S", i), B: "T", Pipe1: fmt.Sprint("P", i)})
		if i > 0 {
			c.Links = append(c.Links, bandwidth.Link{Name: fmt.Sprint("c", i), A: fmt.Sprint("S", i-1), B: fmt.Sprint("S", i), Pipe1: fmt.Sprint("P", i)})
		}
		if i > 0 && i%10 == 0 {
			c.Links = append(c.Links, bandwidth.Link{Name: fmt.Sprint("d", i), A: fmt.Sprint("S", i-10), B: fmt.Sprint("S", i)})
		}
	}
	return c
}

// BenchmarkPlan is the first call of its kind, for which the way is looked for, and one like
// those before. What a call is charged on is found, nothing is counted.
func BenchmarkPlan(b *testing.B) {
	b.Run("known", func(b *testing.B) {
		m := compile(b, large())
		for b.Loop() {
			if _, err := m.Plan("S3", "S700", true); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("new", func(b *testing.B) {
		m := compile(b, large())
		for b.Loop() {
			m.Forget()
			if _, err := m.Plan("S3", "S700", true); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// free has everything left.
type free struct{}

func (free) Left(bandwidth.ID) (int, bool) { return 10_000, true }

// BenchmarkGrant is what a call with seven charges may have.
func BenchmarkGrant(b *testing.B) {
	m := compile(b, large())
	p, err := m.Plan("S3", "S700", true)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if kbps, _, _ := p.Grant(1920, bandwidth.Downspeed{}, free{}); kbps != 1920 {
			b.Fatal(kbps)
		}
	}
}
