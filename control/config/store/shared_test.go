package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/control/config"
)

// few is a cluster of stores: each with the core that decides, and lines that lose nothing.
type few struct {
	t     testing.TB
	now   time.Duration
	nodes map[cluster.ID]*member
	order []cluster.ID
}

type member struct {
	few   *few
	id    cluster.ID
	store *Store
	told  *told
	files *disk
	core  *revisions.Core
	err   error // of the last proposal

	software string
	life     cluster.Incarnation
}

// newFew forms a cluster whose first peer is the primary.
func newFew(t testing.TB, names ...string) *few {
	f := &few{t: t, nodes: map[cluster.ID]*member{}}
	for _, name := range names {
		m := &member{few: f, id: cluster.ID(name), files: newDisk(), software: "1"}
		m.store, m.told = mustOpen(t, m.files)
		p := Proposal{Author: somebody, File: true, Document: parse(t, strings.Replace(document, "tp1", name, 1))}
		if _, err := m.store.Propose(p); err != nil {
			t.Fatal(err)
		}
		f.nodes[m.id], f.order = m, append(f.order, m.id)
	}
	for _, id := range f.order {
		f.nodes[id].begin()
	}
	f.name(f.order[0], 1)
	f.settle()
	return f
}

func (m *member) begin() {
	m.life++
	m.core = revisions.New(revisions.Config{Self: m.id, Incarnation: m.life, Software: m.software, Stored: m.store.Stored(), Initial: m.store.Initial()})
	m.store.SetCluster(m)
	m.step(revisions.Members{Peers: m.few.order})
	for _, id := range m.few.order {
		m.step(revisions.Reachable{Peer: id, Is: true})
	}
}

// name makes a peer the primary, everywhere.
func (f *few) name(primary cluster.ID, decision uint64) {
	for _, id := range f.order {
		f.nodes[id].step(revisions.Settings{Primary: primary, Decision: decision})
	}
}

func (f *few) settle() {
	for range 20 {
		f.now += 500 * time.Millisecond
		for _, id := range f.order {
			f.nodes[id].step(revisions.Tick{})
		}
	}
}

func (m *member) step(e revisions.Event) {
	for _, a := range m.core.Step(m.few.now, e) {
		switch a := a.(type) {
		case revisions.Send:
			if to := m.few.nodes[a.To]; to != nil && to.core != nil {
				to.step(revisions.Received{From: m.id, Message: a.Message})
			}
		case revisions.Write:
			if err := m.store.Write(a.Stored); err != nil {
				m.step(revisions.WriteFailed{Tag: a.Tag, Err: err})
			} else {
				m.step(revisions.Wrote{Tag: a.Tag})
			}
		case revisions.Apply:
			m.store.Apply(a)
		case revisions.Check:
			m.step(revisions.Checked{Digest: m.store.Digest()})
		case revisions.Refused:
			m.err = a.Err
		}
	}
}

func (m *member) Propose(_ context.Context, p revisions.Propose) error {
	m.err = nil
	m.step(p)
	return m.err
}

func (m *member) Primary() (string, bool) { return "192.0.2.1", m.core.Acting() }

func (f *few) acting() *member {
	for _, o := range f.nodes {
		if o.core.Acting() {
			return o
		}
	}
	f.t.Fatal("nobody is the primary")
	return nil
}

func (m *member) RenewKey(_ context.Context, by Author) (Origin, error) {
	p := m.few.acting()
	err := p.store.RenewKey(by)
	m.few.settle()
	return *p.store.Current().Shared, err
}

func (m *member) Forward(_ context.Context, by Author, ops []config.Operation) (Origin, error) {
	p := m.few.acting()
	_, err := p.store.Propose(Proposal{Author: by, Operations: ops})
	m.few.settle()
	return *p.store.Current().Shared, err
}

func (f *few) propose(at cluster.ID, p Proposal) (Result, error) { return f.nodes[at].store.Propose(p) }

// same fails unless all peers share one configuration.
func (f *few) same() {
	f.t.Helper()
	one := f.nodes[f.order[0]].store
	for _, id := range f.order[1:] {
		other := f.nodes[id].store
		if diff := cmp.Diff(one.Current().Digest, other.Current().Digest); diff != "" {
			f.t.Errorf("%s: %s", id, diff)
		}
		if a, b := digestOf(one.Current().Node), digestOf(other.Current().Node); a != b || a != one.Current().Digest {
			f.t.Errorf("%s: computed anew: %s, %s", id, a, b)
		}
		if other.KeyID() != one.KeyID() {
			f.t.Errorf("%s seals with another key", id)
		}
	}
}

