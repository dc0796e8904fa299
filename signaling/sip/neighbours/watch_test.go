package neighbours

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/sip/message"
)

const one = "  - {name: core, protocol: sip, peers: [\"192.0.2.10:5060\"]}\n"

// sleep lets time pass, and what is due then happen.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestWhatAnAnswerMeans(t *testing.T) {
	tests := []struct {
		name   string
		answer func(*message.Message) *message.Message
		want   zones.PeerState
		status string
	}{
		{"200", says(200), zones.PeerState{}, "Active (1 of 1)"},
		{"it does not know OPTIONS", says(405), zones.PeerState{}, "Active (1 of 1)"},
		{"it wants to know who asks", says(401), zones.PeerState{}, "Active (1 of 1)"},
		{"it refuses", says(403), zones.PeerState{}, "Active (1 of 1)"},
		{"it has too much to do", says(503), zones.PeerState{Silent: true}, "Failed"},
		{"a proxy cannot reach it", says(408), zones.PeerState{Silent: true}, "Failed"},
		{"silence", nil, zones.PeerState{Silent: true}, "Failed"},
		{"free sessions", says(200, Header+": maximum=500;current=12"), zones.PeerState{Known: true, Free: 488}, "Active (1 of 1)"},
		{"maintenance", says(200, Header+": maximum=500;current=12;maintenance"), zones.PeerState{Known: true, Free: 488, Maintenance: true}, "Active (1 of 1)"},
		{"nonsense in the header", says(200, Header+": maximum=many"), zones.PeerState{}, "Active (1 of 1)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, one)
				n.wire.set("192.0.2.10", test.answer)
				core := n.zone("core")
				if got := zones.Status(core, n); got != "Checking" {
					t.Errorf("at first %s", got)
				}
				sleep(20 * time.Second)
				if diff := cmp.Diff(test.want, n.Peer(core, 0)); diff != "" {
					t.Error(diff)
				}
				if got := zones.Status(core, n); got != test.status {
					t.Errorf("got %s, want %s", got, test.status)
				}
			})
		})
	}
}

func TestWhenPeersAreAsked(t *testing.T) {
	seconds := func(all ...float64) (out []time.Duration) {
		for _, s := range all {
			out = append(out, time.Duration(s*float64(time.Second)))
		}
		return out
	}
	tests := []struct {
		name   string
		answer func(*message.Message) *message.Message
		want   []time.Duration
	}{
		{"it answers", says(200), seconds(0.5, 30.5, 60.5, 90.5, 120.5, 150.5)},
		{"silence: 5 s for an answer, and 5, 10, 20, 40, 60 s until the next question", nil, seconds(0.5, 10.5, 25.5, 50.5, 95.5, 160.5)},
		{"it refuses at once", says(503), seconds(0.5, 5.5, 15.5, 35.5, 75.5, 135.6)},
		{"it asks to be left alone", says(503, "Retry-After: 45 (busy);duration=5"), seconds(0.5, 45.5, 90.5, 135.6)},
		{"for too long", says(503, "Retry-After: 3600"), seconds(0.5, 60.5, 120.5)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, one)
				n.wire.set("192.0.2.10", test.answer)
				sleep(161 * time.Second)
				if diff := cmp.Diff(test.want, n.wire.times("192.0.2.10"), cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() <= 200*time.Millisecond })); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// One lost answer is no reason to leave a peer out; two are, and the first answer brings
// it back. The log says both.
func TestAPeerGoesAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, one)
		core := n.zone("core")
		n.wire.set("192.0.2.10", says(200))
		sleep(10 * time.Second)
		n.wire.set("192.0.2.10", nil)
		sleep(27 * time.Second) // asked at 30.5 s, given up at 35.5 s
		if s := n.Peer(core, 0); s.Silent || n.wire.times("192.0.2.10")[1] < 30*time.Second {
			t.Errorf("after one question without an answer: %+v", s)
		}
		sleep(10 * time.Second) // asked again at 40.5 s
		if s := n.Peer(core, 0); !s.Silent {
			t.Errorf("after two: %+v", s)
		}
		n.wire.set("192.0.2.10", says(200))
		sleep(11 * time.Second)
		if s := n.Peer(core, 0); s.Silent {
			t.Errorf("after it answered: %+v", s)
		}
		want := []string{"External Server Communications Failure", "External Server Communications Restored"}
		if diff := cmp.Diff(want, n.log.events); diff != "" {
			t.Error(diff)
		}
	})
}

