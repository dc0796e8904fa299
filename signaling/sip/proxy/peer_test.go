package proxy

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/peers"
)

var local = &zones.Zone{Name: "local", Type: zones.Local}

// RG-01: a message to somebody on a peer goes there with what the peer has to know; nobody else is
// told, whatever the sender wrote.
func TestToAPeer(t *testing.T) {
	r := newRig(t)
	alice, bob, carol, dave := r.agent(), r.agent(), r.agent(), r.agent()
	r.from(access.Caller{Zone: local, Subzone: "lab", Authenticated: true}, 2)
	r.plan(dialplan.Found, [][]netip.AddrPort{{bob.at, carol.at, dave.at}})
	m := alice.request(message.Method("MESSAGE"))
	m.Set(peers.Header, "caller;registered")
	alice.send(m)
	want := peers.Note{Alias: "bob@example.test", Zone: "local", Subzone: "lab", Authenticated: true, Endpoints: []uint64{7}}
	for _, a := range []struct {
		*agent
		status int
	}{{bob, 430}, {carol, 404}, {dave, 200}} { // RFC 5626 section 5.3
		got, _ := peers.Read(a.answer(a.status))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if ok := alice.receive(); ok.Status() != 200 {
		t.Errorf("answered %d", ok.Status())
	}

	r.from(access.Caller{Zone: local}, 0)
	r.plan(dialplan.Found, to(bob))
	again := alice.request(message.Method("MESSAGE"))
	again.Set(peers.Header, "caller;registered")
	alice.send(again)
	if req := bob.answer(200); req.Has(peers.Header) {
		t.Errorf("who is no peer is told %q", req.Get(peers.Header))
	}
	alice.receive()
}

// RG-01, RG-03: what a peer asks is about who is registered here, by the name that it looked up.
func TestFromAPeer(t *testing.T) {
	r := newRig(t)
	alice, bob := r.agent(), r.agent()
	who := access.Caller{Zone: local, Peer: 1, Trusted: true, Note: peers.Note{Alias: "robert@example.test", Endpoints: []uint64{7}}}
	r.from(who, 0)
	r.plan(dialplan.Found, to(bob))
	m := alice.request(message.Method("MESSAGE"))
	m.Set("P-Asserted-Identity", "<sip:alice@example.test>")
	who.Note.Put(m)
	alice.send(m)
	if req := bob.answer(200); req.Has(peers.Header) || !req.Has("P-Asserted-Identity") {
		t.Errorf("bob gets\n%s", req.Append(nil))
	}
	alice.receive()
	if q := r.search(); !q.Peer || q.Alias.Name != "robert@example.test" || !slices.Equal(q.Endpoints, []uint64{7}) {
		t.Errorf("searched for %+v", q)
	}
	r.plan(dialplan.Found, [][]netip.AddrPort{nil})
	alice.send(alice.request(message.Method("MESSAGE")))
	if got := alice.receive(); got.Status() != 430 {
		t.Errorf("where the flow is gone it is told %d", got.Status())
	}
}
