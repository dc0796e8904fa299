package rtp

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	signalled = netip.MustParseAddrPort("198.18.0.2:5004")
	natAddr   = netip.MustParseAddr("203.0.113.5")
	natOne    = netip.MustParseAddrPort("203.0.113.5:40000")
	natTwo    = netip.MustParseAddrPort("203.0.113.5:40002")
	stranger  = netip.MustParseAddrPort("192.0.2.66:5004")
	sibling   = netip.MustParseAddrPort("198.18.0.2:5006") // the signalled host, another port
	announced = uint32(0xabcd)
)

func plain(ssrc uint32) packet { return packet{kind: kindRTP, ssrc: ssrc} }

// ME-02
func TestLatch(t *testing.T) {
	type step struct {
		at     time.Duration
		from   netip.AddrPort
		packet packet
		want   verdict
	}
	stun, report := packet{kind: kindIgnored}, packet{kind: kindRTCP, ssrc: announced}
	for _, tt := range []struct {
		name  string
		nat   bool
		ssrcs []uint32
		steps []step
		src   netip.AddrPort
	}{
		{"the signalled address", false, nil, []step{
			{0, signalled, plain(1), pass},
			{time.Hour, signalled, plain(1), pass},
			{time.Hour, signalled, plain(2), pass}, // a sender may change its source
		}, signalled},
		{"a stranger", false, nil, []step{
			{0, stranger, plain(1), drop}, {0, sibling, plain(1), drop}, {0, natOne, plain(1), drop},
		}, signalled},
		{"a stranger with the right payload type and a known source", false, nil, []step{
			{0, signalled, plain(7), pass}, {time.Second, stranger, plain(7), drop},
		}, signalled},
		{"behind a NAT", true, nil, []step{
			{0, natOne, plain(1), moved}, {time.Minute, natOne, plain(1), pass}, {time.Minute, natTwo, plain(1), drop},
		}, natOne},
		{"a minute late", true, nil, []step{{time.Minute, natOne, plain(1), moved}}, natOne},
		{"two ports of one NAT: the first", true, nil, []step{
			{0, natOne, plain(1), moved}, {time.Second, natTwo, plain(1), drop},
		}, natOne},
		{"a better fit within 2 s", true, nil, []step{
			{0, natOne, plain(1), moved}, {2 * time.Second, signalled, plain(1), moved}, {2 * time.Second, natOne, plain(1), drop},
		}, signalled},
		{"a better fit after 2 s", true, nil, []step{
			{0, natOne, plain(1), moved}, {2*time.Second + 1, signalled, plain(1), drop},
		}, natOne},
		{"an announced source", false, []uint32{5, announced}, []step{
			{0, stranger, plain(announced), moved}, {time.Second, stranger, plain(1), pass},
		}, stranger},
		{"an announced source in RTCP", false, []uint32{announced}, []step{{0, stranger, report, moved}}, stranger},
		{"an announced source is less than signalling's address", true, []uint32{announced}, []step{
			{0, stranger, plain(announced), moved},
			{time.Second, natOne, plain(1), moved},
			{time.Second, natTwo, plain(announced), moved},
			{time.Second, signalled, plain(1), moved},
		}, signalled},
		{"both is more than one", true, []uint32{announced}, []step{
			{0, natOne, plain(announced), moved},
			{time.Second, natTwo, plain(announced), drop},
			{time.Second, natTwo, plain(1), drop},
			{time.Second, stranger, plain(announced), drop},
		}, natOne},
		{"STUN is no evidence", true, nil, []step{
			{0, natOne, stun, drop}, {0, signalled, stun, drop}, {time.Second, natTwo, plain(1), moved},
		}, natTwo},
		{"what is no RTP is judged by its address", true, []uint32{0}, []step{
			{0, stranger, packet{}, drop}, {0, natOne, packet{}, moved},
		}, natOne},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, start := latch{patience: time.Second}, time.Now()
			if got := l.take(signalled, plain(1), start); got != drop {
				t.Errorf("before signalling: %d", got)
			}
			var from netip.Addr
			if tt.nat {
				from = natAddr
			}
			l.signal(signalled, from, tt.ssrcs, start)
			for i, s := range tt.steps {
				if got := l.take(s.from, s.packet, start.Add(s.at)); got != s.want {
					t.Errorf("step %d: %d, want %d", i, got, s.want)
				}
			}
			if l.src != tt.src || l.dst() != tt.src {
				t.Errorf("from %s, to %s, want %s", l.src, l.dst(), tt.src)
			}
		})
	}
}

