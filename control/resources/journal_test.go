package resources

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/dataplane/relay"
)

// serials lists the calls that have a grant.
func serials(r *Resources) []string {
	out := []string{}
	for _, g := range r.Grants() {
		text := g.Serial
		if g.Recovered {
			text += " recovered"
		}
		out = append(out, text)
	}
	return out
}

// A journal that is cut off anywhere gives what was written whole before.
func TestTornJournal(t *testing.T) {
	n, disk := nodeOf(t, twoSites), newMemory()
	r := newResources(t, n, Deps{Journal: keeping(disk, nil)})
	if _, err := r.Recover(); err != nil {
		t.Fatal(err)
	}
	a := admitted(t, r, "a", one(through(phone("Lisbon"), phone("Porto"), 300)))
	whole := len(disk.text("grants"))
	if err := a.Change(one(through(phone("Lisbon"), phone("Porto"), 400))); err != nil {
		t.Fatal(err)
	}
	changed := len(disk.text("grants"))
	for end := changed; end >= 0; end-- {
		disk.cut("grants", end)
		found, err := openJournal("grants", "boot", disk, nil)
		if err != nil {
			t.Fatal(err)
		}
		rec, there := found.before.records[1]
		switch {
		case end >= changed-1 && (!there || rec.Lanes[0].Kbps != 400),
			end < changed-1 && end >= whole-1 && (!there || rec.Lanes[0].Kbps != 300),
			end < whole-1 && there:
			t.Fatalf("cut at %d of %d: %+v, %t", end, changed, rec, there)
		}
	}
}

// What follows a line that was cut off is not spoiled by it.
func TestDiskFull(t *testing.T) {
	n, disk := nodeOf(t, twoSites), newMemory()
	var told []string
	r := newResources(t, n, Deps{Journal: keeping(disk, func(err error) { told = append(told, err.Error()) })})
	if _, err := r.Recover(); err != nil {
		t.Fatal(err)
	}
	call := one(way(phone("Lisbon"), phone("Lisbon"), 64))
	admitted(t, r, "a", call)
	disk.limit(100) // a part of a line
	b := admitted(t, r, "b", call)
	admitted(t, r, "c", call)
	b.Release()
	r.look() // tries again, in vain
	if len(told) != 1 || !strings.Contains(told[0], "free space on its disk") {
		t.Errorf("told %q, want once what to do", told)
	}
	if lost := r.Unjournaled(); lost != 3 {
		t.Errorf("%d lines lost, want 3", lost)
	}
	disk.limit(-1)
	admitted(t, r, "d", call)
	next := newResources(t, n, Deps{Journal: keeping(disk, nil)})
	_, _ = next.Recover()
	if diff := cmp.Diff([]string{"a recovered", "d recovered"}, serials(next)); diff != "" {
		t.Errorf("before it is written anew: %s", diff)
	}
	r.look()
	next = newResources(t, n, Deps{Journal: keeping(disk, nil)})
	_, _ = next.Recover()
	if diff := cmp.Diff([]string{"a recovered", "c recovered", "d recovered"}, serials(next)); diff != "" {
		t.Errorf("after: %s", diff)
	}
	disk.limit(0)
	admitted(t, r, "e", call)
	if len(told) != 2 {
		t.Errorf("told %q, want the second time too", told)
	}
}

// A journal of another boot says nothing; lines that are damaged are left out.
func TestReadJournal(t *testing.T) {
	n, disk := nodeOf(t, twoSites), newMemory()
	r := newResources(t, n, Deps{Journal: keeping(disk, nil)})
	_, _ = r.Recover()
	call := one(way(phone("Lisbon"), phone("Lisbon"), 64))
	for i := range 4 {
		admitted(t, r, fmt.Sprint(i), call)
	}
	if j, err := openJournal("grants", "another", disk, nil); err != nil || len(j.before.records) != 0 {
		t.Errorf("of another boot: %d, %v", len(j.before.records), err)
	}
	text := disk.text("grants")
	for i := range text {
		if i%60 == 59 && i > 60 && i < 1000 {
			text[i] ^= 1
		}
	}
	c, err := readLines(strings.NewReader(string(text)), "boot")
	if err != nil || c.damaged == 0 || len(c.records)+c.damaged != 4 {
		t.Errorf("%d damaged, %d left, %v", c.damaged, len(c.records), err)
	}
}

