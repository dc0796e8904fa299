package bandwidth_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"turnpike.dev/turnpike/control/bandwidth"
)

// BW-03: the way, its charges and the lowest limit against trying every way there is.
func TestPlanAgainstEveryWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfig(t)
		m, err := bandwidth.Compile(c)
		if err != nil {
			t.Fatal(err)
		}
		ends := nodes(c)
		from, to := rapid.SampledFrom(ends).Draw(t, "from"), rapid.SampledFrom(ends).Draw(t, "to")
		traversal := rapid.Bool().Draw(t, "traversal")
		if from == c.Traversal.Name || to == c.Traversal.Name {
			return // nobody is there
		}
		want := everyWay(c, from, to, traversal)
		got, err := m.Plan(from, to, traversal)
		if err != nil {
			if want != nil {
				t.Fatalf("no way, but %v is one", want)
			}
			return
		}
		if want == nil {
			t.Fatalf("there is no way, but got %v", got.Links)
		}
		compare(t, c, m, want, got)
	})
}

func compare(t *rapid.T, c bandwidth.Config, m *bandwidth.Map, want []int, got *bandwidth.Plan) {
	sum, lowest := map[string]int{}, bandwidth.Limit{}
	lower := func(l bandwidth.Limit) {
		if l.Limited && (!lowest.Limited || l.Kbps < lowest.Kbps) {
			lowest = l
		}
	}
	var links []string
	for _, i := range want {
		l := c.Links[i]
		links = append(links, l.Name)
		sum["link "+l.Name]++
		for _, p := range c.Pipes {
			for _, on := range []string{l.Pipe1, l.Pipe2} {
				if on == p.Name {
					sum["pipe "+p.Name]++
					lower(p.PerCall)
				}
			}
		}
	}
	if !slices.Equal(links, got.Links) {
		t.Fatalf("way %v, want %v", got.Links, links)
	}
	for i, n := range got.Nodes {
		kind := "zone "
		for _, s := range c.Subzones {
			if s.Name == n {
				kind = "subzone "
				if got.Nodes[0] == n && got.Nodes[len(got.Nodes)-1] == n {
					lower(s.Within)
				} else {
					lower(s.InOut)
				}
			}
		}
		if n == c.Traversal.Name {
			kind = "subzone "
			lower(c.Traversal.PerCall)
		}
		sum[kind+n]++
		if i > 0 && n != end(c.Links[want[i-1]], got.Nodes[i-1]) {
			t.Fatalf("link %s does not lead from %s to %s", links[i-1], got.Nodes[i-1], n)
		}
	}
	if have := charges(m, got); fmt.Sprint(have) != fmt.Sprint(sum) {
		t.Fatalf("charged on %v, want %v", have, sum)
	}
	if got.PerCall != lowest {
		t.Fatalf("per call %+v, want %+v", got.PerCall, lowest)
	}
}

// everyWay tries all ways, and returns the links of the best; nil when there is none.
func everyWay(c bandwidth.Config, from, to string, traversal bool) []int {
	if !traversal {
		return best(c, from, to, true)
	}
	there, back := best(c, from, c.Traversal.Name, false), best(c, c.Traversal.Name, to, false)
	if there == nil || back == nil {
		return nil
	}
	return append(there, back...)
}

func best(c bandwidth.Config, from, to string, around bool) []int {
	if from == to {
		return []int{}
	}
	var found []int
	seen := map[string]bool{from: true}
	var try func(at string, links []int)
	try = func(at string, links []int) {
		if at == to {
			if found == nil || len(links) < len(found) || len(links) == len(found) && slices.Compare(links, found) < 0 {
				found = slices.Clone(links)
			}
			return
		}
		if at != from && (slices.Contains(c.Zones, at) || around && at == c.Traversal.Name) {
			return
		}
		for i, l := range c.Links {
			if next := end(l, at); next != "" && !seen[next] {
				seen[next] = true
				try(next, append(links, i))
				delete(seen, next)
			}
		}
	}
	try(from, nil)
	return found
}

func end(l bandwidth.Link, at string) string {
	switch at {
	case l.A:
		return l.B
	case l.B:
		return l.A
	}
	return ""
}

func nodes(c bandwidth.Config) []string {
	out := append([]string{c.Traversal.Name}, c.Zones...)
	for _, s := range c.Subzones {
		out = append(out, s.Name)
	}
	return out
}

func drawConfig(t *rapid.T) bandwidth.Config {
	limit := rapid.Custom(func(t *rapid.T) bandwidth.Limit {
		if rapid.Bool().Draw(t, "limited") {
			return bandwidth.Of(rapid.IntRange(0, 5).Draw(t, "kbps"))
		}
		return bandwidth.Unlimited
	})
	c := bandwidth.Config{Traversal: bandwidth.Traversal{Name: "T", PerCall: limit.Draw(t, "T")}}
	for i := range rapid.IntRange(1, 4).Draw(t, "subzones") {
		c.Subzones = append(c.Subzones, bandwidth.Subzone{Name: fmt.Sprint("S", i), Within: limit.Draw(t, "within"), InOut: limit.Draw(t, "in out")})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "zones") {
		c.Zones = append(c.Zones, fmt.Sprint("Z", i))
	}
	names := []string{""}
	for i := range rapid.IntRange(0, 3).Draw(t, "pipes") {
		c.Pipes = append(c.Pipes, bandwidth.Pipe{Name: fmt.Sprint("P", i), PerCall: limit.Draw(t, "per call")})
		names = append(names, c.Pipes[i].Name)
	}
	all := nodes(c)
	for i := range rapid.IntRange(0, 9).Draw(t, "links") {
		a, b := rapid.SampledFrom(all).Draw(t, "a"), rapid.SampledFrom(all).Draw(t, "b")
		if a == b {
			continue
		}
		c.Links = append(c.Links, bandwidth.Link{
			Name: fmt.Sprint("L", i), A: a, B: b,
			Pipe1: rapid.SampledFrom(names).Draw(t, "pipe 1"), Pipe2: rapid.SampledFrom(names).Draw(t, "pipe 2"),
		})
	}
	return c
}