// CL-03: a change on the primary is in force on all peers, with who made it; on another peer it is refused, and
// the primary is named.
func TestChangesGoThroughThePrimary(t *testing.T) {
	f := newFew(t, "tp1", "tp2", "tp3")
	f.same()
	result, err := f.propose("tp1", Proposal{Author: somebody, Note: "as agreed", Operations: set("turn.realm", "example.net").Operations})
	if err != nil || len(result.Changes) != 1 || result.Revision != f.nodes["tp1"].store.Current().Number {
		t.Fatalf("got %+v, %v", result, err)
	}
	f.settle()
	f.same()
	got := f.nodes["tp3"].store.Current()
	if got.Node.TURN.Realm != "example.net" || got.User != "root" || got.From != "api.sock at tp1" || got.Note != "as agreed" {
		t.Errorf("got %+v", got.Info)
	}
	if got.Shared == nil || got.Shared.Author != "tp1" || got.Shared.Generation != 1 || got.Shared.Revision != 2 || got.Generation != 1 {
		t.Errorf("origin %+v", got.Shared)
	}
	if records := strings.Join(f.nodes["tp3"].told.records, "\n"); !strings.Contains(records, "example.net") || !strings.Contains(records, "api.sock at tp1") {
		t.Errorf("records: %s", records)
	}

	before := f.nodes["tp2"].store.Current()
	_, err = f.propose("tp2", set("turn.realm", "elsewhere"))
	if !errors.Is(err, ErrElsewhere) || !strings.Contains(err.Error(), "192.0.2.1") || !strings.Contains(err.Error(), "turn.realm") {
		t.Errorf("got %v", err)
	}
	if _, err := f.nodes["tp2"].store.Check(set("turn.realm", "elsewhere")); !errors.Is(err, ErrElsewhere) {
		t.Errorf("try: %v", err)
	}
	if f.nodes["tp2"].store.Current() != before {
		t.Error("something changed")
	}
}

// PS, CL-04: what belongs to a peer stays there, whoever changes what.
func TestPeerItemsStay(t *testing.T) {
	f := newFew(t, "tp1", "tp2")
	if _, err := f.propose("tp2", set("log.level", "debug")); err != nil {
		t.Fatal(err)
	}
	tag := f.nodes["tp2"].store.Stored().Tag
	if _, err := f.propose("tp1", Proposal{Author: somebody, Operations: append(set("log.level", "warn").Operations, set("turn.realm", "r").Operations...)}); err != nil {
		t.Fatal(err)
	}
	f.settle()
	f.same()
	one, two := f.nodes["tp1"].store.Current().Node, f.nodes["tp2"].store.Current().Node
	if one.Log.Level != "warn" || two.Log.Level != "debug" || two.TURN.Realm != "r" || two.System.Name != "tp2" {
		t.Errorf("levels %s, %s; realm %s; name %s", one.Log.Level, two.Log.Level, two.TURN.Realm, two.System.Name)
	}
	if tag.Revision != 1 {
		t.Errorf("a change of its own made the shared part %s", tag)
	}
}

// A document is in force only when it is durable, and what is durable is what the next start has.
func TestWrittenThenApplied(t *testing.T) {
	f := newFew(t, "tp1", "tp2")
	two := f.nodes["tp2"]
	d := f.nodes["tp1"].store.Stored()
	text, digest, err := documentOf("tp1", Info{}, parse(t, document+"cluster_tls: enforce\n"), f.nodes["tp1"].store.ring)
	if err != nil {
		t.Fatal(err)
	}
	d.Bytes, d.Tag.Digest = text, digest
	d.Tag.Revision++
	if err := two.store.Write(d); err != nil {
		t.Fatal(err)
	}
	if two.store.Current().Node.ClusterTLS != config.TLSPermissive {
		t.Error("it is in force before it was applied")
	}
	again, _ := mustOpen(t, two.files.afterPowerLoss(outcome{}))
	if again.Stored().Tag != d.Tag || again.Current().Node.ClusterTLS != config.TLSEnforce {
		t.Errorf("the next start has %s", again.Stored().Tag)
	}
	if _, err := two.store.Propose(set("log.level", "debug")); err != nil { // a change of its own meanwhile
		t.Fatal(err)
	}
	two.store.Apply(revisions.Apply{Document: d.Document})
	if n := two.store.Current(); n.Node.ClusterTLS != config.TLSEnforce || n.Node.Log.Level != "debug" || two.store.Stored().Tag != d.Tag {
		t.Errorf("got %+v", n.Info)
	}
}

