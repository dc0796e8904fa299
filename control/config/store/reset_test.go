package store

import (
	"bytes"
	"testing"
)

// CL-14
func TestResetLeavesNoHistory(t *testing.T) {
	d := prepared(t, "reset")
	s, _ := mustOpen(t, d)
	if err := s.Reset(somebody, false); err != nil {
		t.Fatal(err)
	}
	if infos, err := s.History(100); err != nil || len(infos) != 1 {
		t.Errorf("%d revisions are left (%v)", len(infos), err)
	}
	if got := s.Current().Node.TURN.Realm; got != "turnpike" {
		t.Errorf("the realm is %q", got)
	}
	names, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := d.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		if name != revisionName(s.Current().Number) && bytes.Contains(data, []byte("realm")) {
			t.Errorf("%s is left", name)
		}
	}
}
