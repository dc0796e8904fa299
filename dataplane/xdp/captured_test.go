package xdp

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/bpf"
	capturing "turnpike.dev/turnpike/dataplane/capture"
	"turnpike.dev/turnpike/dataplane/capture/capturetest"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// recording is a capture of what the rig relays.
type recording struct {
	file    bytes.Buffer
	summary capturing.Summary
	err     error
	end     context.CancelFunc
	ended   chan struct{}
}

// theRelays are those of the rig, for captures: one of each family.
type theRelays struct {
	mu   sync.Mutex
	list []capturing.Relay
}

func (s *theRelays) Relays() []capturing.Relay {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list
}

func rigRelays() *theRelays {
	return &theRelays{list: []capturing.Relay{
		{
			ID: 4, User: "alice", Client: client4, Server: listener4, Relayed: []netip.AddrPort{relay4},
			Channels: []capturing.Channel{{Number: testChannel, Peer: peer4}}, Permissions: []netip.Addr{peer4.Addr()},
		},
		{ID: 6, User: "bob", Client: client6, Server: listener6, Relayed: []netip.AddrPort{relay6}},
	}}
}

// record starts a capture; it runs when this returns.
func (r *rig) record(t *testing.T, source capturing.Source, s capturing.Selector, o capturing.Options) *recording {
	t.Helper()
	c, err := capturing.Open(capturing.Config{
		Options: o, Selector: s, Source: source, FastPath: r.Backend, About: "a test",
		Interfaces: []capturing.Interface{{Index: r.s0.Attrs().Index, Name: "s0"}, {Index: r.s1.Attrs().Index, Name: "s1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	rec := &recording{ended: make(chan struct{})}
	var ctx context.Context
	ctx, rec.end = context.WithCancel(context.Background())
	own := r.Status().ProgramID
	go func() {
		defer close(rec.ended)
		rec.summary, rec.err = c.Run(ctx, &rec.file)
	}()
	t.Cleanup(func() { // not before: the test may be running its program
		rec.stop(t)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the capturing program stands in", func() bool { return r.Status().ProgramID != own })
	return rec
}

// stop ends the capture.
func (rec *recording) stop(t *testing.T) {
	t.Helper()
	rec.end()
	rec.wait(t)
}

func (rec *recording) wait(t *testing.T) {
	t.Helper()
	<-rec.ended
	if rec.err != nil {
		t.Fatal(rec.err)
	}
}

// read stops the capture and returns what it has. Counts and statistics must agree.
func (rec *recording) read(t *testing.T) capturetest.File {
	t.Helper()
	rec.stop(t)
	f := capturetest.Read(t, rec.file.Bytes())
	var received, dropped, packets uint64
	for _, s := range f.Interfaces {
		received, dropped = received+s.Received, dropped+s.Dropped
	}
	for _, x := range f.Frames {
		if x.Side == "received" {
			packets++
		}
	}
	s := rec.summary
	if packets != s.Packets || uint64(len(f.Frames)) != s.Frames || dropped != s.RingFull+s.RateCapped || received != s.Packets+s.Unwritten+dropped {
		t.Errorf("the file has %d packets, %d frames, %d received, %d dropped: %s", packets, len(f.Frames), received, dropped, s)
	}
	return f
}

// The relay does with every packet what it does without a capture, and the capture has
// each frame as it came and as it left.
// ME-01
func TestCaptureOfConversions(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	all := capturing.Selector{Users: []string{"alice"}, Relays: []uint64{6}}
	rec := r.record(t, rigRelays(), all, capturing.Options{Snap: capturing.MaxSnap, Rate: capturing.MaxRate})
	type pair struct{ in, out []byte }
	var want []pair
	for _, c := range conversions[:2] {
		for _, in := range []int{4, 6} {
			for _, out := range []int{4, 6} {
				f := c.flow(in, out)
				id := r.mustInstall(t, f)
				for _, d := range packets(t, f, in) {
					frame := d.frame(t)
					verdict, left := r.run(t, r.in(f.Key.Local), frame)
					if verdict != xdpRedirect {
						t.Fatalf("%s IPv%d to IPv%d: verdict %d", c.name, in, out, verdict)
					}
					want = append(want, pair{frame, left})
				}
				r.Remove(id)
			}
		}
	}
	got := rec.read(t)
	if len(got.Frames) != 2*len(want) {
		t.Fatalf("%d frames, want %d: %s", len(got.Frames), 2*len(want), rec.summary)
	}
	for i, w := range want {
		in, out := got.Frames[2*i], got.Frames[2*i+1]
		if !bytes.Equal(in.Data, w.in) || !bytes.Equal(out.Data, w.out) || in.Length != len(w.in) || out.Length != len(w.out) {
			t.Fatalf("packet %d (-want +got):\n%s%s", i, cmp.Diff(w.in, in.Data), cmp.Diff(w.out, out.Data))
		}
		checkSides(t, in, out)
	}
}

// checkSides checks what is said of both sides of a packet that was redirected.
func checkSides(t *testing.T, in, out capturetest.Frame) {
	t.Helper()
	d := map[string]string{"s0": "up", "s1": "down"}[in.Interface]
	other := map[string]string{"s0": "s1", "s1": "s0"}[in.Interface]
	owner := map[string]string{"4": "alice", "6": "bob"}[in.Relay]
	want := capturetest.Frame{Interface: in.Interface, Relay: in.Relay, User: owner, Direction: d, Side: "received", Verdict: "redirect", ID: in.ID}
	sent := want
	sent.Interface, sent.Side = other, "sent"
	for _, x := range []struct{ want, got capturetest.Frame }{{want, in}, {sent, out}} {
		x.got.Time, x.got.Length, x.got.Data = time.Time{}, 0, nil
		if diff := cmp.Diff(x.want, x.got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if out.Time.Before(in.Time) || time.Since(in.Time) > time.Minute {
		t.Errorf("came at %s, left at %s", in.Time, out.Time)
	}
}

// Every reason that a packet of a chosen relay can leave for is told.
func TestCaptureTellsReasons(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	r.stopHeartbeat()
	everything := &theRelays{list: append(rigRelays().list, capturing.Relay{ID: 9, User: "u", Relayed: []netip.AddrPort{listener4, listener6}})}
	rec := r.record(t, everything, capturing.Selector{Users: []string{"alice", "bob", "u"}}, capturing.Options{})
	type said struct{ reason, verdict string }
	var want []said
	for _, l := range leavings {
		r.heartbeat()
		undo := func() {}
		if l.set != nil {
			undo = l.set(t, r)
		}
		r.leave(t, l)
		undo()
		want = append(want, said{l.reason.String(), string(l.reason.Verdict())})
	}
	told := map[string]bool{}
	for _, f := range rec.read(t).Frames {
		if f.Reason == "" { // what is forwarded has none
			continue
		}
		for len(want) > 0 && want[0].reason != f.Reason {
			want = want[1:] // packets that nothing can be known of: not UDP, too short
		}
		if len(want) == 0 || f.Verdict != want[0].verdict || f.Side != "received" {
			t.Fatalf("out of turn: %+v", f)
		}
		want = want[1:]
		told[f.Reason] = true
	}
	for reason := range bpf.ReasonCount {
		switch reason {
		case bpf.ReasonForwarded, bpf.ReasonSendFailed, bpf.ReasonNotIP, bpf.ReasonShortFrame, bpf.ReasonNotUDP,
			bpf.ReasonTwoTags, bpf.ReasonIPExtension, bpf.ReasonMappedAddress, bpf.ReasonNotOurs: // not of a relay's address
		default:
			if !told[reason.String()] {
				t.Errorf("no packet is said to leave for reason %s: %s", reason, rec.summary)
			}
		}
	}
}

// What is chosen is captured and nothing else, also when it comes later.
func TestCaptureChooses(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	otherPeer := d4.from("198.18.1.3:6000")
	samePeer := d4.from(netip.AddrPortFrom(peer4.Addr(), 7000).String())
	otherChannel := u4
	otherChannel.channel++
	tests := []struct {
		name   string
		choose capturing.Selector
		want   []int // of the datagrams below
	}{
		{"relay", capturing.Selector{Relays: []uint64{4}}, []int{0, 1, 2, 3, 4, 5}},
		{"user", capturing.Selector{Users: []string{"bob"}}, []int{6, 7}},
		{"client", capturing.Selector{Addresses: []netip.AddrPort{client4}}, []int{0, 1, 2, 3, 4, 5}},
		{"relayed address", capturing.Selector{Addresses: []netip.AddrPort{relay6}}, []int{6, 7}},
		{"peer", capturing.Selector{Addresses: []netip.AddrPort{peer4}}, []int{0, 3}},
		{"peer, any port", capturing.Selector{Addresses: []netip.AddrPort{netip.AddrPortFrom(peer4.Addr(), 0)}}, []int{0, 3, 4}},
		{"two users", capturing.Selector{Users: []string{"alice", "bob"}}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
	}
	packets := []datagram{u4, otherChannel, stun, d4, samePeer, otherPeer, u6, d6, u4.from("198.18.0.9:40000")}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rec := r.record(t, rigRelays(), test.choose, capturing.Options{})
			for i, p := range packets {
				frame := p.frame(t)
				binary.BigEndian.PutUint32(frame[2:], uint32(i)) // into a link address
				r.run(t, r.in(p.dst), frame)
			}
			var got []int
			for _, f := range rec.read(t).Frames {
				got = append(got, int(binary.BigEndian.Uint32(f.Data[2:])))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCaptureSeesWhatComesLater(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	relays := &theRelays{}
	rec := r.record(t, relays, capturing.Selector{Users: []string{"alice"}}, capturing.Options{Packets: 1})
	relays.mu.Lock()
	relays.list = rigRelays().list
	relays.mu.Unlock()
	eventually(t, "the relay is captured", func() bool {
		r.run(t, r.s0, u4.frame(t))
		select {
		case <-rec.ended:
			return true
		default:
			return false
		}
	})
	if f := rec.read(t); f.Frames[0].User != "alice" || rec.summary.Ended != capturing.EndedByPackets {
		t.Errorf("%+v %s", f.Frames, rec.summary)
	}
}

// A frame with a VLAN tag, or with IP options, is found as well.
func TestCaptureOfOddFrames(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	tagged := func(d datagram) []byte {
		f := d.frame(t)
		return append(append(append([]byte(nil), f[:12]...), 0x81, 0, 0, 5), f[12:]...)
	}
	options := d4.frame(t)
	options = append(append(append([]byte(nil), options[:34]...), 1, 1, 1, 1), options[34:]...)
	options[14], options[17] = 0x46, options[17]+4
	frames := [][]byte{tagged(d4), tagged(u6), options}
	rec := r.record(t, rigRelays(), capturing.Selector{Users: []string{"alice", "bob"}}, capturing.Options{})
	for _, f := range frames {
		r.run(t, r.s1, f)
	}
	got := rec.read(t).Frames
	var came [][]byte
	for _, f := range got {
		if f.Side == "received" {
			came = append(came, f.Data)
		}
	}
	if diff := cmp.Diff(frames, came); diff != "" {
		t.Errorf("%s\n%+v", diff, got)
	}
}

// On a trunk, frames are captured with the tags that they came and left with.
// ME-04
func TestCaptureInVLANs(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	devices := &rig{s0: deviceNamed(t, "s0"), s1: deviceNamed(t, "s1")}
	r := newRigOn(t, Config{}, trunks(devices)["both tagged"])
	rec := r.record(t, rigRelays(), capturing.Selector{Users: []string{"alice", "bob"}}, capturing.Options{Snap: capturing.MaxSnap})
	var want [][]byte
	for _, family := range []int{4, 6} {
		for _, f := range []relay.Flow{up(family, family), down(family, family)} {
			id := r.mustInstall(t, f)
			came := r.inVLAN(packet(f, pattern(100))).frame(t)
			_, left := r.run(t, r.trunk.under(r.in(f.Key.Local)), came)
			want = append(want, came, left)
			r.Remove(id)
		}
	}
	var got [][]byte
	for _, f := range rec.read(t).Frames {
		got = append(got, f.Data)
		if f.Verdict != "redirect" || f.Interface != "s0" && f.Interface != "s1" {
			t.Errorf("%+v", f)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