// RG-06: of the peers that live, the one with the most free media sessions comes first;
// one in maintenance and one that is silent are left out; the order of the list does not
// matter, and one that does not tell comes last.
func TestThePeerWithMostRoomComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, `  - {name: a, protocol: sip, peers: ["192.0.2.11:5060", "192.0.2.12:5060", "192.0.2.13:5060", "192.0.2.14:5060", "192.0.2.15:5060"]}
  - {name: b, protocol: sip, peers: ["192.0.2.15:5060", "192.0.2.14:5060", "192.0.2.13:5060", "192.0.2.12:5060", "192.0.2.11:5060"]}
`)
		n.wire.set("192.0.2.11", says(200))
		n.wire.set("192.0.2.12", says(200, Header+": maximum=100;current=60"))
		n.wire.set("192.0.2.13", says(200, Header+": maximum=500;current=20;maintenance"))
		n.wire.set("192.0.2.14", says(200, Header+": maximum=50;current=0"))
		sleep(20 * time.Second)
		want := []string{"192.0.2.14:5060", "192.0.2.12:5060", "192.0.2.11:5060"}
		for _, name := range []string{"a", "b"} {
			var got []string
			for _, p := range zones.Choose(n.zone(name), n, "bob@example.com").Peers(n.zone(name)) {
				got = append(got, p.String())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("zone %s\n%s", name, diff)
			}
		}
		if s := zones.Status(n.zone("a"), n); s != "Active (4 of 5)" {
			t.Errorf("status %s", s)
		}
	})
}

func TestTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, "  - {name: core, protocol: sip, peers: [\"[2001:db8::10]:5070\"], sip: {transport: tcp}}\n")
		sleep(time.Second)
		m := n.wire.asked[0].m
		got := []string{m.URI().String(), m.To().String(), m.Contacts()[0].URI.String(), m.Get("User-Agent"), fmt.Sprint(n.wire.asked[0].to.Transport)}
		want := []string{"sip:[2001:db8::10]:5070;transport=tcp", "<sip:[2001:db8::10]:5070;transport=tcp>", "sip:192.0.2.1:5060;transport=tcp", "Turnpike", "tcp"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// A change of configuration keeps what is known of peers that stay, and asks those no
// more that have gone.
func TestChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, one)
		n.wire.set("192.0.2.10", says(200, Header+": maximum=5;current=1"))
		n.wire.set("192.0.2.20", says(200))
		sleep(5 * time.Second)
		n.Change(parse(t, one+"  - {name: new, protocol: sip, peers: [\"192.0.2.20:5060\"]}\n  - {name: quiet, protocol: sip, monitor: off, peers: [\"192.0.2.30:5060\"]}\n"))
		if s := n.Peer(n.zone("core"), 0); !s.Known || s.Free != 4 {
			t.Errorf("what was known is gone: %+v", s)
		}
		sleep(5 * time.Second)
		n.Change(parse(t, "  - {name: new, protocol: sip, peers: [\"192.0.2.20:5060\"]}\n"))
		sleep(60 * time.Second)
		if got := n.wire.times("192.0.2.10"); len(got) != 1 {
			t.Errorf("the peer that has gone was asked at %v", got)
		}
		if got := n.wire.times("192.0.2.20"); len(got) != 3 {
			t.Errorf("the new peer was asked at %v", got)
		}
		if got := n.wire.times("192.0.2.30"); got != nil {
			t.Errorf("a peer that is not monitored was asked at %v", got)
		}
	})
}

func TestNamesOfPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, "  - {name: core, protocol: sip, peers: [\"core.example:5060\"]}\n")
		core := n.zone("core")
		sleep(20 * time.Second)
		if s, h := n.Peer(core, 0), n.Hops(core, 0); !s.Silent || h != nil {
			t.Errorf("without an address: %+v at %v", s, h)
		}
		n.names.set("core.example", "192.0.2.10")
		n.wire.set("192.0.2.10", says(200))
		sleep(80 * time.Second)
		if s, h := n.Peer(core, 0), n.Hops(core, 0); s.Silent || len(h) != 1 || h[0].Remote.String() != "192.0.2.10:5060" {
			t.Errorf("with an address: %+v at %v", s, h)
		}
		n.names.set("core.example") // nobody knows it any more
		sleep(time.Minute)
		if h := n.Hops(core, 0); len(h) != 1 {
			t.Errorf("the address it had is forgotten: %v", h)
		}
		n.names.set("core.example", "192.0.2.20")
		n.wire.set("192.0.2.20", says(200))
		sleep(time.Minute)
		if h := n.Hops(core, 0); len(h) != 1 || h[0].Remote.String() != "192.0.2.20:5060" {
			t.Errorf("after it moved: %v", h)
		}
		if len(n.told) != 2 || len(n.told[1]["core.example"]) != 1 {
			t.Errorf("routing was told %v", n.told)
		}
	})
}
