package capture

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

var (
	server = at("198.18.0.1:3478")
	alice  = Relay{
		ID: 1, User: "alice", Client: at("198.18.0.2:4000"), Server: server,
		Relayed: []netip.AddrPort{at("198.18.1.1:24000"), at("[fd00::1]:24000")},
		Public:  []netip.AddrPort{at("203.0.113.9:24000"), at("[fd00::1]:24000")},
		Channels: []Channel{
			{0x4000, at("198.18.1.2:6000")}, {0x4001, at("198.18.1.2:6002")}, {0x4002, at("[fd00::2]:6000")},
		},
		Permissions: []netip.Addr{netip.MustParseAddr("198.18.1.2"), netip.MustParseAddr("198.18.1.3")},
	}
	// bob talks to alice through her relay, and his relay is chosen by nobody.
	bob = Relay{
		ID: 2, User: "bob", Client: at("198.18.0.3:4000"), Server: server, Relayed: []netip.AddrPort{at("198.18.1.1:24002")},
		Channels: []Channel{{0x4000, at("203.0.113.9:24000")}, {0x4001, at("198.18.1.9:1")}},
	}
	// carol comes over TCP.
	carol = Relay{ID: 3, User: "carol", Relayed: []netip.AddrPort{at("198.18.1.1:24004")}, Channels: []Channel{{0x4000, at("198.18.1.2:6000")}}}
)

const (
	channel = bpf.CaptureScopeSCOPE_CHANNEL
	remote  = bpf.CaptureScopeSCOPE_REMOTE
	address = bpf.CaptureScopeSCOPE_ADDRESS
	port    = bpf.CaptureScopeSCOPE_PORT
)

func TestKeys(t *testing.T) {
	up, down := relay.Up, relay.Down
	wholeAlice := map[key]owner{
		{scope: remote, local: server, remote: alice.Client}:                 {1, up},
		{scope: port, local: alice.Relayed[0]}:                               {1, down},
		{scope: port, local: alice.Relayed[1]}:                               {1, down},
		{scope: channel, local: server, remote: bob.Client, channel: 0x4000}: {1, down},
	}
	wholeBob := map[key]owner{
		{scope: remote, local: server, remote: bob.Client}: {2, up},
		{scope: port, local: bob.Relayed[0]}:               {2, down},
	}
	tests := []struct {
		name   string
		choose Selector
		want   map[key]owner
	}{
		{"by id, with whom it is joined", Selector{Relays: []uint64{1}}, wholeAlice},
		{"by user", Selector{Users: []string{"bob"}}, wholeBob},
		{"by client's address", Selector{Addresses: []netip.AddrPort{at("198.18.0.3:0")}}, wholeBob},
		{"by public address", Selector{Addresses: []netip.AddrPort{at("203.0.113.9:24000")}}, map[key]owner{
			{scope: remote, local: server, remote: alice.Client}:                    {1, up},
			{scope: port, local: alice.Relayed[0]}:                                  {1, down},
			{scope: port, local: alice.Relayed[1]}:                                  {1, down},
			{scope: channel, local: server, remote: bob.Client, channel: 0x4000}:    {2, up}, // his peer has that address
			{scope: remote, local: bob.Relayed[0], remote: at("203.0.113.9:24000")}: {2, down},
		}},
		{"both of the joined", Selector{Relays: []uint64{1, 2}}, map[key]owner{
			{scope: remote, local: server, remote: alice.Client}: {1, up},
			{scope: port, local: alice.Relayed[0]}:               {1, down},
			{scope: port, local: alice.Relayed[1]}:               {1, down},
			{scope: remote, local: server, remote: bob.Client}:   {2, up},
			{scope: port, local: bob.Relayed[0]}:                 {2, down},
		}},
		{"over TCP only the peers' side", Selector{Users: []string{"carol"}}, map[key]owner{{scope: port, local: carol.Relayed[0]}: {3, down}}},
		{"a peer", Selector{Addresses: []netip.AddrPort{at("198.18.1.2:6000")}}, map[key]owner{
			{scope: channel, local: server, remote: alice.Client, channel: 0x4000}:  {1, up},
			{scope: remote, local: alice.Relayed[0], remote: at("198.18.1.2:6000")}: {1, down},
			{scope: remote, local: carol.Relayed[0], remote: at("198.18.1.2:6000")}: {3, down},
		}},
		{"a peer without a channel", Selector{Addresses: []netip.AddrPort{at("198.18.1.3:0")}}, map[key]owner{
			{scope: address, local: alice.Relayed[0], remote: at("198.18.1.3:0")}: {1, down},
		}},
		{"nobody", Selector{Users: []string{"dave"}, Relays: []uint64{9}, Addresses: []netip.AddrPort{at("192.0.2.1:1")}}, map[key]owner{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.choose.keys([]Relay{alice, bob, carol})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(key{}, owner{}), cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTooManyKeys(t *testing.T) {
	many := make([]Relay, maxKeys)
	for i := range many {
		many[i] = Relay{ID: uint64(i), User: "u", Relayed: []netip.AddrPort{netip.AddrPortFrom(server.Addr(), uint16(i))}}
	}
	choose := Selector{Users: []string{"u"}}
	if _, err := choose.keys(many); err != nil {
		t.Error(err)
	}
	if _, err := choose.keys(append(many, alice, Relay{ID: 1 << 20, User: "u", Relayed: alice.Relayed})); !errors.Is(err, errTooMany) {
		t.Errorf("got %v", err)
	}
}

func TestOptions(t *testing.T) {
	got, err := Options{}.WithDefaults()
	want := Options{DefaultSnap, DefaultRate, DefaultDuration, DefaultPackets, DefaultBytes, defaultRing}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for name, o := range map[string]Options{
		"snap too short": {Snap: 10}, "snap too long": {Snap: 1 << 16}, "negative rate": {Rate: -1}, "rate too high": {Rate: MaxRate + 1},
		"no time": {Duration: -1}, "too long": {Duration: 2 * MaxDuration}, "odd ring": {Ring: 12345}, "huge ring": {Ring: 1 << 30},
	} {
		if _, err := o.WithDefaults(); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, s := range map[string]Selector{"nothing": {}, "too much": {Relays: make([]uint64, MaxSelected+1)}} {
		if err := s.Check(); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
