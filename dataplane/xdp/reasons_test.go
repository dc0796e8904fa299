package xdp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// leaving is one way for a packet to leave the program.
type leaving struct {
	reason bpf.Reason
	name   string
	frame  func(t *testing.T) []byte
	// set makes the state for it and returns how to undo that; nil: none is needed.
	set  func(t *testing.T, r *rig) (undo func())
	s1   bool // comes by s1
	meta int  // metadata in front of the frame
}

// Every reason that the program has is reached, moves its counter by one and gives the
// packet the verdict that the enum says; a packet that is passed is as it came.
// ME-01, ME-06
func TestReasons(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	r.stopHeartbeat()
	reached := map[bpf.Reason]bool{
		bpf.ReasonSendFailed: true, // the process's own: see package userspace
	}
	for _, l := range leavings {
		t.Run(l.reason.String()+" "+l.name, func(t *testing.T) {
			r.heartbeat()
			if l.set != nil {
				defer l.set(t, r)()
			}
			r.leave(t, l)
			reached[l.reason] = true
		})
	}
	for reason := range bpf.ReasonCount {
		if !reached[reason] {
			t.Errorf("no packet leaves for reason %s", reason)
		}
	}
}

func (r *rig) leave(t *testing.T, l leaving) {
	t.Helper()
	dev, frame := r.s0, l.frame(t)
	if l.s1 {
		dev = r.s1
	}
	var verdict uint32
	var out []byte
	moved := r.moved(func() { verdict, out = r.runMeta(t, dev, frame, l.meta) })
	if diff := cmp.Diff(map[bpf.Reason]uint64{l.reason: 1}, moved); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	want := map[bpf.Verdict][]uint32{
		bpf.Forward: {xdpTX, xdpRedirect}, bpf.Pass: {xdpPass}, bpf.Drop: {xdpDrop},
	}[l.reason.Verdict()]
	if !bytes.Contains([]byte{byte(want[0]), byte(want[len(want)-1])}, []byte{byte(verdict)}) {
		t.Errorf("verdict %d, want %v", verdict, want)
	}
	if verdict == xdpPass && !bytes.Equal(frame, out) {
		t.Errorf("passed, but changed (-want +got):\n%s", cmp.Diff(frame, out))
	}
}

// stopHeartbeat leaves the owner's heartbeat to the test.
func (r *rig) stopHeartbeat() {
	r.cancel()
	r.done.Wait()
}

// beatAgo sets the age of the owner's last heartbeat.
func (r *rig) beatAgo(d time.Duration) {
	atomic.StoreUint64(r.memory.heartbeat, monotonic()-uint64(d))
}

func (r *rig) heartbeatNow() uint64 { return atomic.LoadUint64(r.memory.heartbeat) }

// with installs a flow for as long as the way out is tried.
func with(f relay.Flow, then func(t *testing.T, r *rig, id relay.FlowID)) func(*testing.T, *rig) func() {
	return func(t *testing.T, r *rig) func() {
		id := r.mustInstall(t, f)
		if then != nil {
			then(t, r, id)
		}
		return func() { r.Remove(id) }
	}
}

// of builds the frame of a datagram, changed as its bytes.
func of(d datagram, change func(frame []byte)) func(*testing.T) []byte {
	return func(t *testing.T) []byte {
		frame := d.frame(t)
		if change != nil {
			change(frame)
		}
		return frame
	}
}

// raw is an Ethernet frame with any content.
func raw(etherType uint16, content ...byte) func(*testing.T) []byte {
	return func(*testing.T) []byte {
		frame := binary.BigEndian.AppendUint16(append([]byte(nil), defaultMACs[:]...), etherType)
		return append(frame, content...)
	}
}

func put16(at int, n uint16) func([]byte) {
	return func(b []byte) { binary.BigEndian.PutUint16(b[at:], n) }
}

func put8(at int, n uint8) func([]byte) { return func(b []byte) { b[at] = n } }

// Offsets in a frame.
const (
	eth  = 14
	udp4 = eth + 20
	udp6 = eth + 40
)

// at returns d as sent to another place, or from one.
func (d datagram) from(src string) datagram { d.src = addr(src); return d }

func (d datagram) to(dst string) datagram { d.dst = addr(dst); return d }

var (
	d4   = packet(down(4, 4), pattern(20))
	d6   = packet(down(6, 6), pattern(20))
	u4   = packet(up(4, 4), pattern(20))
	u6   = packet(up(6, 6), pattern(20))
	stun = datagram{macs: defaultMACs, src: client4, dst: listener4, ttl: 64, payload: binding}
	// binding is a STUN Binding request.
	binding = append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
	ended   = time.Now().Add(-time.Second)
)

