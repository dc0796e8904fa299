package usage

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/rows"
)

// peerWith is a peer with so many relays free of 640, at 198.51.100.n.
func peerWith(n byte, free uint32, edit func(*Usage)) Usage {
	u := Usage{Relays: Amount{640 - free, 640}, TURN: TURN{Port: 3478, TCP: true, Free: free, TLS: 5349, FreeTLS: free, IPv4: true, IPv6: true, Domain: "tp.example.test"}}
	u.TURN.Addrs[External] = [2]netip.Addr{netip.AddrFrom4([4]byte{198, 51, 100, n}), netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: n})}
	u.TURN.Addrs[Internal][0] = netip.AddrFrom4([4]byte{10, 0, 0, n})
	if edit != nil {
		edit(&u)
	}
	return u
}

func (t *Table) learn(id cluster.ID, u Usage) {
	t.Changed([]rows.Changed{{Key: Key(id), Found: true, Owner: id, Row: rows.Row{Value: encode(u)}}})
}

// CA-04: the peer with most free relays, of those that the visitor can use.
func TestAlternate(t *testing.T) {
	udp := Visitor{IPv4: true, Relays: 1}
	for _, tt := range []struct {
		name    string
		peers   map[cluster.ID]Usage
		visitor Visitor
		want    string // and what else; empty: nobody
	}{
		{"most free", map[cluster.ID]Usage{"b": peerWith(2, 100, nil), "c": peerWith(3, 200, nil), "d": peerWith(4, 50, nil)}, udp, "198.51.100.3:3478 [2001:db8::3]:3478 tp.example.test"},
		{"equal", map[cluster.ID]Usage{"c": peerWith(3, 100, nil), "b": peerWith(2, 100, nil)}, udp, "198.51.100.2:3478 [2001:db8::2]:3478 tp.example.test"},
		{"over IPv6", map[cluster.ID]Usage{"b": peerWith(2, 100, nil)}, Visitor{V6: true, IPv4: true, Relays: 1}, "[2001:db8::2]:3478 198.51.100.2:3478 tp.example.test"},
		{"over TLS", map[cluster.ID]Usage{"b": peerWith(2, 100, nil)}, Visitor{TCP: true, TLS: true, IPv4: true, Relays: 1}, "198.51.100.2:5349 [2001:db8::2]:5349 tp.example.test"},
		{"from inside", map[cluster.ID]Usage{"b": peerWith(2, 100, nil)}, Visitor{Side: Internal, IPv4: true, Relays: 1}, "10.0.0.2:3478 invalid AddrPort tp.example.test"},
		{"from inside over IPv6, which it has not there", map[cluster.ID]Usage{"b": peerWith(2, 100, nil)}, Visitor{Side: Internal, V6: true, IPv4: true, Relays: 1}, ""},
		{"from a side that is none", map[cluster.ID]Usage{"b": peerWith(2, 100, nil)}, Visitor{Side: sides, IPv4: true, Relays: 1}, ""},
		{"full", map[cluster.ID]Usage{"b": peerWith(2, 0, nil)}, udp, ""},
		{"what is spared", map[cluster.ID]Usage{"b": peerWith(2, 10, nil)}, udp, ""},
		{"one more than is spared", map[cluster.ID]Usage{"b": peerWith(2, 11, nil)}, udp, "198.51.100.2:3478 [2001:db8::2]:3478 tp.example.test"},
		{"one for two", map[cluster.ID]Usage{"b": peerWith(2, 11, nil)}, Visitor{IPv4: true, IPv6: true, Relays: 2}, ""},
		{"in maintenance, or of another version", map[cluster.ID]Usage{"b": peerWith(2, 100, func(u *Usage) { u.TURN = TURN{} })}, udp, ""},
		{"without TCP", map[cluster.ID]Usage{"b": peerWith(2, 100, func(u *Usage) { u.TURN.TCP = false })}, Visitor{TCP: true, IPv4: true, Relays: 1}, ""},
		{"without TLS", map[cluster.ID]Usage{"b": peerWith(2, 100, func(u *Usage) { u.TURN.TLS = 0 })}, Visitor{TCP: true, TLS: true, IPv4: true, Relays: 1}, ""},
		{"full over TLS", map[cluster.ID]Usage{"b": peerWith(2, 100, func(u *Usage) { u.TURN.FreeTLS = 0 })}, Visitor{TCP: true, TLS: true, IPv4: true, Relays: 1}, ""},
		{"full but for TLS", map[cluster.ID]Usage{"b": peerWith(2, 0, func(u *Usage) { u.TURN.FreeTLS = 100 })}, Visitor{TCP: true, TLS: true, IPv4: true, Relays: 1}, "198.51.100.2:5349 [2001:db8::2]:5349 tp.example.test"},
		{"full over TLS, and not for others", map[cluster.ID]Usage{"b": peerWith(2, 100, func(u *Usage) { u.TURN.FreeTLS = 0 })}, udp, "198.51.100.2:3478 [2001:db8::2]:3478 tp.example.test"},
		{"without relays of the family", map[cluster.ID]Usage{"b": peerWith(2, 100, func(u *Usage) { u.TURN.IPv6 = false })}, Visitor{IPv6: true, Relays: 1}, ""},
		{"any family", map[cluster.ID]Usage{"b": peerWith(2, 100, func(u *Usage) { u.TURN.IPv6 = false })}, Visitor{Relays: 1}, "198.51.100.2:3478 [2001:db8::2]:3478 tp.example.test"},
		{"nobody but the node itself", map[cluster.ID]Usage{"a": peerWith(1, 100, nil)}, udp, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := New("a", func() Usage { return some })
			for id, u := range tt.peers {
				table.learn(id, u)
			}
			got := ""
			if to, ok := table.Alternate(tt.visitor); ok {
				got = to.Addr.String() + " " + to.Other.String() + " " + to.Domain
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A lost peer has no row.
func TestNobodyIsSentToALostPeer(t *testing.T) {
	table := New("a", func() Usage { return some })
	table.learn("b", peerWith(2, 100, nil))
	table.Changed([]rows.Changed{{Key: Key("b")}})
	if to, ok := table.Alternate(Visitor{IPv4: true, Relays: 1}); ok {
		t.Errorf("sent to %v", to)
	}
}

// Who was sent to a peer counts there before its row tells, or did not come.
func TestWhoWasSentCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New("a", func() Usage { return some })
		table.learn("b", peerWith(2, 13, nil)) // 10 are spared
		table.learn("c", peerWith(3, 12, nil))
		to := func(want byte, when string) {
			t.Helper()
			got := byte(0)
			if x, ok := table.Alternate(Visitor{IPv4: true, Relays: 1}); ok {
				got = x.Addr.Addr().As4()[3]
			}
			if got != want {
				t.Errorf("%s: sent to .%d, want .%d", when, got, want)
			}
		}
		for i, want := range []byte{2, 2, 3, 2, 3, 0, 0} {
			to(want, "visitor "+string(rune('1'+i)))
		}
		table.learn("c", peerWith(3, 12, nil))
		to(0, "its row was written before they got there")
		time.Sleep(comeTime)
		table.learn("c", peerWith(3, 11, nil))
		to(3, "its row is new")
		to(0, "and one came")
		time.Sleep(sentTime + time.Millisecond)
		to(2, "they did not come")
	})
}

// The node's own row goes out when somebody is sent away: it is full.
func TestWhoIsFullTellsAtOnce(t *testing.T) {
	table := New("a", func() Usage { return some })
	table.Alternate(Visitor{})
	select {
	case <-table.soon:
	default:
		t.Error("peers are not told")
	}
}

func BenchmarkAlternate(b *testing.B) {
	table := New("a", func() Usage { return some })
	for i := range byte(5) {
		table.learn(cluster.ID(rune('b'+i)), peerWith(i, 640, func(u *Usage) { u.Relays.Max, u.TURN.Free = 1<<30, 1<<30 }))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := table.Alternate(Visitor{IPv4: true, Relays: 1}); !ok {
			b.Fatal("nobody")
		}
	}
}
