package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config/store"
)

// refused runs a command that must fail and returns what it says.
func (p *pair) refused(n *pairNode, args ...string) string {
	p.t.Helper()
	cmd := exec.Command(p.bin, append([]string{"--state", n.state}, args...)...)
	cmd.Env = append(os.Environ(), passwordVariable+"=correct horse")
	out, err := cmd.CombinedOutput()
	if err == nil {
		p.t.Fatalf("%s is not refused: %s", strings.Join(args, " "), out)
	}
	return string(out)
}

// tried runs a command that may fail: `status` and `alarm list` do where something is wrong.
func (p *pair) tried(n *pairNode, args ...string) string {
	out, _ := exec.Command(p.bin, append([]string{"--state", n.state}, args...)...).CombinedOutput()
	return string(out)
}

func (p *pair) formed() {
	p.t.Helper()
	for _, n := range p.nodes {
		p.run(n, "cluster", "status", "--wait", "--timeout", "30s")
	}
}

// key returns the id of the system key that a node seals with.
func (p *pair) key(n *pairNode) string {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(n.state, configDir, "system.key"))
	if err != nil {
		p.t.Fatal(err)
	}
	var file struct {
		Keys []struct{ ID string }
	}
	if err := json.Unmarshal(data, &file); err != nil || len(file.Keys) == 0 {
		p.t.Fatalf("%v: %d keys", err, len(file.Keys))
	}
	return file.Keys[0].ID
}

// TestClusterSharesConfiguration forms one cluster of two real nodes, and does to its configuration what the requirements say.
func TestClusterSharesConfiguration(t *testing.T) {
	p := newPair(t)
	p.formed()
	for _, test := range []struct {
		name string
		run  func(*pair, *pairNode, *pairNode)
	}{
		{"own and shared items", sharedAndOwn},
		{"address mapping", mappingFromAnyPeer},
		{"system key", oneSystemKey},
		{"forced update", forcedUpdate},
		{"lost configuration", lostConfiguration},
		{"restore", restoreIsRefused},
		{"TLS mode", modeWaitsForRestart},
		{"leave and stay", leaveAndStay},
		{"leave", leaveAndReset},
	} {
		t.Run(test.name, func(t *testing.T) {
			old := p.t
			p.t = t
			defer func() { p.t = old }()
			test.run(p, p.nodes[0], p.nodes[1])
		})
	}
}

// CL-03, CL-04, PS: accounts are shared, with their secrets; a peer's own items stay with it and are changed anywhere.
func sharedAndOwn(p *pair, one, two *pairNode) {
	p.run(one, "config", "add", "accounts", "alice", "password=planted-secret")
	p.within(time.Second, "the account", func() bool { return strings.Contains(p.run(two, "config", "show"), "alice") })
	p.run(two, "config", "set", "log.level", "debug")
	p.run(one, "config", "set", "log.level", "warn")
	p.run(one, "config", "set", "turn.realm", "own.test")
	p.within(time.Second, "the realm", func() bool { return p.run(two, "config", "get", "turn.realm") == "own.test" })
	if got := p.run(two, "config", "get", "log.level"); got != "debug" {
		p.t.Errorf("the level of the other is %s", got)
	}
	for _, n := range p.nodes { // nothing secret lies about in the clear
		_ = filepath.Walk(n.state, func(path string, info os.FileInfo, err error) error {
			if err != nil || !info.Mode().IsRegular() {
				return nil
			}
			if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), "planted-secret") {
				p.t.Errorf("%s shows a secret", path)
			}
			return nil
		})
	}
	if got := p.run(two, "config", "history"); !strings.Contains(got, "at tp1") {
		p.t.Errorf("history: %s", got)
	}
	p.run(one, "config", "rollback", fmt.Sprint(p.revision(one)-1)) // and so does what was
	p.within(time.Second, "the realm of before", func() bool { return p.run(two, "config", "get", "turn.realm") != "own.test" })
}

