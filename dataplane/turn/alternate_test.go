package turn

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/stun/v3"
)

// directory is who knows of other servers.
type directory struct {
	to    Alternate
	none  bool
	asked []Visitor
}

func (d *directory) Instead(v Visitor) (Alternate, bool) {
	d.asked = append(d.asked, v)
	return d.to, !d.none
}

var (
	otherServer  = netip.MustParseAddrPort("192.0.2.2:3478")
	otherServer6 = netip.MustParseAddrPort("[2001:db8::2]:3478")
)

func full(c *Config) { c.MaxRelays = 1 }

// turnedWorld is a server whose only relay is taken.
func turnedWorld(t *testing.T, d *directory, edit func(*Config)) *world {
	t.Helper()
	w := newWorld(t, func(c *Config) {
		c.Alternates = d
		full(c)
		if edit != nil {
			edit(c)
		}
	})
	first := w.client()
	first.addr = withPort(clientAddr, 39999)
	first.allocate()
	return w
}

// alternatesOf reads ALTERNATE-SERVER as pion's client would.
func alternatesOf(t *testing.T, m *stun.Message) (out []netip.AddrPort) {
	t.Helper()
	for _, a := range m.Attributes {
		if a.Type != stun.AttrAlternateServer {
			continue
		}
		if len(a.Value) < 8 || a.Value[0] != 0 {
			t.Fatalf("ALTERNATE-SERVER %x", a.Value)
		}
		ip, ok := netip.AddrFromSlice(a.Value[4:])
		if !ok || (a.Value[1] == wireIPv4) != ip.Is4() {
			t.Fatalf("ALTERNATE-SERVER %x", a.Value)
		}
		out = append(out, netip.AddrPortFrom(ip, binary.BigEndian.Uint16(a.Value[2:])))
	}
	return out
}

// CA-04, RFC 8656 section 7.2, RFC 8489 section 10: who gets no relay here hears where to try, in
// an answer that is signed (do looks).
func TestTryAlternate(t *testing.T) {
	both := Alternate{Addr: otherServer, Other: otherServer6, Domain: "tp2.example.test"}
	for _, tt := range []struct {
		name  string
		to    Alternate
		none  bool
		edit  func(*Config)
		drain bool
		attrs []attr
		code  int
		want  []netip.AddrPort
		asked []Visitor
	}{
		{
			name: "full", to: both, code: 300, want: []netip.AddrPort{otherServer, otherServer6},
			asked: []Visitor{{Server: serverAddr, Transport: UDP, IPv4: true, Relays: 1}},
		},
		{
			name: "one family", to: Alternate{Addr: otherServer}, code: 300, want: []netip.AddrPort{otherServer},
			asked: []Visitor{{Server: serverAddr, Transport: UDP, IPv4: true, Relays: 1}},
		},
		{
			name: "in maintenance", to: both, edit: func(c *Config) { c.MaxRelays = 100 }, drain: true, code: 300,
			want: []netip.AddrPort{otherServer, otherServer6}, asked: []Visitor{{Server: serverAddr, Transport: UDP, IPv4: true, Relays: 1}},
		},
		{
			name: "the node has no place", to: both, edit: func(c *Config) { c.MaxRelays, c.Capacity = 100, &places{limit: 1} }, code: 300,
			want: []netip.AddrPort{otherServer, otherServer6}, asked: []Visitor{{Server: serverAddr, Transport: UDP, IPv4: true, Relays: 1}},
		},
		{
			name: "two families and no place for any", to: both, attrs: []attr{bothFamilies()}, code: 300,
			want: []netip.AddrPort{otherServer, otherServer6}, asked: []Visitor{{Server: serverAddr, Transport: UDP, Relays: 1}}, // one is better than none
		},
		{
			name: "a port and its neighbour", to: both, attrs: []attr{raw(stun.AttrEvenPort, 0x80)}, code: 300,
			want: []netip.AddrPort{otherServer, otherServer6}, asked: []Visitor{{Server: serverAddr, Transport: UDP, IPv4: true, Relays: 2}},
		},
		{name: "nobody has any", none: true, code: 508, asked: []Visitor{{Server: serverAddr, Transport: UDP, IPv4: true, Relays: 1}}},
		{
			name: "of the wrong family", to: Alternate{Addr: otherServer6}, code: 508,
			asked: []Visitor{{Server: serverAddr, Transport: UDP, IPv4: true, Relays: 1}},
		},
		{name: "a reserved port is here or nowhere", to: both, attrs: []attr{raw(stun.AttrReservationToken, make([]byte, 8)...)}, code: 508},
		{name: "a quota is the user's", to: both, edit: func(c *Config) { c.QuotaPerUser = 1 }, code: 486},
		{name: "a family that the node has not", to: both, edit: only4, attrs: []attr{wantFamily(wireIPv6)}, code: 440},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &directory{to: tt.to, none: tt.none}
			w := turnedWorld(t, d, tt.edit)
			if tt.drain {
				w.server.Drain(true)
			}
			answer := w.client().do(stun.MethodAllocate, append([]attr{udpTransport()}, tt.attrs...)...)
			if got := codeOf(answer); int(got) != tt.code {
				t.Errorf("answered with %d, want %d", got, tt.code)
			}
			if diff := cmp.Diff(tt.want, alternatesOf(t, answer), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("ALTERNATE-SERVER (-want +got):\n%s", diff)
			}
			if answer.Contains(stun.AttrAlternateDomain) {
				t.Error("a domain over UDP")
			}
			if diff := cmp.Diff(tt.asked, d.asked, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("who was asked about (-want +got):\n%s", diff)
			}
		})
	}
}