// A document that cannot be taken is kept out, and said.
func TestDocumentsAreChecked(t *testing.T) {
	f := newFew(t, "tp1", "tp2")
	one, two := f.nodes["tp1"].store, f.nodes["tp2"]
	good := one.Stored()
	change := func(edit func(text, digest *string)) revisions.Stored {
		d := good
		edit(&d.Bytes, &d.Tag.Digest)
		return d
	}
	small := parse(t, document)
	own := one.Current().Node.Clone()
	own.Log.Level = "debug"
	for name, d := range map[string]revisions.Stored{
		"torn":           change(func(b, _ *string) { *b = (*b)[:len(*b)/2] }),
		"another digest": change(func(_, g *string) { *g = strings.Repeat("0", 32) }),
		"another format": change(func(b, _ *string) { *b = strings.Replace(*b, `"format":1`, `"format":2`, 1) }),
		"no key":         change(func(b, _ *string) { *b = strings.Replace(*b, `"keys"`, `"kegs"`, 1) }),
		"a peer's own": change(func(b, _ *string) {
			*b = strings.Replace(*b, `"values":[`, `"values":[{"path":"log.level","text":"debug"},`, 1)
		}),
		"unknown item": change(func(b, _ *string) {
			*b = strings.Replace(*b, `"values":[`, `"values":[{"path":"no.such","text":"1"},`, 1)
		}),
		"too large": change(func(b, _ *string) { *b += strings.Repeat(" ", MaxDocument) }),
		"cannot work": change(func(b, g *string) {
			bad := small.Clone()
			bad.Links = append(bad.Links, config.Link{Index: 9, Name: "x", Node1: "nowhere", Node2: "DefaultSubZone"})
			*b, *g, _ = documentOf("tp1", Info{}, bad, one.ring)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			before := two.store.Current()
			if err := two.store.Write(d); err == nil {
				t.Fatal("it was taken")
			}
			if n := len(two.told.records); n == 0 || !strings.Contains(two.told.records[n-1], "Refused") {
				t.Error("nothing is said")
			}
			two.store.Apply(revisions.Apply{})
			if two.store.Current() != before {
				t.Error("something changed")
			}
		})
	}
	if err := two.store.Write(good); err != nil {
		t.Errorf("the right one: %v", err)
	}
}

// CL-03: the full comparison sees what the disk has.
func TestDigestSeesTheDisk(t *testing.T) {
	f := newFew(t, "tp1", "tp2")
	two := f.nodes["tp2"]
	want := two.store.Stored().Tag.Digest
	if got := two.store.Digest(); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	file := two.files.now[revisionName(two.store.Current().Number)]
	file.data = bytes.Replace(file.data, []byte("alice"), []byte("mallo"), 1)
	if got := two.store.Digest(); got == want {
		t.Error("a changed file is not seen")
	}
	for range 130 {
		f.settle() // the comparison is once a minute, and the primary sends it again
	}
	if got := two.store.Digest(); got != want {
		t.Errorf("it is not mended: %s", got)
	}
}

// CL-12: another peer becomes the primary, with what there is.
func TestAnotherPrimary(t *testing.T) {
	f := newFew(t, "tp1", "tp2")
	f.name("tp2", 2)
	f.settle()
	if _, err := f.propose("tp2", set("turn.realm", "second")); err != nil {
		t.Fatal(err)
	}
	f.settle()
	f.same()
	if got := f.nodes["tp1"].store.Current(); got.Node.TURN.Realm != "second" || got.Shared.Generation != 2 || got.Shared.Author != "tp2" {
		t.Errorf("got %+v", got.Shared)
	}
	if _, err := f.propose("tp1", set("turn.realm", "first")); !errors.Is(err, ErrElsewhere) {
		t.Errorf("got %v", err)
	}
}

