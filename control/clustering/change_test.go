package clustering

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
)

func standalone() *config.Node {
	n := config.Default()
	n.System.Name = "tp1"
	return n
}

// set returns a node with a list of peers.
func set(t *testing.T, primary int, peers ...string) *config.Node {
	t.Helper()
	n := standalone()
	n.Cluster.Name, n.Cluster.Primary, n.Cluster.Peers = "c1.example.test", primary, peers
	return n
}

// told writes operations as a line each.
func told(ops []config.Operation) string {
	var lines []string
	for _, o := range ops {
		text := o.Text
		if o.Texts != nil {
			text = "[" + strings.Join(o.Texts, " ") + "]"
		}
		lines = append(lines, fmt.Sprintf("%s %s", o.Path, text))
	}
	return strings.Join(lines, "; ")
}

// CL-02, CL-12, CL-13, CL-14, CL-22
func TestSteps(t *testing.T) {
	four := []string{"a.test", "b.test", "c.test", "198.18.0.4"}
	tests := []struct {
		name   string
		n      *config.Node
		do     func(*config.Node) ([]config.Operation, error)
		want   string
		refuse string // part of the error
	}{
		{"a cluster of one", standalone(), func(n *config.Node) ([]config.Operation, error) {
			return Join(n, Settings{Name: "c1.example.test", Peers: four[:1]})
		}, "cluster.name c1.example.test; cluster.peers [a.test]; cluster.primary 1", ""},
		{"join", standalone(), func(n *config.Node) ([]config.Operation, error) {
			return Join(n, Settings{Name: "c1.example.test", IP: "ipv6", Primary: 2, Peers: four[:2]})
		}, "cluster.name c1.example.test; cluster.ip ipv6; cluster.peers [a.test b.test]; cluster.primary 2", ""},
		{"join without a name", standalone(), func(n *config.Node) ([]config.Operation, error) {
			return Join(n, Settings{Peers: four[:1]})
		}, "", "no name"},
		{"join without a list", standalone(), func(n *config.Node) ([]config.Operation, error) {
			return Join(n, Settings{Name: "c1"})
		}, "", "which peers"},
		{"join without the primary", standalone(), func(n *config.Node) ([]config.Operation, error) {
			return Join(n, Settings{Name: "c1", Peers: four})
		}, "", "which peer is the primary"},
		{"join of a member", set(t, 1, four...), func(n *config.Node) ([]config.Operation, error) {
			return Join(n, Settings{Peers: four[:2], Primary: 1})
		}, "", "leave"},
		{"join again with the same list", set(t, 1, four...), func(n *config.Node) ([]config.Operation, error) {
			return Join(n, Settings{Peers: four, Primary: 1})
		}, "cluster.peers [a.test b.test c.test 198.18.0.4]; cluster.primary 1", ""},

		{"add", set(t, 1, four[:2]...), func(n *config.Node) ([]config.Operation, error) { return AddPeer(n, "c.test") }, "cluster.peers [a.test b.test c.test]", ""},
		{"add to a standalone node", standalone(), func(n *config.Node) ([]config.Operation, error) { return AddPeer(n, "c.test") }, "", "cluster of one"},
		{"add twice", set(t, 1, four...), func(n *config.Node) ([]config.Operation, error) { return AddPeer(n, "B.test") }, "", "peer 2 already"},
		{"add a seventh", set(t, 1, "a", "b", "c", "d", "e", "f"), func(n *config.Node) ([]config.Operation, error) { return AddPeer(n, "g") }, "", "at most 6"},

		{"remove behind the primary", set(t, 1, four...), func(n *config.Node) ([]config.Operation, error) { return RemovePeer(n, 1, "3") }, "cluster.peers [a.test b.test 198.18.0.4]", ""},
		{"remove before the primary", set(t, 3, four...), func(n *config.Node) ([]config.Operation, error) { return RemovePeer(n, 3, "a.test") }, "cluster.primary 2; cluster.peers [b.test c.test 198.18.0.4]", ""},
		{"remove the primary", set(t, 3, four...), func(n *config.Node) ([]config.Operation, error) { return RemovePeer(n, 1, "3") }, "", "another peer the primary"},
		{"remove this node", set(t, 3, four...), func(n *config.Node) ([]config.Operation, error) { return RemovePeer(n, 1, "a.test") }, "", "cluster leave"},
		{"remove a stranger", set(t, 3, four...), func(n *config.Node) ([]config.Operation, error) { return RemovePeer(n, 1, "5") }, "", `no peer "5"`},

		{"replace", set(t, 1, four...), func(n *config.Node) ([]config.Operation, error) { return ReplacePeer(n, "198.18.0.4", "d.test") }, "cluster.peers [a.test b.test c.test d.test]", ""},
		{"replace by one that is there", set(t, 1, four...), func(n *config.Node) ([]config.Operation, error) { return ReplacePeer(n, "198.18.0.4", "a.test") }, "", "peer 1 already"},

		{"primary", set(t, 1, four...), func(n *config.Node) ([]config.Operation, error) { return SetPrimary(n, "b.test") }, "cluster.primary 2", ""},
		{"primary out of the list", set(t, 1, four...), func(n *config.Node) ([]config.Operation, error) { return SetPrimary(n, "7") }, "", "no peer"},

		{"leave", set(t, 1, four...), func(n *config.Node) ([]config.Operation, error) { return Leave(n, Status{Own: 2, Acting: 1}) }, "cluster.peers []; cluster.primary 1", ""},
		{"the primary leaves", set(t, 1, four...), func(n *config.Node) ([]config.Operation, error) { return Leave(n, Status{Own: 1, Acting: 1}) }, "", "another peer the primary"},
		{"the last one leaves", set(t, 1, four[:1]...), func(n *config.Node) ([]config.Operation, error) { return Leave(n, Status{Own: 1, Acting: 1}) }, "cluster.peers []; cluster.primary 1", ""},
		{"leave nothing", standalone(), func(n *config.Node) ([]config.Operation, error) { return Leave(n, Status{}) }, "", "standalone"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ops, err := test.do(test.n)
			if test.refuse != "" {
				if !errors.Is(err, ErrStep) || !strings.Contains(err.Error(), test.refuse) {
					t.Fatalf("error %v, want one about %q", err, test.refuse)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, told(ops)); diff != "" {
				t.Error(diff)
			}
			if _, err := config.Apply(test.n, ops); err != nil {
				t.Errorf("the configuration does not take it: %v", err)
			}
		})
	}
}

// CL-05
func TestSetTLS(t *testing.T) {
	st := Status{Peers: []Peer{{Address: "a.test", Certificate: "Valid"}, {Address: "b.test", Certificate: "Invalid (expired)"}}}
	if _, err := SetTLS(st, "enforce", false); err == nil || !strings.Contains(err.Error(), "b.test is Invalid (expired)") {
		t.Errorf("error %v: it does not name what would be shut out", err)
	}
	for name, insist := range map[string]bool{"permissive": false, "enforce": true} {
		if ops, err := SetTLS(st, name, insist); err != nil || told(ops) != "cluster_tls "+name {
			t.Errorf("%s: %v, %v", name, ops, err)
		}
	}
	st.Peers[1].Certificate = ""
	if _, err := SetTLS(st, "enforce", false); err == nil || !strings.Contains(err.Error(), "not seen") {
		t.Errorf("error %v: a certificate that nobody has seen is not valid", err)
	}
}