func (p *pair) revision(n *pairNode) int {
	p.t.Helper()
	var all []store.Info
	if err := json.Unmarshal([]byte(p.run(n, "config", "history", "-o", "json")), &all); err != nil || len(all) == 0 {
		p.t.Fatalf("%v, %d revisions", err, len(all))
	}
	return all[0].Number
}

// CL-07: entered on any peer, on all at once.
func mappingFromAnyPeer(p *pair, one, two *pairNode) {
	p.run(two, "cluster", "mapping", "add", "tp2.example.test", "198.18.0.2")
	p.run(one, "cluster", "mapping", "add", "tp1.example.test", "198.18.0.1")
	for _, n := range p.nodes {
		p.within(time.Second, "both pairs", func() bool {
			got := p.run(n, "cluster", "mapping", "show")
			return strings.Contains(got, "tp1.example.test") && strings.Contains(got, "tp2.example.test")
		})
	}
	if got := p.run(one, "config", "history"); !strings.Contains(got, "at tp2") {
		p.t.Errorf("history: %s", got)
	}
	if got := p.refused(two, "cluster", "mapping", "add", "tp2.example.test", "198.18.0.3"); !strings.Contains(got, "already") {
		p.t.Errorf("twice: %s", got)
	}
	p.run(two, "cluster", "mapping", "remove", "tp1.example.test")
	for _, n := range p.nodes {
		p.within(time.Second, "one pair", func() bool { return !strings.Contains(p.run(n, "cluster", "mapping", "show"), "tp1.example.test") })
	}
}

// OP-02, facts A7.8
func oneSystemKey(p *pair, one, two *pairNode) {
	before := p.key(one)
	if p.key(two) != before {
		p.t.Error("the peers have different keys")
	}
	for _, n := range []*pairNode{two, one} { // on any peer
		p.run(n, "xcommand", "ForceSystemKeyUpdate")
		p.within(2*time.Second, "a new key on both", func() bool { return p.key(one) != before && p.key(one) == p.key(two) })
		before = p.key(one)
	}
	p.stop(two, unix.SIGKILL)
	p.start(two) // and can read its secrets with it
	p.formed()
}

// CL-15
func forcedUpdate(p *pair, one, two *pairNode) {
	p.run(two, "xcommand", "ForceConfigUpdate")
	if got := p.refused(one, "xcommand", "ForceConfigUpdate"); !strings.Contains(got, "is the configuration primary") {
		p.t.Errorf("on the primary: %s", got)
	}
	p.formed()
}

// CL-16, OP-06: a peer whose configuration and key are gone has them again from the other, were it the primary itself;
// what was in force stays so, and can be changed.
func lostConfiguration(p *pair, one, two *pairNode) {
	for i, n := range []*pairNode{two, one} {
		realm := fmt.Sprintf("kept%d.test", i)
		p.run(one, "config", "set", "turn.realm", realm)
		p.everywhere(time.Second, "the realm", func(n *pairNode) bool { return p.run(n, "config", "get", "turn.realm") == realm })
		p.stop(n, unix.SIGKILL)
		if err := os.RemoveAll(filepath.Join(n.state, configDir)); err != nil {
			p.t.Fatal(err)
		}
		p.start(n)
		p.formed()
		p.everywhere(5*time.Second, "what was in force", func(n *pairNode) bool { return p.run(n, "config", "get", "turn.realm") == realm })
		if p.key(one) != p.key(two) {
			p.t.Error("the peers have different keys")
		}
	}
}

// OP-01: a backup is made on any peer, and restored on none.
func restoreIsRefused(p *pair, _, two *pairNode) {
	file := filepath.Join(p.t.TempDir(), "tp2.backup")
	cmd := exec.Command(p.bin, "--state", two.state, "backup", file)
	cmd.Env = append(os.Environ(), passwordVariable+"=correct horse")
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	if got := p.refused(two, "restore", file); !strings.Contains(got, "member of a cluster") {
		p.t.Errorf("got %s", got)
	}
}

