package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/licensing"
)

// CA-01, BW-01: what an operator changes counts for the next call, and what calls have
// when the process is killed counts for the next process.
func TestResourcesOfNode(t *testing.T) {
	dir := t.TempDir()
	n := storedNode(t, office, dir)
	if _, err := n.carry(n.store.Current().Node, &stateDir{path: dir}, n.log); err != nil {
		t.Fatal(err)
	}
	phone := resources.Party{Node: config.DefaultSubzoneName, Party: licensing.Party{Registered: true, SIP: true}}
	call := resources.Want{Ways: []resources.Way{{From: phone, To: phone, Asked: 1000}}}
	admit := func(serial string, kbps uint32) {
		t.Helper()
		g, err := n.resources.Admit(serial, call)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]uint32{kbps}, g.Granted().Kbps); diff != "" {
			t.Errorf("%s: %s", serial, diff)
		}
	}
	admit("first", 1000)
	_, err := n.store.Propose(store.Proposal{Operations: []config.Operation{
		{Verb: config.Set, Path: "default_subzone.bandwidth.total.mode", Text: "limited"},
		{Verb: config.Set, Path: "default_subzone.bandwidth.total.kbps", Text: "1300"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	admit("second", 300)
	if st := n.callsUsed(n.running()); st.Used != 2 || st.Limit != n.running().MaxCalls() {
		t.Errorf("%+v", st)
	}

	n = storedNode(t, office, dir) // the process before was killed
	if _, err := n.carry(n.store.Current().Node, &stateDir{path: dir}, n.log); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, g := range n.resources.Grants() {
		found[g.Serial] = g.Recovered
	}
	if diff := cmp.Diff(map[string]bool{"first": true, "second": true}, found); diff != "" {
		t.Error(diff)
	}
	if _, err := n.resources.Admit("third", call); err == nil {
		t.Error("what the process before gave away is given twice")
	}
}