// pion reads what we write: the first address is of the client's family.
func TestAlternateServerAsPionReadsIt(t *testing.T) {
	d := &directory{to: Alternate{Addr: otherServer6, Other: otherServer}}
	w := turnedWorld(t, d, nil)
	c := w.client()
	c.addr, c.server = netip.MustParseAddrPort("[2001:db8:7::7]:40000"), server6Addr
	answer := c.do(stun.MethodAllocate, udpTransport())
	var got stun.AlternateServer
	if err := got.GetFrom(answer); err != nil || got.IP.String() != otherServer6.Addr().String() || got.Port != int(otherServer6.Port()) {
		t.Errorf("%v, %v", got, err)
	}
}

// Without the right password nobody learns of other servers.
func TestStrangersAreNotSentElsewhere(t *testing.T) {
	d := &directory{to: Alternate{Addr: otherServer}}
	w := turnedWorld(t, d, nil)
	c := w.client()
	if answer := c.exchange(message(stun.MethodAllocate, stun.ClassRequest, udpTransport())); codeOf(answer) != 401 {
		t.Errorf("answered with %d", codeOf(answer))
	}
	c.challenge()
	c.pass = "wrong"
	if answer := c.exchange(c.sign(message(stun.MethodAllocate, stun.ClassRequest, udpTransport()))); codeOf(answer) != 401 {
		t.Errorf("answered with %d", codeOf(answer))
	}
	if len(d.asked) > 0 {
		t.Error("another server was looked for")
	}
}

