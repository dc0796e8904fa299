package store

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/control/config"
)

// writer is a cluster whose disk's goroutine writes what is proposed, as a member's does.
type writer struct {
	store *Store
	jobs  chan job
	tag   revisions.Tag
}

type job struct {
	p    revisions.Propose
	done chan error
}

func (w *writer) Propose(ctx context.Context, p revisions.Propose) error {
	j := job{p, make(chan error, 1)}
	w.jobs <- j
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) run() {
	for j := range w.jobs {
		w.tag.Revision++
		w.tag.Digest = j.p.Digest
		d := revisions.Document{Tag: w.tag, Bytes: j.p.Bytes}
		err := w.store.Write(revisions.Stored{Document: d})
		if err == nil {
			w.store.Apply(revisions.Apply{Document: d})
		}
		j.done <- err
	}
}

func (w *writer) Primary() (string, bool) { return "192.0.2.1", true }

func (w *writer) Forward(context.Context, Author, []config.Operation) (Origin, error) {
	return Origin{}, nil
}

func (w *writer) RenewKey(context.Context, Author) (Origin, error) { return Origin{}, nil }

// Changes of shared and of own items, a new key, readers and the writer's goroutine: all at once, nothing is lost and nobody
// waits for somebody who waits for him.
func TestAllAtOnce(t *testing.T) {
	s, _ := mustOpen(t, newDisk())
	if _, err := s.Propose(first(t)); err != nil {
		t.Fatal(err)
	}
	w := &writer{store: s, jobs: make(chan job), tag: revisions.Tag{Reign: revisions.Reign{Generation: 1, Author: "a"}}}
	go w.run()
	s.SetCluster(w)
	seen := 0
	s.Subscribe(func(u Update) { seen += len(u.Changes) }, "accounts")
	const many, each = 8, 10
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			for j := range each {
				name := fmt.Sprintf("u%d-%d", i, j)
				p := Proposal{Author: somebody, Operations: []config.Operation{{Verb: config.Set, Path: "accounts[" + name + "].password", Text: name}}}
				if _, err := s.Propose(p); err != nil {
					t.Error(err)
				}
				level := []string{"debug", "warn"}[(i+j)%2]
				if _, err := s.Propose(set("log.level", level)); err != nil {
					t.Error(err)
				}
				_, _ = s.Stored(), s.Digest()
			}
		})
	}
	all.Go(func() {
		for range 3 {
			if err := s.RenewKey(somebody); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	close(w.jobs)
	if n := len(s.Current().Node.Accounts); n != many*each+1 {
		t.Errorf("%d accounts", n)
	}
	if seen != 2*many*each { // name and password
		t.Errorf("%d changes were told", seen)
	}
	again, _ := mustOpen(t, s.Files)
	if got := again.Stored().Tag; got != s.Stored().Tag {
		t.Errorf("the next start has %s, want %s", got, s.Stored().Tag)
	}
}