// Signalling opens the window again.
// ME-02
func TestLatchIsSignalledAgain(t *testing.T) {
	elsewhere := netip.MustParseAddrPort("198.18.0.9:5004")
	const late = time.Minute
	for _, tt := range []struct {
		name     string
		nat      bool
		exact    netip.AddrPort // signalled the second time
		seen     time.Duration  // when the source was last heard; 0: by the latch alone
		sender   netip.AddrPort
		want     verdict
		src, dst netip.AddrPort // before the sender's packet
	}{
		{"the same, and media goes on", true, signalled, late, natTwo, drop, natOne, natOne},
		{"the same, and media went on until now", true, signalled, late - time.Second/2, natTwo, drop, natOne, natOne},
		{"the same, and the NAT has forgotten", true, signalled, late - 2*time.Second, natTwo, moved, natOne, natOne},
		{"the same, and a better fit", true, signalled, late - time.Second/2, signalled, moved, natOne, natOne},
		{"another address", false, elsewhere, late, elsewhere, moved, signalled, elsewhere},
		{"another address: until it sends, the old one goes on", false, elsewhere, late, signalled, pass, signalled, elsewhere},
		{"another address: strangers stay out", false, elsewhere, late, natOne, drop, signalled, elsewhere},
		{"another address behind the NAT", true, elsewhere, late, natTwo, moved, natOne, natOne},
		{"another address behind the NAT: the old one goes on", true, elsewhere, late, natOne, pass, natOne, natOne},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, start := latch{patience: time.Second}, time.Now()
			from, first := netip.Addr{}, signalled
			if tt.nat {
				from, first = natAddr, natOne
			}
			l.signal(signalled, from, nil, start)
			l.take(first, plain(1), start)
			again := start.Add(late)
			l.heard(start.Add(tt.seen))
			l.signal(tt.exact, from, nil, again)
			if l.src != tt.src || l.dst() != tt.dst {
				t.Errorf("from %s, to %s, want %s, %s", l.src, l.dst(), tt.src, tt.dst)
			}
			if got := l.take(tt.sender, plain(1), again); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
			if !l.open(again) {
				t.Error("the window is closed")
			}
		})
	}
}

// What a flow carried closes the window as well as what the process saw.
// ME-02
func TestLatchHearsOfFlows(t *testing.T) {
	l, start := latch{patience: time.Second}, time.Now()
	l.signal(signalled, natAddr, nil, start)
	l.heard(time.Time{})
	if !l.asks(natOne, l.rank(natOne, plain(1))) || l.asks(stranger, l.rank(stranger, plain(1))) {
		t.Error("asks for a stranger, or not for who would be learned")
	}
	l.heard(start.Add(time.Millisecond))
	if got := l.take(natOne, plain(1), start.Add(time.Second)); got != drop {
		t.Errorf("beside the signalled address: %d", got)
	}
	if l.open(start.Add(3*time.Second)) || !l.open(start.Add(time.Second)) {
		t.Error("the window closes 2 s after the first packet")
	}
}

// drawPacket has senders and packets of every sort.
func drawPacket(t *rapid.T) (netip.AddrPort, packet) {
	from := rapid.SampledFrom([]netip.AddrPort{signalled, sibling, natOne, natTwo, stranger}).Draw(t, "sender")
	p := packet{kind: rapid.SampledFrom([]kind{kindOther, kindRTP, kindRTP, kindRTP, kindRTCP, kindIgnored}).Draw(t, "kind")}
	if p.hasSSRC() {
		p.ssrc = rapid.SampledFrom([]uint32{0, 1, announced}).Draw(t, "ssrc")
	}
	return from, p
}

