package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/seal"
)

// writers are what writes to the disk, each with the tree that it leads to.
func writers(t *testing.T) map[string]func(*Store) error {
	// A document with a key of its own, as the first of a cluster is.
	text, digest, err := documentOf("tp9", Info{Author: somebody}, parse(t, strings.Replace(document, "tp1", "tp9", 1)+"cluster_tls: enforce\n"), seal.New())
	if err != nil {
		t.Fatal(err)
	}
	tag := revisions.Tag{Reign: revisions.Reign{Generation: 1, Author: "tp9"}, Revision: 1, Digest: digest}
	return map[string]func(*Store) error{
		"first": func(s *Store) error {
			_, err := s.Propose(first(t))
			return err
		},
		"change": func(s *Store) error {
			_, err := s.Propose(set("turn.realm", "new"))
			return err
		},
		"rollback": func(s *Store) error {
			_, err := s.Rollback(2, somebody)
			return err
		},
		"key":   func(s *Store) error { return s.RenewKey(somebody) },
		"reset": func(s *Store) error { return s.Reset(somebody, false) },
		"document": func(s *Store) error {
			d := revisions.Document{Tag: tag, Bytes: text}
			if err := s.Write(revisions.Stored{Document: d}); err != nil {
				return err
			}
			s.Apply(revisions.Apply{Document: d})
			return nil
		},
	}
}

// prepared is a disk that a writer may begin with.
func prepared(t *testing.T, writer string) *disk {
	d := newDisk()
	s, _ := mustOpen(t, d)
	if writer == "first" {
		return d
	}
	for _, p := range []Proposal{first(t), set("turn.realm", "b"), set("turn.realm", "c"), set("turn.realm", "d"), set("turn.realm", "e"), set("turn.realm", "f")} {
		if _, err := s.Propose(p); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func nodeOf(s *Store) *config.Node {
	if s.Current() == nil {
		return nil
	}
	return s.Current().Node
}

// A crash at every write and sync leaves the old or the new configuration, never
// neither; what was reported as done is the new one.
func TestCrashAtEveryStep(t *testing.T) {
	for name, run := range writers(t) {
		t.Run(name, func(t *testing.T) {
			disk0 := prepared(t, name)
			s, _ := mustOpen(t, disk0.clone())
			old := nodeOf(s)
			if err := run(s); err != nil {
				t.Fatal(err)
			}
			next := nodeOf(s)
			steps := 0
			for at := 1; ; at++ {
				d := disk0.clone()
				s, _ := mustOpen(t, d)
				d.failAt, d.dead, d.steps = at, true, 0
				err := run(s)
				for _, o := range outcomes {
					again, _, openErr := open(d.afterPowerLoss(o))
					if openErr != nil {
						t.Fatalf("step %d, %+v: the store does not open: %v", at, o, openErr)
					}
					got := nodeOf(again)
					if isNew := cmp.Equal(next, got, equal); !isNew && (err == nil || !cmp.Equal(old, got, equal)) {
						t.Fatalf("step %d, %+v: neither old nor new (%v): %s", at, o, err, cmp.Diff(next, got, equal))
					}
					usable(t, again)
				}
				if d.steps < at {
					break
				}
				steps = at
			}
			if steps < 5 {
				t.Errorf("only %d steps", steps)
			}
		})
	}
}

// usable shows that a store takes changes.
func usable(t *testing.T, s *Store) {
	t.Helper()
	p := set("turn.realm", "afterwards")
	if s.Current() == nil {
		p = first(t)
	}
	if _, err := s.Propose(p); err != nil {
		t.Fatal(err)
	}
	if again, _ := mustOpen(t, s.Files); !cmp.Equal(nodeOf(s), nodeOf(again), equal) {
		t.Fatal("the disk has something else")
	}
}

// A write or sync that fails in a process that lives on: the change is refused, and
// a later start does not find it either. 40055 rises when it was the key, and
// falls when renewing works.
func TestFailureAtEveryStep(t *testing.T) {
	for name, run := range writers(t) {
		t.Run(name, func(t *testing.T) {
			disk0 := prepared(t, name)
			for at := 1; ; at++ {
				d := disk0.clone()
				s, told := mustOpen(t, d)
				old := nodeOf(s)
				d.failAt, d.steps = at, 0
				err := run(s)
				if d.steps < at {
					return
				}
				if err != nil && !errors.Is(err, errBroken) {
					t.Fatalf("step %d: %v", at, err)
				}
				// A reset has a second half, and says that it can be repeated.
				if err != nil && name != "reset" && !cmp.Equal(old, nodeOf(s), equal) {
					t.Fatalf("step %d: refused, but it is in force", at)
				}
				_, raised := told.raised[AlarmKey]
				if raised != (name == "key" && err != nil) && name != "document" { // a document comes with a key, and is more than that
					t.Errorf("step %d: alarm %t with %v", at, raised, err)
				}
				again, _ := mustOpen(t, d.clone())
				if !cmp.Equal(nodeOf(s), nodeOf(again), equal) {
					t.Fatalf("step %d (%v): in force and on disk differ", at, err)
				}
				if err := s.RenewKey(somebody); err != nil || len(told.raised) != 0 {
					t.Fatalf("step %d: renewing the key again: %v, %v", at, err, told.raised)
				}
				usable(t, s)
			}
		})
	}
}

func TestKeyIsRenewed(t *testing.T) {
	d := prepared(t, "key")
	s, _ := mustOpen(t, d)
	before, key := s.KeyID(), string(d.now[keyName].data)
	if err := s.RenewKey(somebody); err != nil {
		t.Fatal(err)
	}
	if s.KeyID() == before || string(d.now[keyName].data) == key {
		t.Error("the key is the old one")
	}
	// With the old key nothing can be read any more.
	d.now[keyName].data = []byte(key)
	if _, told, err := open(d); err == nil || told.raised[AlarmKey] != "" {
		t.Errorf("opened with the old key: %v", err)
	}
	delete(d.now, keyName)
	if _, told, err := open(d); err == nil || told.raised[AlarmKey] == "" {
		t.Errorf("opened without a key: %v", err)
	}
}

func TestFolder(t *testing.T) {
	dir, err := OpenDir(fmt.Sprintf("%s/config", t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := mustOpen(t, dir)
	if _, err := s.Propose(first(t)); err != nil {
		t.Fatal(err)
	}
	usable(t, s)
	if err := s.RenewKey(somebody); err != nil {
		t.Fatal(err)
	}
	usable(t, s)
}
