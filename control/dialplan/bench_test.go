package dialplan

import (
	"fmt"
	"testing"

	"turnpike.dev/turnpike/control/pattern"
	"turnpike.dev/turnpike/control/trace"
	"turnpike.dev/turnpike/control/zones"
)

// large is a plan of the largest size: 2000 search rules of all types, 100 transforms,
// 1000 policy rules, 100 zones of 6 peers each. Only the last rules match.
func large(tb testing.TB) Config {
	var list []zones.Zone
	for i := range 100 {
		z := neighbour(fmt.Sprint("zone", i))
		for p := range 6 {
			z.Peers = append(z.Peers, zones.Peer{Host: fmt.Sprintf("10.1.%d.%d", i, p+1)})
		}
		list = append(list, z)
	}
	c := Config{Zones: mustZones(tb, list...)}
	for i := range MaxTransforms {
		c.Transforms = append(c.Transforms, Transform{
			Name: fmt.Sprint("transform", i), Priority: i + 1, Type: pattern.Regex,
			Pattern: fmt.Sprintf(`(\d+)@site%d\.example\.com`, i), Behavior: pattern.Replace, Replace: `\1@example.com`,
		})
	}
	for i := range MaxPolicy {
		c.Policy.Rules = append(c.Policy.Rules, PolicyRule{
			Name: fmt.Sprint("policy", i), Priority: i + 1, From: Match{Any: true},
			To: Match{Type: pattern.Prefix, Pattern: fmt.Sprintf("+900%d", i)}, Action: Deny,
		})
	}
	for i := range MaxRules {
		text, typ := fmt.Sprintf("user%d@example.com", i), pattern.Exact
		switch i % 4 {
		case 1:
			text, typ = fmt.Sprintf("+49%d", i), pattern.Prefix
		case 2:
			text, typ = fmt.Sprintf("@branch%d.example.com", i), pattern.Suffix
		case 3:
			text, typ = fmt.Sprintf(`\d{4}@branch%d\.example\.com`, i), pattern.Regex
		}
		c.Rules = append(c.Rules, patternRule(fmt.Sprint("rule", i), i+1, typ, text, fmt.Sprint("zone", i%100)))
	}
	return c
}

func largeRequest(tb testing.TB, p *Plan, name string) Request {
	return Request{Alias: mustAlias(tb, name), Protocol: SIP, HopCount: 15, Zone: p.Zones().Local(), Authenticated: true}
}

// BenchmarkLocate searches the largest plan (Show 4). It leaves out reading the alias
// from the wire and whatever registrations cost.
func BenchmarkLocate(b *testing.B) {
	plan := mustPlan(b, large(b))
	for _, bench := range []struct{ name, alias string }{
		{"last-rule", "1999@branch1999.example.com"},
		{"no-rule", "nobody@example.org"},
		{"exact", "user1996@example.com"},
		{"transform", "7@site99.example.com"},
		{"other-script", "мария@example.org"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			req, out := largeRequest(b, plan, bench.alias), Result{}
			b.ReportAllocs()
			for b.Loop() {
				plan.Locate(&req, Network{}, &out, nil)
			}
		})
	}
}

// BenchmarkLocateTraced is the price of asking why.
func BenchmarkLocateTraced(b *testing.B) {
	plan := mustPlan(b, large(b))
	req, out := largeRequest(b, plan, "1999@branch1999.example.com"), Result{}
	b.ReportAllocs()
	for b.Loop() {
		var t trace.Trace
		plan.Locate(&req, Network{}, &out, &t)
	}
}

// BenchmarkCompile makes the largest plan anew.
func BenchmarkCompile(b *testing.B) {
	c := large(b)
	b.ReportAllocs()
	for b.Loop() {
		mustPlan(b, c)
	}
}

// BenchmarkChange changes one rule of the largest plan: 1000 changes are 1000 of these
// (Show 4).
func BenchmarkChange(b *testing.B) {
	c := large(b)
	plan := mustPlan(b, c)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := &c.Rules[i%MaxRules]
		r.Mode, r.Type, r.Pattern = AliasPattern, pattern.Regex, fmt.Sprintf(`.*@changed%d\.example\.com`, i)
		var err error
		if plan, err = plan.Change(c); err != nil {
			b.Fatal(err)
		}
	}
}

// TestLocateDoesNotAllocate: neither rules that do not match nor a trace that nobody
// asked for cost memory.
func TestLocateDoesNotAllocate(t *testing.T) {
	plan := mustPlan(t, large(t))
	for _, name := range []string{"1999@branch1999.example.com", "nobody@example.org", "user1996@example.com", "+9000@x.example"} {
		req, out := largeRequest(t, plan, name), Result{}
		plan.Locate(&req, Network{}, &out, nil)
		if n := testing.AllocsPerRun(100, func() { plan.Locate(&req, Network{}, &out, nil) }); n > 0 {
			t.Errorf("%s: %.0f allocations", name, n)
		}
	}
}
