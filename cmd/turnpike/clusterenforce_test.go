package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/clustering"
)

func (p *pair) status(n *pairNode) (st clustering.Status) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.tried(n, "cluster", "status", "-o", "json")), &st); err != nil {
		p.t.Fatal(err)
	}
	return st
}

// everywhere waits until something is so on both.
func (p *pair) everywhere(d time.Duration, what string, so func(*pairNode) bool) {
	p.t.Helper()
	for _, n := range p.nodes {
		p.within(d, what, func() bool { return so(n) })
	}
}

// CL-05, CL-06, CL-07, CL-20, CL-22, facts A7.6: the procedure from addresses to names, one peer at a time, then
// to Enforce: certificates first, the mode on the primary, the restart in its order. The cluster shares its configuration
// all the time.
func TestAddressesThenNamesThenEnforce(t *testing.T) {
	p := newPair(t)
	one, two := p.nodes[0], p.nodes[1]
	p.formed()
	names := []string{"tp1.example.test", "tp2.example.test"}
	for i, name := range names {
		p.run(two, "cluster", "mapping", "add", name, p.status(one).Peers[i].Address)
	}
	p.run(one, "config", "set", "cluster_mapping.mode", "on")

	for i, own := range []*pairNode{two, one} {
		at := 1 - i // the other's entry last
		for _, n := range p.nodes {
			p.run(n, "cluster", "peer", "replace", p.status(n).Peers[at].Address, names[at])
		}
		p.within(3*time.Second, "20007 where the own entry changed", func() bool { return p.stands(own, 20007) })
		p.restart(own)
		p.formed()
		p.everywhere(5*time.Second, "no alarm of it", func(n *pairNode) bool { return !p.stands(n, 20007) && !p.stands(n, 20012) && !p.stands(n, 20004) })
		p.run(one, "config", "set", "turn.realm", names[at])
		p.within(time.Second, "a change", func() bool { return p.run(two, "config", "get", "turn.realm") == names[at] })
	}

	all := ""
	for i, n := range p.nodes {
		key, chain := ownCertificate(t, names[i])
		all += chain
		p.run(n, "certificate", "upload", p.file(chain), p.file(key))
	}
	for _, line := range [][]string{ // CL-05: not yet, wherever it is typed
		{"cluster", "tls", "enforce"},
		{"config", "set", "cluster_tls", "enforce"},
		{"config", "set", "--try", "cluster_tls", "enforce"},
		{"xconfiguration", "Alternates", "TLS", "Verify", "Mode:", "Enforcing"},
	} {
		if got := p.refused(one, line...); !strings.Contains(got, names[1]+" is Invalid") {
			t.Errorf("%v is refused with %q, which does not name the peer", line, got)
		}
	}
	p.run(one, "config", "set", "--insist", "cluster_tls", "enforce")
	p.run(one, "config", "set", "cluster_tls", "permissive")
	for _, n := range p.nodes {
		p.run(n, "certificate", "trust", p.file(all))
	}
	for _, n := range p.nodes { // a certificate is shown when a connection begins
		p.restart(n)
	}
	p.everywhere(30*time.Second, "valid certificates", func(n *pairNode) bool {
		for _, peer := range p.status(n).Peers {
			if peer.Certificate != "Valid" {
				return false
			}
		}
		return true
	})
	p.formed()

	p.run(one, "cluster", "tls", "enforce")
	p.everywhere(3*time.Second, "20007 and 20020", func(n *pairNode) bool { return p.stands(n, 20007) && p.stands(n, 20020) })
	p.run(one, "cluster", "tls", "permissive") // and back
	p.everywhere(3*time.Second, "no alarm", func(n *pairNode) bool { return !p.stands(n, 20007) && !p.stands(n, 20020) })
	p.run(one, "cluster", "tls", "enforce")
	p.formed()
	p.run(one, "cluster", "restart")
	p.formed()
	p.everywhere(5*time.Second, "Enforce", func(n *pairNode) bool {
		return p.status(n).TLS.Active == "enforce" && !p.stands(n, 20007) && !p.stands(n, 20020)
	})
	p.run(one, "config", "set", "turn.realm", "enforced.test")
	p.within(time.Second, "a change", func() bool { return p.run(two, "config", "get", "turn.realm") == "enforced.test" })
}

// restart restarts a node by command and waits until it runs anew.
func (p *pair) restart(n *pairNode) {
	p.t.Helper()
	before := p.started(n)
	p.run(n, "restart")
	p.within(20*time.Second, "the start", func() bool { return p.started(n).After(before) })
}

// started is when a node that is ready began; zero: it is not ready.
func (p *pair) started(n *pairNode) time.Time {
	st, err := api.NewClient(n.state).Status(p.t.Context())
	if err != nil || st.State != api.Ready {
		return time.Time{}
	}
	return st.Started
}
