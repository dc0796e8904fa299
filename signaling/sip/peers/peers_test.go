package peers

import (
	"net/netip"
	"slices"
	"testing"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

var _ interface {
	Hop(uint8) (transport.Hop, bool)
	From(loop.Source) uint8
} = (*Table)(nil)

func at(host string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(host), port)
}

// RG-04, RG-08: calls go to peers that live and take them.
func TestHop(t *testing.T) {
	table := New(netip.Addr{})
	if _, ok := table.Hop(1); ok || table.From(loop.Source{Transport: loop.TLS}) != 0 {
		t.Error("a node of its own has a peer")
	}
	table.Set([]Peer{
		{Index: 1, Addr: at("10.0.0.1", 5061), Key: Key{1}},
		{Index: 2, Addr: at("::ffff:10.0.0.2", 5061), Key: Key{2}},
		{Index: 3, Addr: at("10.0.0.3", 5061), Key: Key{3}, Maintenance: true},
		{Index: 4, Addr: at("10.0.0.4", 0), Key: Key{4}},
		{Index: 5, Addr: at("10.0.0.5", 5061)},
		{Index: 6, Key: Key{6}},
	})
	for index, want := range map[uint8]netip.AddrPort{1: at("10.0.0.1", 5061), 2: at("10.0.0.2", 5061), 3: {}, 4: {}, 5: {}, 6: {}, 7: {}} {
		h, ok := table.Hop(index)
		if ok != want.IsValid() || h.Remote != want || ok && (h.Transport != loop.TLS || h.Key != Key{index}) {
			t.Errorf("peer %d: %v, %t", index, h, ok)
		}
	}
	own := New(netip.MustParseAddr("10.0.0.9")) // peers look at where a call comes from
	own.Set([]Peer{{Index: 1, Addr: at("10.0.0.1", 5061), Key: Key{1}}, {Index: 2, Addr: at("2001:db8::2", 5061), Key: Key{2}}})
	for index, want := range map[uint8]string{1: "10.0.0.9", 2: "invalid IP"} {
		if h, _ := own.Hop(index); h.Local.String() != want {
			t.Errorf("peer %d is called from %s", index, h.Local)
		}
	}
	if key, pinned := table.Pinned(at("10.0.0.2", 5061)); !pinned || key != (Key{2}) {
		t.Errorf("pinned %t, %x", pinned, key[:2])
	}
	for _, other := range []netip.AddrPort{at("10.0.0.2", 5060), at("10.0.0.5", 5061), at("10.0.0.9", 5061)} {
		if _, pinned := table.Pinned(other); pinned {
			t.Errorf("%s is nobody's", other)
		}
	}
}

// Who waits for a peer is told when it is lost, or another one.
func TestLost(t *testing.T) {
	table := New(netip.Addr{})
	var lost []uint8
	var back []bool
	table.Lost(func(was Peer, again bool) { lost, back = append(lost, was.Index), append(back, again) })
	one, two, three := Peer{Index: 1, Addr: at("10.0.0.1", 5061), Key: Key{1}}, Peer{Index: 2, Addr: at("10.0.0.2", 5061), Key: Key{2}}, Peer{Index: 3, Addr: at("10.0.0.3", 5061), Key: Key{3}}
	table.Set([]Peer{one, two, three})
	three.Maintenance = true // what rings there goes on
	table.Set([]Peer{one, two, three})
	if lost != nil {
		t.Errorf("lost %v, though all are there", lost)
	}
	two.Key = Key{9}
	table.Set([]Peer{two, three})
	if !slices.Equal(lost, []uint8{1, 2}) {
		t.Errorf("lost %v", lost)
	}
	three.Life++ // it runs anew
	table.Set([]Peer{two, three})
	if !slices.Equal(lost, []uint8{1, 2, 3}) || !slices.Equal(back, []bool{false, false, true}) {
		t.Errorf("lost %v, back %v", lost, back)
	}
	lost, three.Index = nil, 1 // entries before it were removed
	table.Set([]Peer{three})
	if !slices.Equal(lost, []uint8{2}) {
		t.Errorf("lost %v, want the one that is gone", lost)
	}
	if got := table.List(); len(got) != 1 {
		t.Errorf("%d are left", len(got))
	}
}
