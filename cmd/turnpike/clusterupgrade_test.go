package main

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// release builds the program as another version.
func (p *pair) release(name string) string {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "turnpike-"+name)
	if out, err := exec.Command("go", "build", "-o", file, "-ldflags", "-X main.release="+name, ".").CombinedOutput(); err != nil {
		p.t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return file
}

// upgrade starts a node with another version.
func (p *pair) upgrade(n *pairNode, bin string) {
	p.t.Helper()
	p.stop(n, unix.SIGTERM)
	p.bin = bin
	p.start(n)
}

// CL-10, OP-03, facts A7.8: while peers run different versions the configuration waits, and 20008 says so; it goes on, and the
// alarm clears by itself, when they are equal. The primary first; in the wrong order the cure is to upgrade the
// primary too, and ForceConfigUpdate is none.
func TestUpgradePeerByPeer(t *testing.T) {
	p := newPair(t)
	one, two := p.nodes[0], p.nodes[1]
	p.formed()
	first, second := p.bin, p.release("2.0.0")
	realm := func(n *pairNode) string { return p.run(n, "config", "get", "turn.realm") }
	for _, step := range []struct {
		name, bin     string
		first, second *pairNode
	}{
		{"the primary first", second, one, two},
		{"the wrong order", first, two, one}, // back again
	} {
		t.Run(step.name, func(t *testing.T) {
			old := p.t
			p.t = t
			defer func() { p.t = old }()
			p.upgrade(step.first, step.bin)
			p.everywhere(15*time.Second, "20008", func(n *pairNode) bool { return p.stands(n, 20008) })
			before := realm(two)
			want := "of " + filepath.Base(step.bin)
			p.run(one, "config", "set", "turn.realm", want)
			p.run(two, "xcommand", "ForceConfigUpdate")
			p.within(5*time.Second, "what the other has", func() bool {
				for _, peer := range p.status(two).Peers {
					if peer.Primary && peer.Digest == p.status(one).Self().Digest {
						return true
					}
				}
				return false
			})
			if got := realm(two); got != before || realm(one) != want {
				t.Errorf("another version's document was taken: %s", got)
			}
			p.upgrade(step.second, step.bin)
			p.formed()
			p.within(5*time.Second, "what waited", func() bool { return realm(two) == want })
			p.everywhere(5*time.Second, "no 20008", func(n *pairNode) bool { return !p.stands(n, 20008) })
		})
	}
}