// mapped is an IPv6 packet with an IPv4-mapped address at an offset of its header.
func mapped(at int) func([]byte) {
	a := netip.MustParseAddr("::ffff:198.18.1.2").As16()
	return func(frame []byte) { copy(frame[eth+at:], a[:]) }
}

func bigger(f relay.Flow, size int) datagram { return packet(f, pattern(size)) }

func hops(d datagram, ttl uint8) datagram { d.ttl = ttl; return d }

func endLease(_ *testing.T, r *rig, id relay.FlowID) { r.Lease(id, ended) }

func kill(_ *testing.T, r *rig, id relay.FlowID) { r.memory.killSlot(r.flows[uint32(id)].slot) }

func loseDevice(t *testing.T, r *rig, _ relay.FlowID) {
	t.Helper()
	for _, i := range r.tx {
		if err := r.maps.TxDevices.Delete(i); err != nil {
			t.Fatal(err)
		}
	}
	clear(r.tx)
}

// use takes what the flow's bucket holds.
func use(bytes int) func(*testing.T, *rig, relay.FlowID) {
	return func(t *testing.T, r *rig, _ relay.FlowID) {
		if verdict, _ := r.run(t, r.s1, packet(down(4, 4), pattern(bytes)).frame(t)); verdict != xdpRedirect {
			t.Fatalf("verdict %d", verdict)
		}
	}
}

func policed(kbps uint32) relay.Flow {
	f := down(4, 4)
	f.RateKbps = kbps
	return f
}

// inGroup installs a flow with a bucket that it shares, and takes bytes from that.
func inGroup(kbps uint32, bytes int) func(*testing.T, *rig) func() {
	return func(t *testing.T, r *rig) func() {
		f := down(4, 4)
		f.Groups[0] = r.mustOpenGroup(t, "call", kbps, time.Second)
		undo := with(f, use(bytes))(t, r)
		return func() { undo(); r.CloseGroup(f.Groups[0]) }
	}
}

func noNeighbour() relay.Flow {
	f := down(4, 4)
	f.Out.Dst = addr("198.18.0.77:1")
	return f
}

// installed without a way out
func withUnknownHop(t *testing.T, r *rig) func() {
	id, err := r.Install(noNeighbour(), time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if r.Reason(id) == "" {
		t.Error("no reason for a next hop that nobody has")
	}
	return func() { r.Remove(id) }
}

func permit(port, peer netip.AddrPort, until time.Time) func(*testing.T, *rig) func() {
	return func(t *testing.T, r *rig) func() {
		if err := r.Permit(port, peer.Addr(), until); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := r.Revoke(port, peer.Addr()); err != nil {
				t.Error(err)
			}
		}
	}
}

func open(port netip.AddrPort, kind relay.PortKind) func(*testing.T, *rig) func() {
	return func(t *testing.T, r *rig) func() {
		listen(t, port)
		return closed(port, kind)(t, r)
	}
}

// closed is a port whose socket went with the process.
func closed(port netip.AddrPort, kind relay.PortKind) func(*testing.T, *rig) func() {
	return func(t *testing.T, r *rig) func() {
		if err := r.OpenPort(port, kind); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := r.ClosePort(port); err != nil {
				t.Error(err)
			}
		}
	}
}

func age(d time.Duration) func(*testing.T, *rig) func() {
	return func(_ *testing.T, r *rig) func() {
		r.beatAgo(d)
		return func() {}
	}
}

// both sets two things.
func both(a, b func(*testing.T, *rig) func()) func(*testing.T, *rig) func() {
	return func(t *testing.T, r *rig) func() {
		undoA, undoB := a(t, r), b(t, r)
		return func() { undoB(); undoA() }
	}
}

// d4Bytes are the first bytes of an IPv4 packet.
func d4Bytes(n int) []byte { return append([]byte{0x45}, make([]byte, n-1)...) }

// short is a packet whose IP header is right and which ends n bytes behind it.
func short(d datagram, header, n int) func(*testing.T) []byte {
	return func(t *testing.T) []byte {
		frame := d.frame(t)[:eth+header+n]
		if header == 40 {
			put16(eth+4, uint16(n))(frame)
		} else {
			put16(eth+2, uint16(20+n))(frame)
		}
		return frame
	}
}

func stunOf(size int) datagram {
	d := stun
	d.payload = binding[:size:size]
	return d
}

func channelled(d datagram, number uint16) datagram { d.channel = number; return d }

func padded(d datagram, n int) datagram { d.padding = n; return d }

func in(d datagram, tags ...vlan) datagram { d.tags = tags; return d }
