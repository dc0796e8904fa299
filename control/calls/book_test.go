package calls

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// carrier is a call that somebody carries.
type carrier struct {
	streams []Stream
	ended   string
}

func (c *carrier) Disconnect(reason string) { c.ended = reason }
func (c *carrier) Streams() []Stream        { return c.streams }
func (c *carrier) Rate() *Rate              { return nil }

// clock stands still until it is moved.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func TestLifeOfACall(t *testing.T) {
	at := newClock()
	b := New(Config{Now: at.Now})
	h := &carrier{streams: []Stream{
		{Index: 0, Kind: "audio", Path: "xdp", A: Direction{Packets: 100, Lost: 1}, B: Direction{Packets: 90}},
		{Index: 1, Kind: "video", Path: "xdp"}, // nothing was sent
	}}
	e := b.Begin(Info{CallID: "c1", From: "alice", To: "bob"}, h)
	e.Ringing()
	at.now = at.now.Add(2 * time.Second)
	e.Update(func(i *Info) { i.Callee.Zone = "out" })
	e.Answered()
	at.now = at.now.Add(10 * time.Second)

	c, err := b.Call("1")
	if err != nil || c.State != Connected || c.Seconds != 10 || c.Callee.Zone != "out" || len(c.Streams) != 1 {
		t.Fatalf("while it runs: %+v, %v", c, err)
	}
	if err := b.Disconnect(c.Serial, "by hand"); err != nil || h.ended != "by hand" {
		t.Errorf("disconnect: %v, the carrier was told %q", err, h.ended)
	}
	e.End(Cause{Kind: Disconnected, By: ByOperator})
	e.End(Cause{Kind: Failed, By: ByNode}) // nothing any more
	if n := b.Running(); n != 0 {
		t.Errorf("%d calls run", n)
	}
	c, err = b.Call(c.Serial)
	if err != nil || c.State != Ended || c.Cause.Kind != Disconnected || c.Seconds != 10 || len(c.Streams) != 1 {
		t.Errorf("after its end: %+v, %v", c, err)
	}
	if err := b.Disconnect("1", ""); !errors.Is(err, ErrNoCall) {
		t.Errorf("an ended call was disconnected: %v", err)
	}
	s := b.Stats()
	if s.Attempts != 1 || s.Ended[Disconnected] != 1 || s.Setup.Count != 1 || s.Setup.Sum != 2 || s.Setup.Buckets[2] != 1 || s.Setup.Buckets[1] != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestUntouchedMediaIsDirect(t *testing.T) {
	b := New(Config{})
	e := b.Begin(Info{}, nil)
	e.Answered()
	e.End(Cause{Kind: Completed, By: ByCaller}, Stream{Kind: "audio", Path: PathDirect}, Stream{Kind: "video", Path: "userspace"})
	if got := b.EndedCalls()[0].Streams; len(got) != 1 || got[0].Path != PathDirect {
		t.Errorf("streams %+v", got)
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	at := newClock()
	b := New(Config{Now: at.Now, Trace: true})
	carried := b.Begin(Info{From: "first"}, nil)
	carried.Answered()
	carried.End(Cause{Kind: Completed, By: ByCaller})
	text := make([]byte, 4000)
	for i := range 5 * keepRefused {
		e := b.Begin(Info{From: fmt.Sprint(i)}, nil)
		for range 10 {
			e.Message(at.now, netip.AddrPort{}, netip.AddrPort{}, "udp", i%2 == 0, text)
		}
		e.End(Cause{Kind: Denied, By: ByNode, Status: 403})
	}
	list := b.EndedCalls()
	if len(list) != keepRefused+1 {
		t.Errorf("%d calls are kept, want %d", len(list), keepRefused+1)
	}
	if _, err := b.Call(carried.Serial()); err != nil {
		t.Error("refused calls pushed out one that was carried")
	}
	if n := b.Stats().Ladders; n > keepLadders || n < keepLadders/2 {
		t.Errorf("ladders take %d bytes", n)
	}
	l, err := b.Ladder(list[0].Serial, false)
	if err != nil || l.LeftOut == 0 || len(l.Messages)+l.LeftOut != 10 {
		t.Errorf("%d messages and %d left out, %v", len(l.Messages), l.LeftOut, err)
	}
	at.now = at.now.Add(keepFor + time.Second)
	if n := len(b.EndedCalls()); n != 0 || b.Stats().Ladders != 0 {
		t.Errorf("a day later %d calls and %d bytes are kept", n, b.Stats().Ladders)
	}
}

func TestLadderKeepsTheEnds(t *testing.T) {
	var l ladder
	var total int64
	for i := range 100 {
		total += l.add(Message{Data: fmt.Appendf(nil, "%03d%s", i, make([]byte, 900))})
	}
	got := l.shown(Call{}, true)
	first, last := string(got.Messages[0].Data[:3]), string(got.Messages[len(got.Messages)-1].Data[:3])
	if first != "000" || last != "099" || got.LeftOut+len(got.Messages) != 100 {
		t.Errorf("from %s to %s, %d of 100, %d left out", first, last, len(got.Messages), got.LeftOut)
	}
	if total > keepLadder || total != l.drop() {
		t.Errorf("it takes %d bytes", total)
	}
	l.add(Message{Data: make([]byte, keepLadder)})
	if m := l.last; len(l.first) == 1 && l.first[0].Cut == 0 || len(m)+len(l.first) != 1 {
		t.Error("a large message was not cut")
	}
}

func TestRedact(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{
			"digest", "REGISTER sip:a SIP/2.0\r\nAuthorization: Digest username=\"u\", response=\"secret\"\r\nTo: x\r\n\r\n",
			"REGISTER sip:a SIP/2.0\r\nAuthorization: Digest ***\r\nTo: x\r\n\r\n",
		},
		{
			"folded, spaces, case", "INVITE a\nPROXY-authorization : Digest a=b,\n response=secret\n\tnc=1\nTo: x\n y\n\n",
			"INVITE a\nPROXY-authorization : Digest ***\n ***\n ***\nTo: x\n y\n\n",
		},
		{"no scheme", "SIP/2.0 200 OK\r\nAuthentication-Info: rspauth=\"secret\"\r\n\r\n", "SIP/2.0 200 OK\r\nAuthentication-Info: ***\r\n\r\n"},
		{
			"keys", "INVITE a\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret|2^20|1:4;inline:secret WSH=128\r\nk=clear:secret\r\na=sendrecv\r\n",
			"INVITE a\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***\r\nk=***\r\na=sendrecv\r\n",
		},
		{"crypto of nothing", "\r\na=crypto:secret\r\n", "\r\na=crypto:\r\n"},
		{"empty", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, string(Redact([]byte(test.in)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
