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
	if o := m.Objects()[got.PerCallAt]; lowest.Limited && !slices.Contains(whoHas(c, lowest), o.Name) {
		t.Fatalf("%s decides on %d kbps and has another limit", o.Name, lowest.Kbps)
	}
	compareCrossings(t, c, m, want, got)
}

// whoHas returns who has a limit of one call.
func whoHas(c bandwidth.Config, l bandwidth.Limit) []string {
	var names []string
	for _, s := range c.Subzones {
		if s.Within == l || s.InOut == l {
			names = append(names, s.Name)
		}
	}
	if c.Traversal.PerCall == l {
		names = append(names, c.Traversal.Name)
	}
	for _, p := range c.Pipes {
		if p.PerCall == l {
			names = append(names, p.Name)
		}
	}
	return names
}

// BW-06: compareCrossings counts who leaves and who enters the node at which all links of a pipe meet.
// Of a pipe whose links do not meet only the sum is certain.
func compareCrossings(t *rapid.T, c bandwidth.Config, m *bandwidth.Map, way []int, got *bandwidth.Plan) {
	for _, cross := range got.Crossings {
		pipe := m.Objects()[cross.ID].Name
		if times := charges(m, got)["pipe "+pipe]; cross.Forward+cross.Backward != times {
			t.Fatalf("pipe %s is crossed %+v, and charged %d times", pipe, cross, times)
		}
		meet, first := meeting(c, pipe)
		if meet == "" {
			continue
		}
		leaving, entering := 0, 0
		for i, l := range way {
			on := 0
			for _, name := range []string{c.Links[l].Pipe1, c.Links[l].Pipe2} {
				if name == pipe {
					on++
				}
			}
			if got.Nodes[i] == meet {
				leaving += on
			} else {
				entering += on
			}
		}
		if c.Links[first].A != meet {
			leaving, entering = entering, leaving
		}
		if cross.Forward != leaving || cross.Backward != entering {
			t.Fatalf("pipe %s, whose links meet at %s, is crossed %+v, want %d and %d", pipe, meet, cross, leaving, entering)
		}
	}
}

// meeting returns a node that is on all links of a pipe, and the first of the links.
func meeting(c bandwidth.Config, pipe string) (node string, first int) {
	first = -1
	var common []string
	for i, l := range c.Links {
		if l.Pipe1 != pipe && l.Pipe2 != pipe {
			continue
		}
		if first < 0 {
			first, common = i, []string{l.A, l.B}
			continue
		}
		common = slices.DeleteFunc(common, func(n string) bool { return n != l.A && n != l.B })
	}
	if len(common) == 0 {
		return "", first
	}
	return common[0], first
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