// The file stays short, whatever number of calls it has seen.
func TestCompaction(t *testing.T) {
	n, path := nodeOf(t, twoSites), filepath.Join(t.TempDir(), "grants.journal")
	j, err := OpenJournal(path, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	r := newResources(t, n, Deps{Journal: j})
	if _, err := r.Recover(); err != nil {
		t.Fatal(err)
	}
	call := one(way(phone("Lisbon"), phone("Lisbon"), 64))
	admitted(t, r, "stays", call)
	for i := range 3 * slack {
		admitted(t, r, "goes", call).Release()
		if i%1000 == 0 {
			r.look()
		}
	}
	r.look()
	st, err := os.Stat(path)
	if err != nil || st.Size() > 1<<20 || st.Mode().Perm() != 0o600 {
		t.Errorf("%d bytes, mode %v, %v", st.Size(), st.Mode(), err)
	}
	if j, err = OpenJournal(path, nil); err != nil {
		t.Fatal(err)
	}
	next := newResources(t, n, Deps{Journal: j})
	if found, err := next.Recover(); found != 1 || err != nil {
		t.Errorf("found %d, %v", found, err)
	}
	if b := admitted(t, next, "new", call); b.id <= 3*slack {
		t.Errorf("number %d was given before", b.id)
	}
}

func TestUnreadableJournal(t *testing.T) {
	j, err := OpenJournal(t.TempDir(), func(error) {}) // a folder
	if err == nil {
		t.Fatal("a folder is a journal")
	}
	r := newResources(t, nodeOf(t, twoSites), Deps{Journal: j})
	if found, err := r.Recover(); found != 0 || err != nil {
		t.Error(found, err)
	}
	admitted(t, r, "a", one(way(phone("Lisbon"), phone("Lisbon"), 64)))
	if r.Unjournaled() == 0 {
		t.Error("nobody knows that it is not written")
	}
}

// ME-06: what a process before had counts for as long as its media may go on, and no
// longer, however often the process ends meanwhile.
func TestRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := nodeOf(t, twoSites)
		disk := newMemory()
		first := newResources(t, full, Deps{Journal: keeping(disk, nil)})
		_, _ = first.Recover()
		lost := one(through(phone("Lisbon"), phone("Porto"), 1000))
		found := Want{Ways: []Way{through(phone("Lisbon"), guest("World"), 1000)}, Connected: true, Streams: 1}
		admitted(t, first, "lost", lost)
		was := admitted(t, first, "found", found).Granted()

		time.Sleep(relay.LeaseTime / 3)
		small := nodeOf(t, "pipes: [{name: L, total: {mode: limited, kbps: 500}}]\nsubzones: [{name: Lisbon}]\n"+
			"links: [{name: LT, node1: Lisbon, node2: TraversalSubZone, pipe1: L}, {name: TD, node1: TraversalSubZone, node2: DefaultSubZone}]\n")
		second := newResources(t, small, Deps{Journal: keeping(disk, nil)})
		if n, err := second.Recover(); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		time.Sleep(relay.LeaseTime / 2)
		r := newResources(t, small, Deps{Journal: keeping(disk, nil)})
		if n, err := r.Recover(); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		if diff := cmp.Diff([]string{"lost recovered", "found recovered"}, serials(r)); diff != "" {
			t.Error(diff)
		}
		_, err := r.Admit("new", one(through(phone("Lisbon"), phone("DefaultSubZone"), 64)))
		if refusal(t, err) != (Refusal{Why: OverTotal, At: "pipe L"}) {
			t.Errorf("the line is over-full: %v", err)
		}
		g, ok := r.Adopt("found")
		if _, again := r.Adopt("found"); !ok || again {
			t.Error("adopted once, and once only")
		}
		if diff := cmp.Diff(was, g.Granted()); diff != "" {
			t.Error(diff)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		time.Sleep(relay.LeaseTime/2 + 2*tick) // since the second process began
		if diff := cmp.Diff([]string{"found"}, serials(r)); diff != "" {
			t.Error(diff)
		}
		if err := g.Change(found); err != nil {
			t.Errorf("a call goes on: %v", err)
		}
		g.Release()
		if diff := cmp.Diff(map[string]uint64{}, used(r)); diff != "" {
			t.Error(diff)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func FuzzJournal(f *testing.F) {
	disk := newMemory()
	r := newResources(f, nodeOf(f, twoSites), Deps{Journal: keeping(disk, nil)})
	_, _ = r.Recover()
	g := admitted(f, r, `a "quoted" ü serial`, one(through(phone("Lisbon"), phone("Porto"), 300), way(phone("Lisbon"), guest(config.DefaultZoneName), 0)))
	admitted(f, r, "b", one(way(phone("Lisbon"), phone("Lisbon"), 64)))
	g.Release()
	f.Add(disk.text("grants"))
	f.Add([]byte("00000000 {}\n"))
	n := nodeOf(f, twoSites)
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := readLines(strings.NewReader(string(text)), "boot")
		if err != nil {
			return
		}
		r := newResources(t, n, Deps{})
		for _, rec := range c.records {
			r.revive(rec, time.Unix(1, 0))
		}
		for _, g := range r.all() {
			g.Release()
		}
		if diff := cmp.Diff(map[string]uint64{}, used(r)); diff != "" {
			t.Error(diff)
		}
	})
}
