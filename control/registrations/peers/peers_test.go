package peers

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/control/registrations"
)

const (
	alice = "alice@example.test"
	bob   = "bob@example.test"
)

func (r *rig) wantAsked(what string, i int, name string, want ...int) {
	r.t.Helper()
	if want == nil {
		want = []int{}
	}
	if d := cmp.Diff(want, r.asked(i, name)); d != "" {
		r.t.Errorf("%s: whom node %d asks for %s (-want +got):\n%s", what, i+1, name, d)
	}
}

// RG-01, RG-09: whoever is registered anywhere is found everywhere, here first.
func TestEverybodyIsFoundEverywhere(t *testing.T) { withPeers(t, 3, everybodyIsFoundEverywhere) }

func everybodyIsFoundEverywhere(t *testing.T, r *rig) {
	r.register(0, endpoint{name: alice, contact: "sip:alice@192.0.2.1"})
	r.round()
	r.register(1, endpoint{name: alice, contact: "sip:alice@192.0.2.2"})
	r.register(1, endpoint{name: alice, contact: "sip:alice@192.0.2.3"})
	r.settle()
	r.wantAsked("own first", 0, alice, 0, 2, 2)
	r.wantAsked("two own", 1, alice, 0, 0, 1)
	r.wantAsked("none own, the newest first", 2, alice, 2, 2, 1)
	r.wantAsked("nobody", 2, bob)

	r.nodes[0].own.Remove(r.nodes[0].own.Of(alice)[0].ID, registrations.Left)
	r.settle()
	r.wantAsked("one has left", 2, alice, 2, 2)
}

// RG-04: who is registered on a peer that is not there is not offered.
func TestRegistrationsOfALostPeerAreNotOffered(t *testing.T) {
	withPeers(t, 3, registrationsOfALostPeerAreNotOffered)
}

func registrationsOfALostPeerAreNotOffered(t *testing.T, r *rig) {
	r.register(0, endpoint{name: alice, contact: "sip:alice@192.0.2.1"})
	r.register(1, endpoint{name: bob, contact: "sip:bob@192.0.2.2"})
	r.settle()
	r.lose(0, true)
	r.wantAsked("its own goes on", 0, alice, 0)
	r.wantAsked("lost", 1, alice)
	r.wantAsked("not lost", 2, bob, 2)
	r.lose(0, false)
	r.wantAsked("back", 1, alice, 1)
	r.wantAsked("back", 0, bob, 2)
}

func TestAnEndpointThatMovesIsOnOnePeer(t *testing.T) {
	withPeers(t, 2, anEndpointThatMovesIsOnOnePeer)
}

func anEndpointThatMovesIsOnOnePeer(t *testing.T, r *rig) {
	phone := endpoint{name: alice, contact: "sip:alice@192.0.2.1"}
	r.register(0, phone)
	r.settle()
	r.register(1, phone)
	r.settle()
	r.wantAsked("moved", 0, alice, 2)
	r.wantAsked("moved", 1, alice, 0)
	if n := r.nodes[0].own.Counts().Local; n != 0 {
		t.Errorf("the peer before keeps %d bindings", n)
	}
	r.register(0, phone)
	r.settle()
	r.wantAsked("and back", 1, alice, 1)
	r.wantAsked("and back", 0, alice, 0)
}

// A peer whose clock is behind takes endpoints over all the same.
func TestClocksDoNotDecideWhereAnEndpointIs(t *testing.T) {
	withPeers(t, 2, clocksDoNotDecideWhereAnEndpointIs)
}

func clocksDoNotDecideWhereAnEndpointIs(t *testing.T, r *rig) {
	phone := endpoint{name: alice, contact: "sip:alice@192.0.2.1"}
	ahead := *r.register(0, phone)
	ahead.Renewed = time.Now().Add(time.Hour)
	r.nodes[0].all.spread.Lock()
	clear(r.nodes[0].all.spread.rows)
	r.nodes[0].all.write(&ahead)
	r.nodes[0].all.spread.Unlock()
	r.settle()
	r.register(1, phone)
	r.settle()
	r.wantAsked("moved", 0, alice, 2)
}

// A change of a registration is newer than what it changes, though the clock was set back.
func TestStampsDoNotGoBack(t *testing.T) { withPeers(t, 1, stampsDoNotGoBack) }

