package registrations

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// held is what a table has, by ID.
func held(t *Table) map[uint64]string {
	out := map[uint64]string{}
	for _, b := range t.List() {
		out[b.ID] = fmt.Sprint(b.AOR, " ", b.Contact, " ", b.CSeq)
	}
	return out
}

// RG-01, RG-04: a process that is killed forgets nothing that is a second old: who came is there, and who left is not.
func TestKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registrations.json")
	synctest.Test(t, func(t *testing.T) {
		killed := New(Config{File: file})
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- killed.Run(ctx) }()
		left := add(t, killed, bob, "sip:left", time.Hour)
		short := add(t, killed, bob, "sip:short", keepEvery+10*time.Second)
		time.Sleep(keepEvery + time.Second)
		killed.Remove(left.ID, Left)
		add(t, killed, bob, "sip:came", time.Hour)
		gone := add(t, killed, bob, "sip:came and gone", time.Hour)
		time.Sleep(2 * time.Second)
		killed.Remove(gone.ID, Left)
		time.Sleep(12 * time.Second) // one expires
		for range 3 {                // and the next one too, before it has written anything
			next := New(Config{File: file})
			if _, err := next.Restore(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(held(killed), held(next)); diff != "" {
				t.Errorf("%d and %d are gone: %s", left.ID, short.ID, diff)
			}
		}
		next := New(Config{File: file})
		if _, err := next.Restore(); err != nil {
			t.Fatal(err)
		}
		if b := add(t, next, "new", "sip:new", time.Minute); b.ID <= gone.ID {
			t.Errorf("the ID %d was another binding's", b.ID)
		}
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(file + ".later"); !os.IsNotExist(err) {
			t.Errorf("it stays when the file has all: %v", err)
		}
	})
}

// Whatever comes and goes, and whenever the process is killed, the next one has what there was a second before.
func TestKilledModel(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		file := filepath.Join(dir, fmt.Sprint(runs))
		table, was := New(Config{File: file}), map[uint64]string{}
		id := func() uint64 {
			if len(table.List()) == 0 {
				t.Skip("nothing is there")
			}
			return rapid.SampledFrom(table.List()).Draw(t, "which").ID
		}
		put := func(b Binding) {
			if _, err := table.Update(bob, func(time.Time, []*Binding) (Changes, error) { return Changes{Put: []Binding{b}}, nil }); err != nil {
				t.Skip(err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"come": func(*rapid.T) {
				put(Binding{AOR: bob, Contact: fmt.Sprint("sip:", table.lastID), Source: from, Expires: time.Now().Add(time.Hour)})
			},
			"refresh": func(*rapid.T) { b, _ := table.Get(id()); again := *b; again.CSeq++; put(again) },
			"leave":   func(*rapid.T) { table.Remove(id(), Left) },
			"second": func(*rapid.T) {
				if table.later.lost { // Run begins with it
					table.keep()
				}
				table.keepLater()
				was = held(table)
			},
			"file": func(*rapid.T) { table.keep(); was = held(table) },
			"no file": func(t *rapid.T) { // the disk takes nothing for a while
				blocked := file + ".part"
				if err := os.Mkdir(blocked, 0o700); err != nil {
					t.Fatal(err)
				}
				table.keep()
				if err := os.Remove(blocked); err != nil {
					t.Fatal(err)
				}
			},
			"kill": func(t *rapid.T) {
				table.later.end()
				table = New(Config{File: file})
				if _, err := table.Restore(); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(was, held(table)); diff != "" {
					t.Fatal(diff)
				}
			},
			"": func(*rapid.T) {},
		})
		table.later.end()
	})
}

// What is beside the file and does not belong to it, or was not written to its end, says nothing that was not so.
func TestLaterDamaged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registrations.json")
	table := New(Config{File: file})
	first := add(t, table, bob, "sip:a", time.Hour)
	table.keep()
	add(t, table, bob, "sip:b", time.Hour)
	table.keepLater()
	table.Remove(first.ID, Left)
	table.keepLater()
	table.later.end()
	whole, err := os.ReadFile(file + ".later")
	if err != nil {
		t.Fatal(err)
	}
	allowed := []map[uint64]string{{1: bob + " sip:a 0"}, {1: bob + " sip:a 0", 2: bob + " sip:b 0"}, {2: bob + " sip:b 0"}}
	stage := 0
	for n := range len(whole) + 1 {
		got := after(t, file, whole[:n])
		for stage < len(allowed)-1 && !cmp.Equal(got, allowed[stage]) {
			stage++
		}
		if diff := cmp.Diff(allowed[stage], got); diff != "" {
			t.Fatalf("the first %d bytes: %s", n, diff)
		}
	}
	if stage != len(allowed)-1 {
		t.Error("not all of it was read")
	}
	if diff := cmp.Diff(allowed[0], after(t, file, []byte(`{"after":7}`+"\n"+`{"gone":1}`+"\n"))); diff != "" {
		t.Error("of another file:", diff)
	}
}

// after is what is restored with something beside the file.
func after(t *testing.T, file string, beside []byte) map[uint64]string {
	t.Helper()
	if err := os.WriteFile(file+".later", beside, 0o600); err != nil {
		t.Fatal(err)
	}
	table := New(Config{File: file})
	if _, err := table.Restore(); err != nil {
		t.Fatal(err)
	}
	return held(table)
}

// FuzzLater: nothing that stands beside the file does more than be left.
func FuzzLater(f *testing.F) {
	f.Add([]byte(`{"after":0}{"is":{"id":3,"aor":"bob@example.test","expires":"2100-01-01T00:00:00Z"}}{"gone":3}`))
	f.Add([]byte(`{"after":0}{"is":null,"gone":0}{"is":{}}`))
	file := filepath.Join(f.TempDir(), "registrations.json")
	f.Fuzz(func(t *testing.T, data []byte) { after(t, file, data) })
}

// A disk that takes nothing: what was not written beside the file is not followed by anything, until the file is written again.
func TestLaterFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registrations.json")
	table := New(Config{File: file})
	if err := os.Mkdir(file+".later", 0o700); err != nil {
		t.Fatal(err)
	}
	add(t, table, bob, "sip:a", time.Hour)
	table.keepLater()
	if err := os.Remove(file + ".later"); err != nil {
		t.Fatal(err)
	}
	add(t, table, bob, "sip:b", time.Hour)
	table.keepLater()
	if _, err := os.Stat(file + ".later"); !os.IsNotExist(err) {
		t.Errorf("it has a hole: %v", err)
	}
	table.keep()
	add(t, table, bob, "sip:c", time.Hour)
	table.keepLater()
	table.later.end()
	next := New(Config{File: file})
	if n, err := next.Restore(); n != 3 || err != nil {
		t.Errorf("%d restored, %v", n, err)
	}
}

// BenchmarkKeepLater writes what 1000 refreshes within a second change; making the file's name known to the disk is not in it.
func BenchmarkKeepLater(b *testing.B) {
	table := New(Config{File: filepath.Join(b.TempDir(), "registrations.json")})
	for i := range 1000 {
		name := fmt.Sprintf("phone%d@example.test", i)
		_, err := table.Update(name, func(now time.Time, _ []*Binding) (Changes, error) {
			return Changes{Put: []Binding{{AOR: name, Contact: "sip:" + name, Source: from, Transport: "udp", UserAgent: "phone 1.0", Expires: now.Add(time.Hour)}}}, nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for id := range table.byID {
			table.note(id)
		}
		table.keepLater()
		if table.later.size > maxLater/2 {
			table.later.over()
		}
	}
	table.later.end()
}
