package xdp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// conversions are what is done to the payload, by the headers on both sides.
var conversions = []struct {
	name string
	flow func(in, out int) relay.Flow
}{
	{"strip channel", up},
	{"add channel", down},
	{"swap channel", func(in, out int) relay.Flow { // two relays of this node, joined
		f := up(in, out)
		f.Out.Src, f.Out.Dst, f.Out.Channel = down(4, out).Out.Src, down(4, out).Out.Dst, 0x7ffe
		return f
	}},
	{"plain", func(in, out int) relay.Flow {
		f := down(in, out)
		f.Out.Src, f.Out.Dst = up(4, out).Out.Src, up(4, out).Out.Dst
		f.Out.Channel = 0
		return f
	}},
}

// variants change the packet that goes in.
var variants = []struct {
	name   string
	only   int // address family of the packet; 0: both
	change func(*datagram)
}{
	{"as usual", 0, func(*datagram) {}},
	{"DSCP and ECN", 0, func(d *datagram) { d.tos = 0xb8 | 3 }},
	{"last hop but one", 0, func(d *datagram) { d.ttl = 2 }},
	{"farthest", 0, func(d *datagram) { d.ttl = 255 }},
	{"may be fragmented", 4, func(d *datagram) { d.df, d.id = false, 0x1234 }},
	{"DF and ID", 4, func(d *datagram) { d.df, d.id = true, 0x4321 }},
	{"flow label", 6, func(d *datagram) { d.label = 0xabcde }},
	{"no checksum", 4, func(d *datagram) { d.noCheck = true }},
	{"Ethernet trailer", 0, func(d *datagram) { d.trailer = []byte{0xde, 0xad, 0xbe, 0xef, 1} }},
}

// ME-01, ME-04: each conversion of a packet, header by header, and its checksums.
func TestConversions(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	seen := newCapture()
	for _, c := range conversions {
		for _, in := range []int{4, 6} {
			for _, out := range []int{4, 6} {
				t.Run(fmt.Sprintf("%s IPv%d to IPv%d", c.name, in, out), func(t *testing.T) {
					f := c.flow(in, out)
					id := r.mustInstall(t, f)
					defer r.Remove(id)
					for _, d := range packets(t, f, in) {
						r.convert(t, seen, f, d)
					}
				})
			}
		}
	}
	if wrong := seen.referee(t); len(wrong) > 0 {
		t.Errorf("frame, state of IP and UDP checksum, UDP checksum, malformed, length:\n%s", strings.Join(wrong, "\n"))
	}
}

// packets are the ones that a conversion is tried with.
func packets(t *testing.T, f relay.Flow, in int) []datagram {
	var ds []datagram
	for _, size := range []int{0, 1, 2, 3, 4, 11, 12, 13, 172, 1199, 1200, 1201, 1232, 1233} {
		for padding := 0; padding <= 3 && (padding == 0 || f.Key.Channel != 0); padding++ {
			d := packet(f, pattern(size))
			d.padding = padding
			ds = append(ds, d)
		}
	}
	for _, v := range variants {
		if v.only != 0 && v.only != in {
			continue
		}
		for _, size := range []int{17, 160} {
			d := packet(f, pattern(size))
			v.change(&d)
			ds = append(ds, d)
		}
	}
	// The checksum that is sent comes to zero, and so does the one received.
	zero := packet(f, pattern(40))
	out := sent(f, zero).tuned(t, 0xffff)
	zero.payload = out.payload
	return append(ds, zero, packet(f, pattern(40)).tuned(t, 0xffff), packet(f, pattern(40)).tuned(t, 1))
}

// sent is what the flow is to make of a packet, next hop and identification aside.
func sent(f relay.Flow, d datagram) datagram {
	out := d
	out.src, out.dst, out.channel = f.Out.Src, f.Out.Dst, f.Out.Channel
	out.ttl--
	// Zero padding behind ChannelData stays behind the IP packet.
	out.padding, out.trailer = 0, append(make([]byte, d.padding), d.trailer...)
	if out.dst.Addr().Is6() {
		out.label, out.noCheck = flowLabel(f.Out), false
	} else if d.dst.Addr().Is6() {
		out.df = 20+8+len(out.message()) > 1260 // RFC 7915 section 5.1
	}
	return out
}

// convert runs one packet through its flow and compares every byte.
func (r *rig) convert(t *testing.T, seen *capture, f relay.Flow, d datagram) {
	t.Helper()
	want, verdict := sent(f, d), uint32(xdpRedirect)
	to, mac := r.s1, peerMAC
	if f.Out.Dst == client4 || f.Out.Dst == client6 {
		to, mac = r.s0, clientMAC
	}
	if v := r.trunk.over(to); v != nil {
		to, want.tags = v, sentTags(v, d.tags)
	} else {
		want.tags = nil
	}
	copy(want.macs[:6], mac[:])
	copy(want.macs[6:], to.Attrs().HardwareAddr)
	var got []byte
	var is uint32
	moved := r.moved(func() { is, got = r.run(t, r.trunk.under(r.in(f.Key.Local)), d.frame(t)) })
	if diff := cmp.Diff(map[bpf.Reason]uint64{bpf.ReasonForwarded: 1}, moved); diff != "" {
		t.Fatalf("%+v: reasons (-want +got):\n%s", d, diff)
	}
	if is != verdict {
		t.Errorf("%+v: verdict %d, want %d", d, is, verdict)
	}
	want.id = identification(t, want, d, got)
	if diff := cmp.Diff(want.frame(t), got); diff != "" {
		t.Errorf("%+v became (-want +got):\n%s", d, diff)
	}
	seen.add(d.frame(t))
	seen.add(got)
}

// identification is that of the packet received, or the one that was sent if that may
// be fragmented: it needs one of its own (RFC 6864).
func identification(t *testing.T, want, in datagram, got []byte) uint16 {
	t.Helper()
	if want.dst.Addr().Is6() || len(got) < want.udpAt() {
		return 0
	}
	if want.df && in.dst.Addr().Is4() {
		return in.id
	}
	if want.df {
		return 0
	}
	return binary.BigEndian.Uint16(got[want.udpAt()-16:])
}

// pattern is a payload that is no RTP.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + 1)
	}
	return p
}
