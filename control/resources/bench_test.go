package resources

import (
	"path/filepath"
	"testing"
)

// BenchmarkAdmit is a call from its first fork to its end: admitted, connected and
// released, over 3 subzones and zones, 2 links and a pipe.
func BenchmarkAdmit(b *testing.B) {
	first := one(through(phone("Porto"), guest("World"), 300))
	then := Want{Ways: first.Ways, Connected: true, Streams: 2}
	call := func(b *testing.B, r *Resources) {
		g, err := r.Admit("6ba7b810-9dad-41d1-80b4-00c04fd430c8", first)
		if err == nil {
			err = g.Change(then)
		}
		if err != nil {
			b.Fatal(err)
		}
		g.Release()
	}
	journal := func(b *testing.B) *Journal {
		j, err := OpenJournal(filepath.Join(b.TempDir(), "grants.journal"), func(err error) { b.Fatal(err) })
		if err != nil {
			b.Fatal(err)
		}
		return j
	}
	b.Run("admit-release", func(b *testing.B) {
		r := newResources(b, nodeOf(b, twoSites), Deps{})
		b.ReportAllocs()
		for b.Loop() {
			g, err := r.Admit("6ba7b810-9dad-41d1-80b4-00c04fd430c8", first)
			if err != nil {
				b.Fatal(err)
			}
			g.Release()
		}
	})
	b.Run("call", func(b *testing.B) {
		r := newResources(b, nodeOf(b, twoSites), Deps{})
		b.ReportAllocs()
		for b.Loop() {
			call(b, r)
		}
	})
	b.Run("call-journal", func(b *testing.B) {
		r := newResources(b, nodeOf(b, twoSites), Deps{Journal: journal(b)})
		if _, err := r.Recover(); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			call(b, r)
		}
	})
	b.Run("refused", func(b *testing.B) {
		r := newResources(b, nodeOf(b, twoSites), Deps{})
		if _, err := r.Admit("1", one(through(phone("Porto"), guest("World"), 3000))); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Admit("2", first); err == nil {
				b.Fatal("admitted")
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		r := newResources(b, nodeOf(b, twoSites), Deps{})
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				call(b, r)
			}
		})
	})
}