// CL-02: only a node on which nobody has set anything shared joins.
func TestFresh(t *testing.T) {
	s, _ := mustOpen(t, newDisk())
	steps := []struct {
		name string
		do   func() error
		want bool
	}{
		{"nothing", func() error { return nil }, true},
		{"the node file", func() error {
			_, err := s.Propose(Proposal{Author: somebody, Document: parse(t, document), File: true})
			return err
		}, true},
		{"a change", func() error { _, err := s.Propose(set("turn.realm", "x")); return err }, false},
		{"a reset", func() error { return s.Reset(somebody, false) }, true},
		{"an item of its own", func() error { _, err := s.Propose(set("log.level", "debug")); return err }, true},
		{"a shared one", func() error { _, err := s.Propose(set("turn.realm", "y")); return err }, false},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if s.Fresh() != step.want {
			t.Errorf("after %s: %t", step.name, s.Fresh())
		}
	}
	f := newFew(t, "tp1", "tp2")
	two := f.nodes["tp2"].store
	if two.Fresh() || two.Stored().Tag.Revision == 0 {
		t.Error("who has a cluster's configuration is not fresh")
	}
	two.SetCluster(nil)
	if err := two.Reset(somebody, false); err != nil || !two.Fresh() || two.Stored().Tag.Revision != 0 {
		t.Errorf("after a reset: %v, fresh %t, %s", err, two.Fresh(), two.Stored().Tag)
	}
}

// Nothing that peers say makes a store panic or takes what belongs to a node.
func FuzzWrite(f *testing.F) {
	s, _ := mustOpen(f, newDisk())
	if _, err := s.Propose(Proposal{Author: somebody, Document: parse(f, document)}); err != nil {
		f.Fatal(err)
	}
	initial := s.Initial()
	f.Add(initial.Bytes, initial.Digest)
	f.Add(`{"format":1}`, "")
	f.Fuzz(func(t *testing.T, text, digest string) {
		d := revisions.Stored{Document: revisions.Document{Tag: revisions.Tag{Digest: digest, Revision: 1}, Bytes: text}}
		if err := s.Write(d); err != nil {
			return
		}
		s.Apply(revisions.Apply{Document: d.Document})
		if s.Current().Node.System.Name != "tp1" {
			t.Error(fmt.Sprint("the name is ", s.Current().Node.System.Name))
		}
	})
}

// CL-07: the address mapping is entered on any peer; nothing else comes with it.
func TestMappingFromAnyPeer(t *testing.T) {
	f := newFew(t, "tp1", "tp2", "tp3")
	add := func(name, address string) []config.Operation {
		at := "cluster_mapping.entries[" + name + "]"
		return []config.Operation{{Verb: config.Add, Path: "cluster_mapping.entries", Text: name}, {Verb: config.Set, Path: at + ".address", Text: address}}
	}
	if _, err := f.propose("tp2", Proposal{Author: somebody, Operations: add("tp2.test", "192.0.2.2")}); err != nil {
		t.Fatal(err)
	}
	if n := f.nodes["tp2"].store.Current().Node; len(n.Mapping.Entries) != 1 {
		t.Error("it is not here although it was told as done")
	}
	f.same()
	for name, ops := range map[string][]config.Operation{
		"a wrong pair":    add("tp3.test", "nowhere"),
		"twice":           add("tp2.test", "192.0.2.3"),
		"and a realm":     append(add("tp3.test", "192.0.2.3"), set("turn.realm", "x").Operations...),
		"and an own item": append(add("tp3.test", "192.0.2.3"), set("log.level", "debug").Operations...),
	} {
		if _, err := f.propose("tp3", Proposal{Author: somebody, Operations: ops}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := f.propose("tp3", Proposal{Author: somebody, Operations: []config.Operation{{Verb: config.Delete, Path: "cluster_mapping.entries[tp2.test]"}}}); err != nil {
		t.Fatal(err)
	}
	f.same()
	if n := f.nodes["tp1"].store.Current().Node; len(n.Mapping.Entries) != 0 {
		t.Errorf("left: %v", n.Mapping.Entries)
	}
}

// OP-03, CL-10: while peers run different software, the configuration waits; it goes on when they are equal.
func TestDocumentsWaitForEqualSoftware(t *testing.T) {
	f := newFew(t, "tp1", "tp2")
	one, two := f.nodes["tp1"], f.nodes["tp2"]
	one.software = "2" // the primary first
	one.begin()
	f.name("tp1", 1)
	f.settle()
	if _, err := f.propose("tp1", set("turn.realm", "of 2")); err != nil {
		t.Fatal(err)
	}
	f.settle()
	if two.store.Current().Node.TURN.Realm == "of 2" {
		t.Fatal("a document of another version was taken")
	}
	two.software = "2"
	two.begin()
	f.name("tp1", 1)
	f.settle()
	f.same()
}
