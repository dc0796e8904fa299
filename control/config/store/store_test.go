package store

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/control/config"
)

var equal = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}), cmpopts.EquateEmpty()}

// told keeps what a store tells.
type told struct {
	raised  map[int]string
	records []string
}

func (a *told) Raise(number int, _, detail string) { a.raised[number] = detail }
func (a *told) Lower(number int, _ string)         { delete(a.raised, number) }
func (a *told) Event(event string, kv ...any) {
	a.records = append(a.records, fmt.Sprint(append([]any{event}, kv...)...))
}
func (a *told) Warn(event string, kv ...any)  { a.Event(event, kv...) }
func (a *told) Error(event string, kv ...any) { a.Event(event, kv...) }

func open(files Files) (*Store, *told, error) {
	t := &told{raised: map[int]string{}}
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	s, err := Open(Config{Files: files, Alarms: t, Log: t, Now: func() time.Time { return at }, Keep: 5})
	return s, t, err
}

func mustOpen(t testing.TB, files Files) (*Store, *told) {
	t.Helper()
	s, told, err := open(files)
	if err != nil {
		t.Fatal(err)
	}
	return s, told
}

func parse(t testing.TB, text string) *config.Node {
	t.Helper()
	n, err := config.Parse("node.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const document = `system: {name: tp1}
interfaces: {external: {name: s1}}
turn: {mode: on, users: [{name: u, password: planted-1}], secrets: [planted-2]}
accounts: [{name: alice, password: planted-3}]
`

var somebody = Author{User: "root", From: "api.sock"}

func first(t testing.TB) Proposal { return Proposal{Author: somebody, Document: parse(t, document)} }

func set(path, value string) Proposal {
	return Proposal{Author: somebody, Operations: []config.Operation{{Verb: config.Set, Path: path, Text: value}}}
}

// OP-02: nothing secret is on disk in the clear, nor in what is told.
func TestSecretsAreSealed(t *testing.T) {
	files := newDisk()
	s, told := mustOpen(t, files)
	if _, err := s.Propose(first(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Propose(set("turn.users[u].password", "planted-4")); err != nil {
		t.Fatal(err)
	}
	for name, i := range files.now {
		if bytes.Contains(i.data, []byte("planted")) {
			t.Errorf("%s shows a secret:\n%s", name, i.data)
		}
	}
	if strings.Contains(strings.Join(told.records, "\n"), "planted") {
		t.Errorf("a record shows a secret: %q", told.records)
	}
	again, _ := mustOpen(t, files)
	if diff := cmp.Diff(s.Current().Node, again.Current().Node, equal); diff != "" {
		t.Error(diff)
	}
	if got := again.Current().Node.TURN.Users[0].Password; got != "planted-4" {
		t.Errorf("the secret is not what it was")
	}
}

// AL-02
func TestChangesAreTold(t *testing.T) {
	s, told := mustOpen(t, newDisk())
	if _, err := s.Propose(first(t)); err != nil {
		t.Fatal(err)
	}
	var seen []string
	cancel := s.Subscribe(func(u Update) {
		for _, c := range u.Changes {
			seen = append(seen, fmt.Sprintf("%d %s %s %s", u.New.Number, c.Path, c.From, c.To))
		}
	}, "cluster_tls", "zones")
	told.records = nil
	for _, p := range []Proposal{
		set("cluster_tls", "enforce"),
		set("turn.realm", "x"),
		{Author: somebody, Operations: []config.Operation{
			{Verb: config.Set, Path: "zones[out].peers", Texts: []string{"192.0.2.9"}},
			{Verb: config.Set, Path: "zones[out].hop_count", Text: "3"},
		}},
		set("zones[1].hop_count", "3"), // it is
	} {
		if _, err := s.Propose(p); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if _, err := s.Propose(set("zones[out].hop_count", "4")); err != nil {
		t.Fatal(err)
	}
	want := []string{"2 cluster_tls permissive enforce", "4 zones[out].name  out", "4 zones[out].peers  [192.0.2.9]", "4 zones[out].hop_count  3"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	const record = "System Configuration ChangedDetailxconfiguration Alternates TLS Verify Mode - changed from: 'Permissive' to: 'Enforcing'UserrootSrcapi.sockRevision2"
	if told.records[0] != record {
		t.Errorf("recorded %q", told.records[0])
	}
	if last := told.records[len(told.records)-1]; !strings.Contains(last, "Zones Zone 1 HopCount - changed from: '3' to: '4'") {
		t.Errorf("recorded %q", last)
	}
}

func TestAFailedChangeChangesNothing(t *testing.T) {
	s, _ := mustOpen(t, newDisk())
	if _, err := s.Propose(set("turn.realm", "x")); !errors.Is(err, ErrEmpty) {
		t.Errorf("a change of an empty store: %v", err)
	}
	if _, err := s.Propose(first(t)); err != nil {
		t.Fatal(err)
	}
	before := s.Current()
	tests := []struct {
		name string
		p    Proposal
		want string
	}{
		{"unknown item", set("turn.prot", "1"), "did you mean turn.port?"},
		{"value", set("turn.port", "70000"), `turn.port cannot be "70000": want a whole number from 1024 to 65534`},
		{"reference", set("search_rules[r].target", "out"), `names "out", which is not there`},
		{"what follows from it", set("system.role", "C"), "TURN is an edge's work"},
		{"expected revision", Proposal{Expect: 7, Operations: set("turn.realm", "x").Operations}, "it is at revision 1, and the change was made for 7"},
		{"the second of two", Proposal{Operations: append(set("turn.realm", "x").Operations, set("turn.mode", "maybe").Operations...)}, `turn.mode cannot be "maybe": want on or off`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := s.Propose(test.p)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
			if s.Current() != before {
				t.Error("something changed")
			}
		})
	}
}

func TestHistoryAndRollback(t *testing.T) {
	files := newDisk()
	s, _ := mustOpen(t, files)
	if _, err := s.Propose(first(t)); err != nil {
		t.Fatal(err)
	}
	for i := range 7 {
		if _, err := s.Propose(set("turn.realm", fmt.Sprintf("r%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	history, err := s.History(100)
	if err != nil || len(history) != 5 || history[0].Number != 8 || history[4].Number != 4 {
		t.Fatalf("history %+v, %v", history, err)
	}
	want := []config.Change{{Path: "turn.realm", From: "r5", To: "r6"}}
	if diff := cmp.Diff(want, history[0].Changes); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Rollback(1, somebody); !errors.Is(err, ErrNoRevision) {
		t.Errorf("to one that is gone: %v", err)
	}
	r, err := s.Rollback(5, somebody)
	if err != nil || r.Revision != 9 || s.Current().Node.TURN.Realm != "r3" {
		t.Errorf("%+v, %v, realm %s", r, err, s.Current().Node.TURN.Realm)
	}
}

// A damaged file is not taken for a configuration; the one before it is.
func TestDamage(t *testing.T) {
	files := newDisk()
	s, _ := mustOpen(t, files)
	for _, p := range []Proposal{first(t), set("turn.realm", "x"), set("turn.realm", "y")} {
		if _, err := s.Propose(p); err != nil {
			t.Fatal(err)
		}
	}
	data := files.now[revisionName(3)].data
	data[len(data)/2] ^= 1
	again, told := mustOpen(t, files)
	if got := again.Current(); got.Number != 2 || got.Node.TURN.Realm != "x" {
		t.Errorf("revision %d, realm %s", got.Number, got.Node.TURN.Realm)
	}
	if len(told.records) != 1 || !strings.Contains(told.records[0], "is damaged") {
		t.Errorf("told %q", told.records)
	}
	if r, err := again.Propose(set("turn.realm", "z")); err != nil || r.Revision != 4 {
		t.Errorf("%+v, %v", r, err)
	}
}

// PS: digests are of what peers share.
func TestDigest(t *testing.T) {
	s, _ := mustOpen(t, newDisk())
	if _, err := s.Propose(first(t)); err != nil {
		t.Fatal(err)
	}
	before := s.Current().Digest
	if _, err := s.Propose(set("system.name", "other")); err != nil || s.Current().Digest != before {
		t.Errorf("an item of the node changed the digest (%v)", err)
	}
	if _, err := s.Propose(set("turn.realm", "other")); err != nil || s.Current().Digest == before {
		t.Errorf("a shared item did not change the digest (%v)", err)
	}
}

// The store against a list of trees: what is proposed is in force or nothing is, the
// disk has what is in force, and what is kept can be brought back.
func TestStoreAgainstModel(t *testing.T) {
	base := parse(t, document)
	rapid.Check(t, func(t *rapid.T) {
		files := newDisk()
		s, _, err := open(files)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Propose(Proposal{Author: somebody, Document: base}); err != nil {
			t.Fatal(err)
		}
		model := []*config.Node{nil, base} // by revision
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				op := config.Operation{
					Verb: rapid.SampledFrom([]config.Verb{config.Set, config.Set, config.Add, config.Delete}).Draw(t, "verb"),
					Path: rapid.SampledFrom([]string{"turn.realm", "turn.port", "zones", "zones[a]", "zones[b].peers", "zones[1].name", "log.level", "turn.tls.port", "pipes[p].total.kbps", "pipes"}).Draw(t, "path"),
					Text: rapid.SampledFrom([]string{"a", "b", "1025", "192.0.2.1", "debug", ""}).Draw(t, "value"),
				}
				next, wrong := config.Apply(model[len(model)-1], []config.Operation{op})
				r, err := s.Propose(Proposal{Operations: []config.Operation{op}})
				switch {
				case (wrong == nil) != (err == nil):
					t.Fatalf("%+v: %v, and the model says %v", op, err, wrong)
				case err == nil && r.Revision == len(model):
					model = append(model, next)
				case err == nil && config.Diff(model[len(model)-1], next) != nil:
					t.Fatalf("%+v made no revision", op)
				}
			},
			"rollback": func(t *rapid.T) {
				to := rapid.IntRange(0, len(model)).Draw(t, "to")
				r, err := s.Rollback(to, somebody)
				kept := to > len(model)-1-5 && to > 0 && to < len(model)
				if (err == nil) != kept {
					t.Fatalf("to %d of %d: %v", to, len(model)-1, err)
				}
				if err == nil && r.Revision == len(model) {
					next, err := config.Adopt(model[len(model)-1], model[to])
					if err != nil {
						t.Fatal(err)
					}
					model = append(model, next)
				}
			},
			"key": func(t *rapid.T) {
				if err := s.RenewKey(somebody); err != nil {
					t.Fatal(err)
				}
			},
			"restart": func(t *rapid.T) {
				if s, _, err = open(files); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				if s.Current().Number != len(model)-1 {
					t.Fatalf("at revision %d, the model at %d", s.Current().Number, len(model)-1)
				}
				if want := model[len(model)-1]; !reflect.DeepEqual(config.Values(want), config.Values(s.Current().Node)) {
					t.Fatal(cmp.Diff(want, s.Current().Node, equal))
				}
			},
		})
	})
}