func stampsDoNotGoBack(t *testing.T, r *rig) {
	b := *r.register(0, endpoint{name: alice, contact: "sip:alice@192.0.2.1"})
	all := r.nodes[0].all
	before := all.Rows()[keyOf(&b)].Value
	b.Renewed, b.UserAgent = b.Renewed.Add(-time.Hour), "another"
	all.spread.Lock()
	all.write(&b)
	all.spread.Unlock()
	if after := all.Rows()[keyOf(&b)].Value; after == before || !Newer(after, before) {
		t.Errorf("%q is not newer than %q", after, before)
	}
}

// RG-01: also not over a restart: what was put behind a peer's clock that is ahead stays behind it.
func TestStampsOutliveTheProcess(t *testing.T) { withPeers(t, 2, stampsOutliveTheProcess) }

func stampsOutliveTheProcess(t *testing.T, r *rig) {
	phone := endpoint{name: alice, contact: "sip:alice@192.0.2.1"}
	ahead := *r.register(1, phone)
	ahead.Renewed = time.Now().Add(time.Hour)
	r.nodes[1].all.spread.Lock()
	delete(r.nodes[1].all.spread.rows, keyOf(&ahead))
	r.nodes[1].all.write(&ahead)
	r.nodes[1].all.spread.Unlock()
	r.settle()
	b := *r.register(0, phone) // it comes back from there
	p := r.nodes[0]
	before := p.all.Rows()[keyOf(&b)].Value
	if !stampTime(before).After(ahead.Renewed.Truncate(time.Microsecond)) {
		t.Fatalf("it is stamped %v, and comes after %v", stampTime(before), ahead.Renewed)
	}
	end(p.own)
	p.start()
	if after := p.all.Rows()[keyOf(&b)].Value; stampOf(after) < stampOf(before) {
		t.Errorf("the process after stamps it %v, and the one before %v", stampTime(after), stampTime(before))
	}
}

// CL-18: whoever was refreshed last has the endpoint when a partition is over.
func TestAfterAPartitionTheLastRefreshCounts(t *testing.T) {
	withPeers(t, 2, afterAPartitionTheLastRefreshCounts)
}

func afterAPartitionTheLastRefreshCounts(t *testing.T, r *rig) {
	phone := endpoint{name: alice, contact: "sip:alice@192.0.2.1"}
	r.register(0, phone)
	r.settle()
	r.lose(0, true)
	r.register(1, phone)
	r.settle()
	r.register(0, phone) // a refresh
	r.lose(0, false)
	r.settle()
	r.wantAsked("healed", 0, alice, 0)
	r.wantAsked("healed", 1, alice, 1)
	if n := r.nodes[1].own.Counts().Local; n != 0 {
		t.Errorf("the other keeps %d bindings", n)
	}
}

// RG-03: the flows of one endpoint to several peers are there, the best first, and have one
// name on all peers.
func TestFlowsToSeveralPeers(t *testing.T) { withPeers(t, 4, flowsToSeveralPeers) }

func flowsToSeveralPeers(t *testing.T, r *rig) {
	for i := range 3 {
		r.register(i, endpoint{name: alice, contact: "sip:a@192.0.2.1", instance: "<urn:1>", flow: uint32(i + 1)})
		r.round()
	}
	r.register(1, endpoint{name: alice, contact: "sip:b@192.0.2.9"})
	r.settle()
	r.wantAsked("it is here as well", 0, alice, 0, 2, 3, 2)
	r.wantAsked("the newest first", 3, alice, 2, 3, 2, 1)
	for i := range 4 {
		names := map[uint64]int{}
		for _, b := range r.nodes[i].all.Lookup(nil, alice) {
			names[b.Endpoint]++
		}
		if len(names) != 2 {
			t.Errorf("node %d takes it for %d endpoints", i+1, len(names))
		}
	}
	if all := r.nodes[0].all.List(alice); len(all) != 4 || all[0].Node != "node-1" || all[0].UserAgent != "test/1" || all[3].Node != "node-3" {
		t.Errorf("the list is %+v", all)
	}
	r.lose(1, true)
	r.wantAsked("one is lost", 3, alice, 3, 1)
}

// RG-08: a peer in maintenance is asked where there is no other way.
func TestPeersInMaintenanceComeLast(t *testing.T) { withPeers(t, 3, peersInMaintenanceComeLast) }