// An answer may be lost: the request gets the same again, whatever has changed. A new one
// from the same place is refused: who comes back is not sent round and round.
func TestSentElsewhereOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{to: Alternate{Addr: otherServer}}
		w := newWorld(t, func(c *Config) { c.Alternates = d; full(c) })
		defer w.stop()
		holder := w.client()
		holder.addr = withPort(clientAddr, 39999)
		holder.allocate()
		c := w.client()
		c.challenge()
		request := c.sign(message(stun.MethodAllocate, stun.ClassRequest, udpTransport()))
		code := func(m *stun.Message) int { return int(codeOf(c.exchange(m))) }
		if got := code(request); got != 300 {
			t.Fatalf("answered with %d, want 300", got)
		}
		d.to = Alternate{Addr: withPort(otherServer, 9)}
		holder.must(stun.MethodRefresh, lifetime(0)) // there is room again
		again := c.exchange(request)
		if diff := cmp.Diff("192.0.2.2:3478", alternatesOf(t, again)[0].String()); codeOf(again) != 300 || diff != "" {
			t.Errorf("the same request is answered with %d\n%s", codeOf(again), diff)
		}
		holder.nonce = nil
		holder.allocate()
		back := c.sign(message(stun.MethodAllocate, stun.ClassRequest, udpTransport()))
		if got := code(back); got != 508 || w.server.Stats().CameBack != 1 {
			t.Errorf("one who came back is answered with %d, and %d counted", got, w.server.Stats().CameBack)
		}
		later(turnedTime)
		if got := code(c.sign(message(stun.MethodAllocate, stun.ClassRequest, udpTransport()))); got != 300 {
			t.Errorf("later answered with %d, want 300", got)
		}
	})
}

// Who was sent elsewhere costs no more memory than is set, and no longer than is set.
func TestTurnedIsBounded(t *testing.T) {
	var all turned
	now := time.Now()
	from := func(i int) fiveTuple {
		return fiveTuple{client: netip.AddrPortFrom(clientAddr.Addr(), uint16(i))}
	}
	for i := range 3 * maxTurned {
		all.put(from(i), turning{until: now.Add(turnedTime)}, now)
		all.put(from(i), turning{until: now.Add(turnedTime)}, now)
	}
	if len(all.to) != maxTurned || len(all.order) != maxTurned {
		t.Errorf("%d remembered in %d places, want %d", len(all.to), len(all.order), maxTurned)
	}
	if _, ok := all.to[from(3*maxTurned-1)]; !ok {
		t.Error("the newest is forgotten")
	}
	all.expire(now.Add(turnedTime))
	if len(all.to)+len(all.order) != 0 {
		t.Errorf("%d remembered for ever", len(all.to))
	}
}

// CA-03: of several request ports the one with most relays left is where others are sent to.
func TestRoom(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*Config)
		want [3]int // left before, with one relay, and after it
	}{
		{"of the platform", func(c *Config) { c.MaxRelays = 5 }, [3]int{5, 4, 5}},
		{"of the request port", func(c *Config) { c.MaxPerPort = 2 }, [3]int{2, 1, 2}},
		{"of ports, of which one rests", func(c *Config) { c.PortMax = c.PortMin + 3 }, [3]int{4, 3, 4}},
		{"of another request port", func(c *Config) { c.MaxPerPort, c.Listen = 2, append(c.Listen, withPort(serverAddr, 3479)) }, [3]int{2, 2, 2}},
		{"none", func(c *Config) { c.MaxRelays = 1 }, [3]int{1, 0, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.edit)
			elsewhere := w.server.RoomAt(5349)
			var got [3]int
			var port uint16
			_, got[0] = w.server.Room()
			c := w.client()
			c.allocate()
			if port, got[1] = w.server.Room(); (port == 3479) != strings.Contains(tt.name, "another") {
				t.Errorf("others are best sent to port %d", port)
			}
			if now := w.server.RoomAt(5349); w.server.cfg.MaxPerPort > 0 && now != elsewhere {
				t.Errorf("%d are left at a port where none was given, of %d", now, elsewhere)
			} else if at := w.server.RoomAt(serverAddr.Port()); at != tt.want[0]-1 {
				t.Errorf("%d are left at the port of the client", at)
			}
			c.must(stun.MethodRefresh, lifetime(0))
			_, got[2] = w.server.Room()
			if got != tt.want {
				t.Errorf("%v are left, want %v", got, tt.want)
			}
		})
	}
}