// reference is a window by the letter of ME-02: of the fitting packets, those that came
// up to 2 s after the first; of them the best, and of equals the earliest.
type reference struct {
	nat, ssrc bool
	fitting   []heard
}

type heard struct {
	at   time.Time
	from netip.AddrPort
	fit  int
}

func (r *reference) fits(from netip.AddrPort, p packet) int {
	named, announced := r.nat && from.Addr() == natAddr, r.ssrc && p.ssrc == announced && p.hasSSRC()
	switch {
	case p.kind == kindIgnored:
		return 0
	case from == signalled:
		return 4
	case named && announced:
		return 3
	case named:
		return 2
	case announced:
		return 1
	}
	return 0
}

func (r *reference) hear(at time.Time, from netip.AddrPort, p packet) {
	if fit := r.fits(from, p); fit > 0 {
		r.fitting = append(r.fitting, heard{at, from, fit})
	}
}

func (r *reference) source() netip.AddrPort {
	best := heard{from: signalled}
	for _, h := range r.fitting {
		if h.at.Sub(r.fitting[0].at) <= 2*time.Second && h.fit > best.fit {
			best = h
		}
	}
	return best.from
}

// ME-02
func TestLatchIsTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		ref := reference{nat: rapid.Bool().Draw(t, "NAT"), ssrc: rapid.Bool().Draw(t, "announced")}
		l := latch{patience: time.Second}
		var from netip.Addr
		var ssrcs []uint32
		if ref.nat {
			from = natAddr
		}
		if ref.ssrc {
			ssrcs = []uint32{7, announced}
		}
		l.signal(signalled, from, ssrcs, now)
		for range rapid.IntRange(1, 20).Draw(t, "packets") {
			now = now.Add(time.Duration(rapid.IntRange(1, 1200).Draw(t, "ms")) * time.Millisecond)
			from, p := drawPacket(t)
			before := ref.source()
			ref.hear(now, from, p)
			got, want := l.take(from, p, now), ref.source()
			if l.src != want {
				t.Fatalf("%v of %s: source is %s, want %s", p, from, l.src, want)
			}
			if relayed := p.kind != kindIgnored && from == want; relayed != (got != drop) || (got == moved) != (before != want) {
				t.Fatalf("%v of %s: %d; the source was %s and is %s", p, from, got, before, want)
			}
		}
	})
}

// Whatever is signalled and sent, in whatever order: nobody is believed who does not fit
// what is signalled now or was believed before, and a closed window stays closed.
// ME-02
func TestLatchInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now, l := time.Now(), latch{patience: time.Second}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
			before := l
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				exact := rapid.SampledFrom([]netip.AddrPort{signalled, sibling}).Draw(t, "exact")
				from := rapid.SampledFrom([]netip.Addr{{}, natAddr}).Draw(t, "from")
				ssrcs := rapid.SampledFrom([][]uint32{nil, {announced}}).Draw(t, "ssrcs")
				l.signal(exact, from, ssrcs, now)
				if l.src != exact && l.src != before.src || !l.open(now) {
					t.Fatalf("signalled: %+v, was %+v", l, before)
				}
			case 1:
				l.heard(now)
			default:
				from, p := drawPacket(t)
				f := before.rank(from, p)
				switch got := l.take(from, p, now); {
				case got == moved && (f == unfit || !before.open(now) || l.src != from):
					t.Fatalf("moved to %s: %+v", from, before)
				case got != moved && l.src != before.src:
					t.Fatal(fmt.Sprintf("the source changed from %s to %s", before.src, l.src))
				case got == pass && from != before.src:
					t.Fatalf("relayed for %s", from)
				case got == drop && from == before.src && p.kind != kindIgnored && !before.opened.IsZero():
					t.Fatalf("not relayed for the source %s", from)
				}
			}
		}
	})
}