func peersInMaintenanceComeLast(t *testing.T, r *rig) {
	r.register(0, endpoint{name: alice, contact: "sip:a@192.0.2.1", instance: "<urn:1>", flow: 1})
	r.round()
	r.register(1, endpoint{name: alice, contact: "sip:a@192.0.2.1", instance: "<urn:1>", flow: 2})
	r.round()
	r.register(1, endpoint{name: bob, contact: "sip:b@192.0.2.1"})
	r.settle()
	all := r.nodes[2].all
	r.wantAsked("the newest", 2, alice, 2, 1)
	all.Use(map[cluster.ID]Place{"node-1": {Index: 1}, "node-2": {Index: 2, Maintenance: true}})
	r.wantAsked("the other", 2, alice, 1, 2)
	r.wantAsked("the only one", 2, bob, 2)
}

func TestPeersComeByPreference(t *testing.T) { withPeers(t, 3, peersComeByPreference) }

func peersComeByPreference(t *testing.T, r *rig) {
	r.register(0, endpoint{name: alice, contact: "sip:a@192.0.2.1", q: 300})
	r.register(1, endpoint{name: alice, contact: "sip:a@192.0.2.2", q: 900})
	r.settle()
	r.wantAsked("by q", 2, alice, 2, 1)
}

// A refresh is not spread; what it changes is.
func TestRefreshesAreNotSpread(t *testing.T) { withPeers(t, 2, refreshesAreNotSpread) }

func refreshesAreNotSpread(t *testing.T, r *rig) {
	phone := endpoint{name: alice, contact: "sip:a@192.0.2.1", instance: "<urn:1>", flow: 1}
	r.register(0, phone)
	r.settle()
	before := r.nodes[0].core.Own().Seq
	for range 5 {
		r.register(0, phone)
	}
	r.settle()
	if after := r.nodes[0].core.Own().Seq; after != before {
		t.Errorf("%d changes for refreshes", after-before)
	}
	phone.contact = "sip:a@192.0.2.77"
	r.register(0, phone)
	phone.expires = time.Minute
	r.register(0, phone)
	r.settle()
	if after := r.nodes[0].core.Own().Seq; after != before+2 {
		t.Errorf("%d changes, want 2", after-before)
	}
	list := r.nodes[1].all.List("")
	if len(list) != 1 || list[0].Contact != phone.contact || list[0].Peer != 1 || list[0].Node != "node-1" {
		t.Errorf("the peer has %+v", list)
	}
}

// The endpoints of a node that starts anew are there before its peers hear of the start.
func TestARestartShowsNobodyAnEmptyTable(t *testing.T) {
	withPeers(t, 2, aRestartShowsNobodyAnEmptyTable)
}

func aRestartShowsNobodyAnEmptyTable(t *testing.T, r *rig) {
	r.register(0, endpoint{name: alice, contact: "sip:a@192.0.2.1"})
	r.register(0, endpoint{name: bob, contact: "sip:b@192.0.2.1"})
	r.settle()
	end(r.nodes[0].own)
	r.nodes[0].start()
	r.nodes[0].meet()
	for range 100 {
		r.round()
		r.wantAsked("while it starts", 1, alice, 1)
		r.wantAsked("while it starts", 1, bob, 1)
	}
	copies := r.nodes[1].core.Copies()
	if len(copies) != 1 || copies[0].Incarnation != 2 || !copies[0].Current {
		t.Errorf("the copy is %+v", copies)
	}
}

// What another registrar holds is found by its contact, and not by its name (RG-10).
func TestProxiedRegistrationsOfPeers(t *testing.T) { withPeers(t, 2, proxiedRegistrationsOfPeers) }

func proxiedRegistrationsOfPeers(t *testing.T, r *rig) {
	_, err := r.nodes[0].own.Update(alice, func(now time.Time, _ []*registrations.Binding) (registrations.Changes, error) {
		return registrations.Changes{Put: []registrations.Binding{{
			AOR: alice, Also: []string{"alice@192.0.2.1"}, Contact: "sip:alice@192.0.2.1", Proxied: true, Zone: "Far", Expires: now.Add(time.Hour),
		}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.wantAsked("by its name", 1, alice)
	r.wantAsked("by its contact", 1, "alice@192.0.2.1", 1)
}
