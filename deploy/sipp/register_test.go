package sipp_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/deploy/sipp/agent"
	"turnpike.dev/turnpike/deploy/sipp/baresip"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
)

// registering is a SIPp that registers an account's contact at its own address.
func (n *node) registering(scenario, name, secret string, from netip.AddrPort) runner.Config {
	return runner.Config{
		Host: n.Lab.Client, Scenario: scenario, Local: from, Target: n.near(), Calls: 1,
		Users: []string{runner.User(name, domain, secret)},
	}
}

// contacts are the bindings that `turnpike registration list` shows.
func (n *node) contacts(t *testing.T) []string {
	t.Helper()
	var list []struct {
		Contact string `json:"contact"`
	}
	if err := json.Unmarshal([]byte(n.Command(t, 0, "registration", "list", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range list {
		all = append(all, r.Contact)
	}
	return all
}

// RG-01: digest by MD5; a wrong password and an unknown name look the same; a contact goes
// when it says so.
func TestRegister(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(n.Lab.ClientAddrs.V4[1], port) }
	all(t, 1)(runner.Run(t.Context(), n.registering("register-wrong", "alice", "wrong", at(6001))))
	all(t, 1)(runner.Run(t.Context(), n.registering("register-wrong", "mallory", password, at(6001))))
	if got := n.contacts(t); len(got) != 0 {
		t.Fatalf("registered with a wrong password: %s", got)
	}
	all(t, 1)(runner.Run(t.Context(), n.registering("register", "alice", password, at(6002))))
	if got := n.contacts(t); len(got) != 1 || !strings.Contains(got[0], at(6002).String()) {
		t.Fatalf("registered %s, want alice's contact at %s", got, at(6002))
	}
	all(t, 1)(runner.Run(t.Context(), n.registering("unregister", "alice", password, at(6002))))
	if got := n.contacts(t); len(got) != 0 {
		t.Errorf("still registered: %s", got)
	}
}

// RFC 3261 16.6: a call to an account with two contacts rings at both; the one that
// answers has it and the other is cancelled.
func TestForkToTwoContacts(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	const number = 3
	answers, rings := netip.AddrPortFrom(n.Lab.ClientAddrs.V4[1], 6010), netip.AddrPortFrom(n.Lab.ClientAddrs.V4[2], 6020)
	for _, at := range []netip.AddrPort{answers, rings} {
		all(t, 1)(runner.Run(t.Context(), n.registering("register", "bob", password, at)))
	}
	ringing := begin(t, runner.Config{Host: n.Lab.Client, Scenario: "cancelled-callee", Local: rings, Calls: number})
	answering := begin(t, runner.Config{Host: n.Lab.Client, Scenario: "callee", Local: answers, MediaPort: 6100, Calls: number})
	c := n.calling("caller", "bob", number)
	c.Domain, c.Hold, c.Rate = domain, 500*time.Millisecond, 2
	all(t, number)(runner.Run(t.Context(), c))
	all(t, number)(answering.Wait(t.Context()))
	all(t, number)(ringing.Wait(t.Context()))
}

// RG-01: phones on another stack register by SHA-256 and call each other over TLS, TCP and
// UDP, and every packet arrives.
func TestAgentsOverEveryTransport(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tls", "tcp", "udp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, withSIP("digest: sha256_first"))
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			bob := n.agent(ctx, t, n.Lab.Peer, agent.Options{Name: "bob", Transport: transport, Local: netip.AddrPortFrom(n.Lab.PeerAddrs.V4[1], 5066), Server: n.far()})
			alice := n.agent(ctx, t, n.Lab.Client, agent.Options{Name: "alice", Transport: transport, Local: netip.AddrPortFrom(n.Lab.ClientAddrs.V4[1], 5066), Server: n.near(), Call: "bob"})
			up, err := alice.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			down, err := bob.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if up.Sent == 0 || up.Received != down.Sent || down.Received != up.Sent {
				t.Errorf("alice %+v, bob %+v, want all that was sent", up, down)
			}
			sum := onXDP(t, n.ended(t, "bob", 1), 1)
			if int(sum.fromCallers) != up.Sent || int(sum.fromCallees) != down.Sent {
				t.Errorf("the node carried %d and %d packets, want %d and %d", sum.fromCallers, sum.fromCallees, up.Sent, down.Sent)
			}
		})
	}
}

// agent starts one that has registered by SHA-256, which is offered first (RFC 8760 2.4).
func (n *node) agent(ctx context.Context, t *testing.T, h *lab.Host, o agent.Options) *agent.Process {
	t.Helper()
	o.Password, o.Domain, o.Talk, o.Register = password, domain, 2*time.Second, true
	if o.Transport == "tls" {
		o.Server = netip.AddrPortFrom(o.Server.Addr(), tlsPort)
	}
	p, err := agent.Start(h, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if r, err := p.Next(ctx); err != nil || r.Algorithm != "sha-256" {
		t.Fatalf("%s: %+v, %v, want a registration by SHA-256", o.Name, r, err)
	}
	return p
}

// Two real phones register over UDP, TCP and TLS and call each other; what one sends the
// other gets, by the kernel.
func TestPhonesOverEveryTransport(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			m := n.media(t)
			alice := n.phone(ctx, t, baresip.Config{Host: n.Lab.Client, Name: "alice", Transport: transport, Local: netip.AddrPortFrom(n.Lab.ClientAddrs.V4[1], 5066), Server: n.near()})
			bob := n.phone(ctx, t, baresip.Config{Host: n.Lab.Peer, Name: "bob", Transport: transport, Local: netip.AddrPortFrom(n.Lab.PeerAddrs.V4[1], 5066), Server: n.far()})
			if err := baresip.Call(ctx, alice, bob, "sip:bob@"+domain); err != nil {
				t.Fatal(err)
			}
			if err := baresip.Talk(ctx, m.near, 100); err != nil {
				t.Fatal(err)
			}
			if err := baresip.HangUp(ctx, alice, bob); err != nil {
				t.Fatal(err)
			}
			m.checkPhones(t, onXDP(t, n.ended(t, "bob", 1), 1))
		})
	}
}

// checkPhones compares both ends of phones that talk until they hang up. Bob does so until he
// hears of it: what he sends meanwhile finds no relay.
func (m media) checkPhones(t *testing.T, sum carried) {
	t.Helper()
	const late = 10 // RTP and RTCP
	sent, back, err := m.near.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	returned, arrived, err := m.far.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if arrived > sent || sent-arrived > late || back > returned || returned-back > late {
		t.Errorf("alice sent %d and bob got %d; bob sent %d and alice got %d", sent, arrived, returned, back)
	}
	t.Logf("alice sent %d, bob got %d; bob sent %d, alice got %d; the node carried %d and %d", sent, arrived, returned, back, sum.fromCallers, sum.fromCallees)
}

func (n *node) phone(ctx context.Context, t *testing.T, c baresip.Config) *baresip.Phone {
	t.Helper()
	c.Password, c.Domain, c.Control = password, domain, 4444
	if c.Transport == "tls" {
		c.Server = netip.AddrPortFrom(c.Server.Addr(), tlsPort)
	}
	p, err := baresip.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if _, err := p.Await(ctx, baresip.Registered); err != nil {
		t.Fatal(err)
	}
	return p
}
