package store

import (
	"fmt"
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/config"
)

// largeDocument fills the lists of the dial plan (facts A1.1).
func largeDocument() string {
	var b strings.Builder
	b.WriteString("system: {name: tp1}\ninterfaces: {external: {name: s1}}\nzones:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "- {name: zone-%d, peers: [192.0.2.%d], protocol: sip}\n", i, i%250+1)
	}
	b.WriteString("search_rules:\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "- {name: rule-%d, priority: %d, pattern: {type: suffix, string: '@d%d.example.org'}, target: zone-%d}\n", i, i+1, i, i%1000)
	}
	b.WriteString("transforms:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "- {name: t-%d, priority: %d, pattern: {string: '%d'}}\n", i, i+1, i)
	}
	b.WriteString("subzones:\n")
	for i := range 400 {
		fmt.Fprintf(&b, "- {name: sub-%d}\n", i)
	}
	b.WriteString("membership_rules:\n")
	for i := range 3000 {
		fmt.Fprintf(&b, "- {name: m-%d, subnet: 10.%d.%d.0/24, subzone: sub-%d}\n", i, i/250, i%250, i%400)
	}
	return b.String()
}

// BenchmarkChange is one change of a configuration with 1000 zones, 2000 search rules,
// 100 transforms and 3000 membership rules: copy, check, difference, sealed revision
// on disk with its syncs. Subscribers are not in it.
func BenchmarkChange(b *testing.B) {
	dir, err := OpenDir(b.TempDir() + "/config")
	if err != nil {
		b.Fatal(err)
	}
	s, _ := mustOpen(b, dir)
	if _, err := s.Propose(Proposal{Document: parse(b, largeDocument())}); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		op := config.Operation{Verb: config.Set, Path: fmt.Sprintf("search_rules[rule-%d].priority", i%2000), Text: fmt.Sprint(3000 + i%30000)}
		if _, err := s.Propose(Proposal{Operations: []config.Operation{op}}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSpread is one such change in a cluster of two, on real disks: the primary writes it, the other takes it. Both share
// one machine here; lines and subscribers are not in it.
func BenchmarkSpread(b *testing.B) {
	f := newFew(b, "tp1", "tp2")
	if _, err := f.propose("tp1", Proposal{Document: parse(b, largeDocument()), Scope: config.ScopeShared}); err != nil {
		b.Fatal(err)
	}
	f.settle()
	for i := 0; b.Loop(); i++ {
		op := config.Operation{Verb: config.Set, Path: fmt.Sprintf("search_rules[rule-%d].priority", i%2000), Text: fmt.Sprint(3000 + i%30000)}
		if _, err := f.propose("tp1", Proposal{Operations: []config.Operation{op}}); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	f.settle()
	f.same()
	b.ReportMetric(float64(len(f.nodes["tp1"].store.Stored().Bytes))/1024, "KiB")
}

// BenchmarkDigest is the full comparison of such a configuration, once a minute (CL-03).
func BenchmarkDigest(b *testing.B) {
	s, _ := mustOpen(b, newDisk())
	if _, err := s.Propose(Proposal{Document: parse(b, largeDocument())}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Digest()
	}
}
