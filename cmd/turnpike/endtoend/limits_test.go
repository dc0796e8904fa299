package endtoend_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
	"turnpike.dev/turnpike/perf/load"
)

// CA-01, CA-03, CA-04: six request ports with 1000 relays each. One that is full
// refuses, the others do not care, and what runs goes on.
func TestSixPortsOfAThousand(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	const ports, each = 6, 1000
	n := newNode(t, lab.Options{}, file{turn: "multiplexing: off"})
	on := func(i int) clients {
		return clients{servers: []netip.AddrPort{netip.AddrPortFrom(n.server().Addr(), port+uint16(i))}, firstPeer: firstPeer}
	}
	fleets := make([]*load.Fleet, ports)
	for i := range ports {
		many := on(i)
		many.number = each
		fleets[i] = n.newFleet(t, many)
		if _, err := fleets[i].Setup(t.Context(), load.Pace{}); err != nil {
			t.Fatalf("port %d: %v", port+i, err)
		}
		n.refuses(t, on(i), "508")
		if i+1 < ports {
			n.grants(t, on(i+1))
		}
	}
	st, err := n.API.Status(t.Context())
	if err != nil || st.Relays.Used != ports*each || st.Relays.Limit != ports*each {
		t.Errorf("%+v used, %v", st.Relays, err)
	}
	for i, f := range fleets {
		if report, err := f.Renew(t.Context()); err != nil || report.Done != each {
			t.Errorf("port %d: renewed %d, %v", port+i, report.Done, err)
		}
	}
	n.End(t, unix.SIGKILL)
	began := time.Now()
	n.Start(t)
	t.Logf("ready with %d relays after %s", ports*each, time.Since(began))
	for i, f := range fleets {
		if report, err := f.Renew(t.Context()); err != nil || report.Done != each {
			t.Errorf("port %d after a kill: renewed %d, %v", port+i, report.Done, err)
		}
	}
	if _, err := fleets[2].Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.grants(t, on(2))
	n.refuses(t, on(3), "508")
}

// CA-01, CA-04: each limit with the answer that RFC 8656 section 7.2 has for it.
func TestLimits(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	for _, tt := range []struct {
		name  string
		file  file
		fits  int
		code  string
		event string // one alarm, however many are refused
		other bool   // another user still gets a relay
	}{
		{name: "relays of the node", file: file{platform: "custom", turn: "max_relays: 40"}, fits: 40, code: "508", event: "TURN relay limit reached"},
		{name: "relays of a small node", file: file{platform: "Small"}, fits: 1800, code: "508", event: "TURN relay limit reached"},
		{name: "relays of a user", file: file{turn: "quota_per_user: 5"}, fits: 5, code: "486", other: true},
		{name: "ports", file: file{turn: "media_ports: {start: 24000, end: 24009}"}, fits: 10, code: "508", event: "TURN relay ports used up"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.file.users = fmt.Sprintf("{name: %s, password: %s}, {name: other, password: other}", user, password)
			n := newNode(t, lab.Options{}, tt.file)
			f := n.newFleet(t, clients{number: tt.fits, firstPeer: firstPeer})
			if _, err := f.Setup(t.Context(), load.Pace{}); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				n.refuses(t, clients{}, tt.code)
			}
			other := clients{user: "other", password: "other"}
			if tt.other {
				n.grants(t, other)
			} else {
				n.refuses(t, other, tt.code)
			}
			if _, err := f.Renew(t.Context()); err != nil {
				t.Errorf("relays that are there: %v", err)
			}
			if raised := strings.Count(n.Log(t), `Event="`+tt.event+`"`); tt.event != "" && raised != 1 {
				t.Errorf("the event log has %q %d times", tt.event, raised)
			}
			if _, err := f.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			n.grants(t, clients{})
		})
	}
}

// refuses checks that one client more is refused with an error code.
func (n *node) refuses(t *testing.T, c clients, code string) {
	t.Helper()
	c.number, c.firstPeer = 1, laterPeer
	_, err := n.newFleet(t, c).Setup(t.Context(), load.Pace{})
	if err == nil || !strings.Contains(err.Error(), "refused: "+code) {
		t.Errorf("one more: %v, want %s", err, code)
	}
}

// grants checks that one client more gets a relay, and gives it back.
func (n *node) grants(t *testing.T, c clients) {
	t.Helper()
	c.number, c.firstPeer = 1, laterPeer
	f := n.newFleet(t, c)
	if _, err := f.Setup(t.Context(), load.Pace{}); err != nil {
		t.Errorf("one more: %v", err)
		return
	}
	if _, err := f.Release(t.Context()); err != nil {
		t.Error(err)
	}
}