// CL-06: what waits for a restart is told by alarm on every peer, and taken back where it is set back.
func modeWaitsForRestart(p *pair, one, two *pairNode) {
	p.run(one, "config", "set", "cluster_mapping.mode", "on")
	if got := p.refused(one, "config", "set", "cluster_tls", "enforce"); !strings.Contains(got, "FQDN") { // CL-05
		p.t.Errorf("with addresses: %s", got)
	}
	p.run(two, "config", "set", "cluster.port", "4400")
	p.within(3*time.Second, "20007", func() bool { return p.stands(two, 20007) })
	p.run(two, "config", "set", "cluster.port", "4372")
	p.within(3*time.Second, "20007 lowered", func() bool { return !p.stands(two, 20007) })
}

func (p *pair) list(n *pairNode) string { return p.run(n, "config", "get", "cluster.peers") }

// CL-14, facts A7.8: an emptied list arms the reset, another one leaves it armed, the same one takes it back.
func leaveAndStay(p *pair, _, two *pairNode) {
	armed := func() bool {
		_, err := os.Stat(filepath.Join(two.state, resetFile))
		return !errors.Is(err, os.ErrNotExist)
	}
	p.run(two, "cluster", "leave", "--confirm", "tp2")
	if got := p.tried(two, "status"); !armed() || !strings.Contains(got, "factory reset") || !strings.Contains(got, "198.18.0.1, 198.18.0.2") {
		p.t.Errorf("armed %t: %s", armed(), got)
	}
	p.run(two, "config", "set", "cluster.peers", "198.18.0.2", "198.18.0.1")
	if !armed() {
		p.t.Error("another order took it back")
	}
	p.run(two, "config", "set", "cluster.peers", "198.18.0.1", "198.18.0.2")
	if got := p.tried(two, "status"); armed() || strings.Contains(got, "factory reset") {
		p.t.Errorf("armed %t: %s", armed(), got)
	}
	p.formed()
}

// CL-13, CL-14: who leaves is reset, keeps what a reset keeps, and does not come back by itself although its node file
// names the peers.
func leaveAndReset(p *pair, one, two *pairNode) {
	p.run(one, "account", "set", "anna", "--role", "admin", "--password-file", p.file("a password of anna's\n"))
	p.within(time.Second, "the administrator", func() bool { return strings.Contains(p.run(two, "account", "list"), "anna") })
	p.run(two, "cluster", "leave", "--confirm", "tp2")
	p.run(one, "cluster", "peer", "remove", "198.18.0.2")
	p.stop(two, unix.SIGTERM)
	p.start(two)
	var st api.Status
	if err := json.Unmarshal([]byte(p.tried(two, "status", "-o", "json")), &st); err != nil {
		p.t.Fatal(err)
	}
	if slices.ContainsFunc(st.Degraded, func(d string) bool { return strings.Contains(d, "factory reset") }) {
		p.t.Errorf("still to be reset: %v", st.Degraded)
	}
	if got := p.list(two); got != "" && got != "[]" {
		p.t.Errorf("it has peers again: %s", got)
	}
	if got := p.run(two, "config", "show"); strings.Contains(got, "alice") || !strings.Contains(got, "anna") || !strings.Contains(got, "tp2") {
		p.t.Errorf("after the reset: %s", got)
	}
	if _, err := os.Stat(filepath.Join(two.state, clusterDir)); !errors.Is(err, os.ErrNotExist) {
		p.t.Errorf("what it knew of the cluster is still there: %v", err)
	}
	p.within(10*time.Second, "the other alone, and well", func() bool { return !p.stands(one, 20004) })
	p.run(one, "config", "set", "turn.realm", "after.test")
}

func (p *pair) file(text string) string {
	p.t.Helper()
	name := filepath.Join(p.t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return name
}
