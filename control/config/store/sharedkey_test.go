package store

import (
	"bytes"
	"testing"

	"turnpike.dev/turnpike/cluster"
)

// OP-02: peers keep their secrets under one key; it is renewed on the primary, and nothing stays under the old one.
func TestOneSystemKey(t *testing.T) {
	f := newFew(t, "tp1", "tp2", "tp3")
	f.same()
	before := f.nodes["tp1"].store.KeyID()
	for _, at := range []cluster.ID{"tp2", "tp1"} { // on any peer
		if err := f.nodes[at].store.RenewKey(somebody); err != nil {
			t.Fatal(err)
		}
		f.settle()
		f.same()
		if after := f.nodes["tp1"].store.KeyID(); after == before {
			t.Errorf("asked at %s, the key stayed", at)
		}
	}
	f.same()
	for id, m := range f.nodes {
		if m.store.KeyID() == before {
			t.Errorf("%s seals with the old key", id)
		}
		for name, i := range m.files.now {
			if bytes.Contains(i.data, []byte(before)) || bytes.Contains(i.data, []byte("planted")) {
				t.Errorf("%s: %s shows a secret or is under the old key", id, name)
			}
		}
		again, _ := mustOpen(t, m.files.afterPowerLoss(outcome{}))
		if again.Current().Node.Accounts[0].Password != "planted-3" {
			t.Errorf("%s cannot read its secrets at the next start", id)
		}
	}
}

// Facts A7.8: a peer that cannot write the key says so, and has it as soon as its disk takes it; whatever the
// power does meanwhile, its secrets can be read.
func TestKeyThatCannotBeWritten(t *testing.T) {
	for fail := 1; fail < 40; fail++ {
		f := newFew(t, "tp1", "tp2")
		two := f.nodes["tp2"]
		two.files.failAt = two.files.steps + fail
		if err := f.nodes["tp1"].store.RenewKey(somebody); err != nil {
			t.Fatal(err)
		}
		failed := two.told.raised[AlarmKey] != ""
		for _, o := range outcomes {
			again, _ := mustOpen(t, two.files.afterPowerLoss(o))
			if again.Current().Node.Accounts[0].Password != "planted-3" {
				t.Fatalf("step %d, %+v: a secret is lost", fail, o)
			}
		}
		f.settle()
		f.settle()
		f.same()
		if two.told.raised[AlarmKey] != "" {
			t.Fatalf("step %d: the alarm stands although the key is there", fail)
		}
		if !failed && fail > 30 {
			return // the renewal has fewer steps
		}
	}
}
