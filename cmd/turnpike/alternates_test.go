package main

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/control/config"
	inuse "turnpike.dev/turnpike/control/usage"
	"turnpike.dev/turnpike/dataplane/turn"
)

// twoSides is a node's own, outside of which a NAT is.
var twoSides = []side{
	{name: "s0", internal: true, addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.9")}},
	{name: "s1", addrs: []netip.Addr{netip.MustParseAddr("192.168.0.1"), netip.MustParseAddr("2001:db8::1")}},
}

func alternatesOf(t *testing.T, interfaces string) *alternates {
	t.Helper()
	c, err := config.Parse("node.yaml", []byte("system: {name: tp1}\ninterfaces: {"+interfaces+"}\nturn: {tls: {}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return newAlternates(&node{sides: twoSides}, c)
}

// CA-04, ME-04: clients of peers are told the address that they know, on their side.
func TestWhereClientsOfPeersAreTaken(t *testing.T) {
	a := alternatesOf(t, "internal: {name: s0}, external: {name: s1, static_nat: 203.0.113.7}")
	want := inuse.TURN{
		Addrs: [2][2]netip.Addr{
			inuse.External: {netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::1")},
			inuse.Internal: {netip.MustParseAddr("10.0.0.1")},
		},
		TLS: 5349, TCP: true, IPv4: true, IPv6: true,
	}
	if diff := cmp.Diff(want, a.place, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if got := a.here(); got != (inuse.TURN{}) {
		t.Errorf("before TURN listens: %+v", got)
	}
}

// A client is sent to a peer's address on the side that it came by.
func TestAlternateOnItsSide(t *testing.T) {
	a := alternatesOf(t, "internal: {name: s0}, external: {name: s1}")
	peer := inuse.Usage{Relays: inuse.Amount{Max: 100}, TURN: a.place}
	peer.TURN.Port, peer.TURN.Free, peer.TURN.FreeTLS = 3478, 100, 100
	peer.TURN.Addrs[inuse.Internal][0] = netip.MustParseAddr("10.0.0.2")
	peer.TURN.Addrs[inuse.External] = [2]netip.Addr{netip.MustParseAddr("203.0.113.8"), netip.MustParseAddr("2001:db8::2")}
	row := inuse.New("b", func() inuse.Usage { return peer }).Row()
	a.node.shared = &shared{usage: inuse.New("a", func() inuse.Usage { return inuse.Usage{} })}
	a.node.shared.usage.Changed([]rows.Changed{{Key: inuse.Key("b"), Found: true, Owner: cluster.ID("b"), Row: row}})
	for _, tt := range []struct {
		at        string
		transport turn.Transport
		want      string // empty: nobody
	}{
		{"192.168.0.1:3478", turn.UDP, "203.0.113.8:3478"},
		{"[2001:db8::1]:3478", turn.TCP, "[2001:db8::2]:3478"},
		{"192.168.0.1:5349", turn.TLS, "203.0.113.8:5349"},
		{"10.0.0.9:3478", turn.UDP, "10.0.0.2:3478"},
		{"10.7.7.7:3478", turn.UDP, ""},
	} {
		to, ok := a.Instead(turn.Visitor{Server: netip.MustParseAddrPort(tt.at), Transport: tt.transport, IPv4: true, Relays: 1})
		if got := to.Addr.String(); ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("a client of %s is sent to %s, %v; want %s", tt.at, got, ok, tt.want)
		}
	}
}
