package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/clustering"
)

// OP-05, OP-06: two real nodes form, and root reads what they agreed on. Then the log of one is damaged: it starts all the same,
// serves, says what to do (15005), and comes back by a purge, let in by the id that it had.
func TestDatabaseDamaged(t *testing.T) {
	p := newPair(t)
	one, two := p.nodes[0], p.nodes[1]
	for _, n := range p.nodes {
		p.run(n, "cluster", "status", "--wait", "--timeout", "30s")
	}
	database := func(n *pairNode) (d clustering.Database) {
		t.Helper()
		if err := json.Unmarshal([]byte(p.run(n, "database", "status", "-o", "json")), &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	refused := func(n *pairNode, why string, args ...string) {
		t.Helper()
		if out := p.refused(n, args...); !strings.Contains(out, why) {
			t.Errorf("%s: %s; want %q", strings.Join(args, " "), out, why)
		}
	}
	p.within(15*time.Second, "both vote", func() bool { return len(database(two).Voters) == 2 })
	p.within(15*time.Second, "a ledger of both", func() bool { return strings.Contains(p.run(two, "database", "ledger"), database(one).Copies[0].ID) })
	p.within(15*time.Second, "the other's row of usage", func() bool {
		return strings.Contains(p.run(one, "database", "rows", "--of", "2", "--prefix", "u/"), "1 of 1 rows")
	})
	if out := p.run(one, "database", "revisions"); strings.Count(out, "198.18.0.") != 2 {
		t.Errorf("revisions: %s", out)
	}
	p.run(one, "database", "resync", "tp2")
	p.within(5*time.Second, "the copy is current", func() bool { return database(one).Copies[0].Current })
	refused(one, "is there, and uses what it has", "database", "forget", "2", "--confirm", "tp2")
	refused(one, "not \"tp1\"", "database", "forget", "2", "--confirm", "tp1")
	p.run(one, "config", "set", "turn.realm", "kept.test")
	before := database(two).ClusterID

	p.stop(two, unix.SIGKILL)
	log := filepath.Join(two.state, "cluster", "agreement", "history-"+before, "log")
	if err := os.WriteFile(log, []byte("not what was written"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.start(two)
	if !p.stands(two, 15005) || database(two).Damaged == "" {
		t.Errorf("nobody says that the database is damaged: %+v", database(two))
	}
	if got := p.run(two, "config", "get", "turn.realm"); got != "kept.test" {
		t.Errorf("the node serves with the realm %q", got)
	}
	refused(two, "database purge", "config", "set", "turn.realm", "other.test")
	refused(two, "nothing was done", "database", "purge", "--confirm", "tp1")
	refused(two, "nothing was done", "database", "purge") // nobody answers

	bundle := filepath.Join(t.TempDir(), "bundle.tar.gz")
	p.run(two, "database", "purge", "--confirm", "tp2", "-w", bundle)
	if _, err := os.Stat(bundle); err != nil {
		t.Errorf("no bundle was made: %v", err)
	}
	p.within(60*time.Second, "it has joined again", func() bool {
		out, err := exec.Command(p.bin, "--state", two.state, "database", "status", "-o", "json").Output()
		var d clustering.Database
		return err == nil && json.Unmarshal(out, &d) == nil && d.ClusterID != "" && len(d.Voters) == 2
	})
	p.run(two, "cluster", "status", "--wait", "--timeout", "30s")
	if p.stands(two, 15005) {
		t.Error("15005 stands although the node is back")
	}
	if got := p.run(two, "config", "get", "turn.realm"); got != "kept.test" {
		t.Errorf("afterwards the realm is %q", got)
	}
}
