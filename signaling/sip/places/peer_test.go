package places

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/signaling/sip/peers"
)

// RG-01, RG-03, RG-04: a registration on a peer is reached there; one here with flows to peers too
// is reached over those last; a peer that is lost or in maintenance is left out.
func TestPeers(t *testing.T) {
	set := func(list ...uint8) (s dialplan.PeerSet) {
		for _, i := range list {
			s = s.With(i)
		}
		return s
	}
	two, three := "sip:bob@example.com to tls 10.0.0.22:5061 from 10.0.0.1 nearby", "sip:bob@example.com to tls 198.51.100.23:5061 from 198.51.100.1"
	here := "sip:bob@10.0.0.7:5062 to udp 10.0.0.7:5062 from 10.0.0.1 nearby nat 10.0.0.7"
	for _, tc := range []struct {
		name  string
		here  bool
		peer  uint8
		also  dialplan.PeerSet
		want  []string
		wrong error
	}{
		{"on a peer", false, 2, 0, []string{two}, nil},
		{"on two peers", false, 2, set(3, 4, 5), []string{two, three}, nil},
		{"the first one is lost", false, 4, set(3), []string{three}, nil},
		{"all are lost", false, 4, set(5), nil, ErrNowhere},
		{"here and on a peer", true, 0, set(3), []string{here, three}, nil},
		{"gone from here, and on a peer", false, 0, set(2), []string{two}, nil},
		{"this node has no cluster any more", false, 6, 0, nil, ErrNowhere},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			table := peers.New(netip.Addr{})
			at := func(index uint8, addr string) peers.Peer {
				return peers.Peer{Index: index, Addr: netip.MustParseAddrPort(addr), Key: peers.Key{index}}
			}
			resting := at(5, "10.0.0.25:5061")
			resting.Maintenance = true
			table.Set([]peers.Peer{at(2, "10.0.0.22:5061"), at(3, "198.51.100.23:5061"), resting})
			r.Peers = table
			target := r.target(t, "local", "bob@example.com")
			if tc.here {
				target = r.register(t, registrations.Binding{
					Contact: "sip:bob@10.0.0.7:5062", Transport: "udp", Source: netip.MustParseAddrPort("10.0.0.7:40000"), Local: netip.MustParseAddrPort("10.0.0.1:5060"),
				})
			}
			target.Kind, target.Binding.Peer, target.Peers = dialplan.ToBinding, tc.peer, tc.also
			target.Binding.Endpoint, target.More = 7, []uint64{8}
			list, asked, err := r.find(target)
			if diff := cmp.Diff(tc.want, texts(list)); diff != "" || !errors.Is(err, tc.wrong) || asked {
				t.Errorf("asked %t, error %v\n%s", asked, err, diff)
			}
			for _, p := range list {
				if p.Peer != 0 && !slices.Equal(p.Endpoints, []uint64{7, 8}) || p.Peer == 0 && p.Endpoints != nil || p.Zone.Name != "local" {
					t.Errorf("place %+v", p)
				}
			}
		})
	}
	r := newRig(t) // a name without a domain
	r.Peers = peers.New(netip.Addr{})
	r.Peers.(*peers.Table).Set([]peers.Peer{{Index: 2, Addr: netip.MustParseAddrPort("[2001:db8::22]:5061"), Key: peers.Key{2}}})
	target := r.target(t, "local", "1234")
	target.Kind, target.Binding.Peer = dialplan.ToBinding, 2
	list, _, err := r.find(target)
	if diff := cmp.Diff([]string{"sip:1234@[2001:db8::22]:5061 to tls [2001:db8::22]:5061 from 2001:db8::1"}, texts(list)); diff != "" || err != nil {
		t.Errorf("error %v\n%s", err, diff)
	}
}
