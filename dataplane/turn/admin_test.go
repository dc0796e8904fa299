package turn

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/pion/stun/v3"
)

func TestKill(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	c.allocate()
	c.bind(0x4000, peerAddr)
	if err := w.server.Kill(2); !errors.Is(err, ErrNoAllocation) {
		t.Errorf("kill of nobody: %v", err)
	}
	if err := w.server.Kill(1); err != nil {
		t.Errorf("kill: %v", err)
	}
	if h := w.holds(); h != (holds{Sockets: 2, Ports: 2}) {
		t.Errorf("left behind: %+v", h)
	}
	if got := codeOf(c.do(stun.MethodRefresh)); got != 437 {
		t.Errorf("refresh answered with %d, want 437", got)
	}
}

// A revoked user's media stops at once, others' goes on.
func TestSetUsers(t *testing.T) {
	w := newWorld(t, nil)
	u, v, rest := w.client(), w.client(), w.client()
	v.addr, v.user, v.pass = withPort(clientAddr, 40001), "v", "q"
	rest.addr, rest.user = withPort(clientAddr, 40002), "9999999999:alice"
	rest.pass = timeLimitedPassword("secret", rest.user)
	for i, c := range []*testClient{u, v, rest} {
		c.allocate()
		c.bind(0x4000, withPort(peerAddr, uint16(6000+i)))
	}
	w.server.SetUsers(map[string]string{"v": "changed"}, []string{"secret"})
	if n := len(w.server.Allocations()); n != 2 || w.holds().Pairs != 2 {
		t.Errorf("%d allocations, the node holds %+v; want two", n, w.holds())
	}
	if got := codeOf(v.do(stun.MethodRefresh)); got != 401 {
		t.Errorf("old password answered with %d, want 401", got)
	}
	v.pass = "changed"
	v.must(stun.MethodRefresh)
	w.server.SetUsers(map[string]string{"v": "changed"}, nil)
	if all := w.server.Allocations(); len(all) != 1 || all[0].User != "v" {
		t.Errorf("without the secret: %+v", all)
	}
	if got := codeOf(u.exchange(u.sign(message(stun.MethodAllocate, stun.ClassRequest, udpTransport())))); got != 401 {
		t.Errorf("revoked user answered with %d, want 401", got)
	}
}

func TestAllocationsAndStats(t *testing.T) {
	w := newWorld(t, behindNAT)
	c := w.client()
	x := c.allocate()[0]
	c.bind(0x4000, peerAddr)
	got := w.server.Allocations()
	local := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.5"), x.Port())
	want := []Allocation{{
		ID: 1, User: "u", Transport: UDP, Client: clientAddr, Server: serverAddr,
		Relays: []Relay{{
			Relay: local, Public: x,
			Permissions: []Permission{{Peer: peerAddr.Addr()}},
			Channels:    []Channel{{Number: 0x4000, Peer: peerAddr, PairID: 1, Installed: true}},
		}},
	}}
	ignore := cmp.Options{
		compareRecords, cmpopts.IgnoreFields(Allocation{}, "Created"), cmpopts.IgnoreFields(Relay{}, "Expires"),
		cmpopts.IgnoreFields(Permission{}, "Expires"), cmpopts.IgnoreFields(Channel{}, "Expires"),
	}
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Errorf("allocations (-want +got):\n%s", diff)
	}
	stats := w.server.Stats()
	wantStats := Stats{
		Requests: map[string]uint64{"Allocate": 2, "ChannelBind": 1}, Answers: map[int]uint64{0: 2, 401: 1},
		ConnectionsRefused: map[string]uint64{},
		Allocations:        1, Relays: 1,
	}
	for _, why := range refusalNames {
		wantStats.ConnectionsRefused[why] = 0 // each is there before it happens
	}
	if diff := cmp.Diff(wantStats, stats); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

func TestConfigThatCannotWork(t *testing.T) {
	for name, edit := range map[string]func(*Config){
		"no realm":                 func(c *Config) { c.Realm = "" },
		"no relay address":         func(c *Config) { c.RelayAddrs = nil },
		"two of a family":          func(c *Config) { c.RelayAddrs[1] = RelayAddr{Local: publicAddr} },
		"public of another family": func(c *Config) { c.RelayAddrs[0].Public = relay6Addr },
		"no ports":                 func(c *Config) { c.PortMax = c.PortMin - 1 },
		"wildcard":                 func(c *Config) { c.Listen[0] = netip.MustParseAddrPort("0.0.0.0:3478") },
	} {
		if _, err := New(edited(edit), nil, nil, nil, discard{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
