package peers

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"turnpike.dev/turnpike/control/dialplan"
)

// phone is one of many.
func phone(i int) endpoint {
	return endpoint{
		name: fmt.Sprintf("phone%05d@example.test", i), contact: fmt.Sprintf("sip:phone%05d@198.51.100.%d:5060;transport=udp", i, i%250),
		instance: fmt.Sprintf("<urn:uuid:00000000-0000-4000-8000-%012d>", i), flow: 1,
	}
}

// RG-01, RG-04, RG-09: 20,000 registrations over four peers are everywhere, also after a
// restart; refreshes cost nothing, and 100 changes a second little.
func TestTwentyThousandOverFourPeers(t *testing.T) {
	const phones, nodes = 20_000, 4
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nodes)
		before := memory()
		for i := range phones {
			r.register(i%nodes, phone(i))
		}
		r.pass(5 * time.Second)
		r.wantAll(phones)
		perNode := (memory() - before) / nodes
		full := r.bytes

		r.bytes = 0
		r.pass(10 * time.Second)
		idle := r.bytes / 10

		r.bytes = 0
		for i := range 100 * 10 { // 100 a second: refreshes, and endpoints that are new
			r.register(i%nodes, phone(i%2*phones+i))
			if i%5 == 4 {
				r.round()
			}
		}
		busy := r.bytes / 10
		r.pass(2 * time.Second)
		r.wantAll(phones + 500)

		end(r.nodes[0].own)
		start := r.now
		r.nodes[0].start()
		r.nodes[0].meet()
		for r.known(0) < phones+500 && r.now < start+time.Minute {
			r.round()
		}
		r.settle()
		r.wantAll(phones + 500)
		t.Logf("%d over %d peers: %d KiB for each node, tables and all; %d KiB once between all of them, then %d B/s idle, %d KiB/s at 100 changes a second; a restarted node had all in %v",
			phones, nodes, perNode>>10, full>>10, idle, busy>>10, r.now-start)
		if idle > 10<<10 {
			t.Errorf("idle peers say %d bytes a second", idle)
		}
		if perNode > 64<<20 {
			t.Errorf("a node needs %d KiB", perNode>>10)
		}
	})
}

// wantAll says that each node knows all.
func (r *rig) wantAll(n int) {
	r.t.Helper()
	for i := range r.nodes {
		if all := r.known(i); all != n {
			r.t.Errorf("node %d knows %d registrations of %d", i+1, all, n)
		}
	}
}

// known is how many registrations a node knows of.
func (r *rig) known(i int) int {
	all := r.nodes[i].own.Counts().Local
	for _, n := range r.nodes[i].all.Counts() {
		all += n
	}
	return all
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Lookup is asked for each call; without peers' bindings of the name it costs what the own
// table does.
func BenchmarkLookup(b *testing.B) {
	r := newRig(b, 4)
	for i := range 2000 {
		r.register(i%4, phone(i))
	}
	for i := range 3 {
		r.register(i, endpoint{name: alice, contact: "sip:a@192.0.2.1", instance: "<urn:1>", flow: uint32(i + 1)})
	}
	r.settle()
	for _, which := range []struct{ what, name string }{
		{"here", phone(0).name}, {"on a peer", phone(1).name}, {"on three", alice}, {"nowhere", bob},
	} {
		b.Run(which.what, func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]dialplan.Binding, 0, 8)
			for b.Loop() {
				dst = r.nodes[0].all.Lookup(dst[:0], which.name)
			}
		})
	}
}
