package xdp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// sentTags is the tag of a VLAN's frames, with the priority that the packet came with.
func sentTags(v *netlink.Vlan, came []vlan) []vlan {
	const priority = 0xf000
	tag := vlan{uint16(v.VlanProtocol), uint16(v.EgressQosMap[0])<<13 | uint16(v.VlanId)}
	if len(came) > 0 {
		tag.tci = tag.tci&^priority | came[0].tci&priority
	}
	return []vlan{tag}
}

// trunks are the ways in which a node's two sides are tagged.
func trunks(r *rig) map[string]*trunk {
	const q, ad = 0x8100, 0x88a8
	return map[string]*trunk{
		"both tagged":         onTrunk(newVLAN("s0.10", vlan{q, 10}, r.s0, r.s0), newVLAN("s1.20", vlan{q, 20}, r.s1, r.s1)),
		"clients tagged":      onTrunk(newVLAN("s0.10", vlan{q, 10}, r.s0, r.s0)),
		"peers tagged":        onTrunk(newVLAN("s1.4094", vlan{q, 0x6ffe}, r.s1, r.s1)),
		"one trunk":           onTrunk(newVLAN("s0.10", vlan{q, 10}, r.s0, r.s0), newVLAN("s0.20", vlan{q, 20}, r.s0, r.s1)),
		"802.1ad":             onTrunk(newVLAN("s0.10", vlan{ad, 10}, r.s0, r.s0), newVLAN("s1.10", vlan{q, 0xa00b}, r.s1, r.s1)),
		"same number, 2 ways": onTrunk(newVLAN("s0.10", vlan{q, 10}, r.s0, r.s0), newVLAN("s1.11", vlan{ad, 10 | 1<<10}, r.s1, r.s1)),
	}
}

// Tags are kept, put in, taken out and changed, with every conversion of the rest.
// ME-04
func TestVLANConversions(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	devices := &rig{s0: deviceNamed(t, "s0"), s1: deviceNamed(t, "s1")}
	seen := newCapture()
	for name, on := range trunks(devices) {
		t.Run(name, func(t *testing.T) {
			r := newRigOn(t, Config{}, on)
			r.convertAll(t, seen, "by hint", 3, func() {})
			if name == "both tagged" {
				r.convertAll(t, seen, "slowly", 1, func() { clear(r.memory.hints) })
			}
		})
	}
	if wrong := seen.referee(t); len(wrong) > 0 {
		t.Errorf("frame, state of IP and UDP checksum, UDP checksum, malformed, length:\n%s", strings.Join(wrong, "\n"))
	}
}

// convertAll tries each conversion between each two families, with each nth packet.
func (r *rig) convertAll(t *testing.T, seen *capture, how string, nth int, prepare func()) {
	t.Helper()
	for _, c := range conversions {
		for _, in := range []int{4, 6} {
			for _, out := range []int{4, 6} {
				t.Run(fmt.Sprintf("%s IPv%d to IPv%d %s", c.name, in, out, how), func(t *testing.T) {
					f := c.flow(in, out)
					id := r.mustInstall(t, f)
					defer r.Remove(id)
					prepare()
					for i, d := range taggedPackets(t, r, f, in) {
						if i%nth == 0 {
							r.convert(t, seen, f, d)
						}
					}
				})
			}
		}
	}
}

// taggedPackets are packets as they come by the flow's VLAN, if it has one.
func taggedPackets(t *testing.T, r *rig, f relay.Flow, in int) []datagram {
	t.Helper()
	ds := packets(t, f, in)
	v := r.trunk.over(r.in(f.Key.Local))
	if v == nil {
		return ds
	}
	for i := range ds {
		tci := uint16(v.VlanId) | uint16(i)<<12 // any priority
		ds[i].tags = []vlan{{uint16(v.VlanProtocol), tci}}
	}
	return ds
}

// in puts a datagram into the VLAN of the side that it comes by.
func (r *rig) inVLAN(d datagram) datagram {
	if v := r.trunk.over(r.in(d.dst)); v != nil {
		d.tags = []vlan{{uint16(v.VlanProtocol), uint16(v.VlanId)}}
	}
	return d
}

// vlanReason returns why a packet left that came by its side's VLAN.
func (r *rig) vlanReason(t *testing.T, d datagram) bpf.Reason {
	t.Helper()
	return r.frameReason(t, r.trunk.under(r.in(d.dst)), r.inVLAN(d).frame(t), 0)
}

func (r *rig) frameReason(t *testing.T, dev netlink.Link, frame []byte, meta int) bpf.Reason {
	t.Helper()
	for reason := range r.moved(func() { r.runMeta(t, dev, frame, meta) }) {
		return reason
	}
	return bpf.ReasonCount
}

// Every way out of the program is the same for a packet with a tag.
// ME-04
func TestReasonsInVLANs(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	q, ad := vlan{0x8100, 10}, vlan{0x88a8, 20}
	s0, s1 := deviceNamed(t, "s0"), deviceNamed(t, "s1")
	r := newRigOn(t, Config{}, onTrunk(newVLAN("s0.10", q, s0, s0), newVLAN("s1.20", ad, s1, s1)))
	r.stopHeartbeat()
	for _, l := range leavings {
		frame := l.frame(t)
		if typ := binary.BigEndian.Uint16(frame[12:]); typ == q.typ || typ == ad.typ {
			continue // two tags
		}
		tag := q
		if l.s1 {
			tag = ad
		}
		t.Run(l.reason.String()+" "+l.name, func(t *testing.T) {
			r.heartbeat()
			if l.set != nil {
				defer l.set(t, r)()
			}
			l.frame = func(*testing.T) []byte { return tagged(frame, tag) }
			r.leave(t, l)
		})
	}
}

// A frame is of a VLAN by its number, the kind of its tag and the interface it came by.
// ME-04
func TestVLANMembership(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	s0, s1 := deviceNamed(t, "s0"), deviceNamed(t, "s1")
	r := newRigOn(t, Config{}, onTrunk(newVLAN("s0.10", vlan{0x8100, 10}, s0, s0), newVLAN("s0.30", vlan{0x88a8, 10}, s0, s1)))
	r.mustInstall(t, up(4, 4))
	for _, tt := range []struct {
		name string
		dev  netlink.Link
		tags []vlan
		want bpf.Reason
	}{
		{"its own", s0, []vlan{{0x8100, 10}}, bpf.ReasonForwarded},
		{"with a priority", s0, []vlan{{0x8100, 0xf00a}}, bpf.ReasonForwarded},
		{"the other side's: a node hears its addresses everywhere", s0, []vlan{{0x88a8, 10}}, bpf.ReasonForwarded},
		{"no tag, or one that says priority only", s0, []vlan{{0x8100, 0xe000}}, bpf.ReasonForwarded},
		{"no tag", s0, nil, bpf.ReasonForwarded},
		{"another number", s0, []vlan{{0x8100, 11}}, bpf.ReasonUnknownVLAN},
		{"the last number", s0, []vlan{{0x8100, 4095}}, bpf.ReasonUnknownVLAN},
		{"another interface", s1, []vlan{{0x8100, 10}}, bpf.ReasonUnknownVLAN},
		{"two tags", s0, []vlan{{0x88a8, 10}, {0x8100, 10}}, bpf.ReasonTwoTags},
		{"the same tag twice", s0, []vlan{{0x8100, 10}, {0x8100, 10}}, bpf.ReasonTwoTags},
		{"a type from before the standard", s0, []vlan{{0x9100, 10}}, bpf.ReasonNotIP},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.frameReason(t, tt.dev, in(packet(up(4, 4), pattern(20)), tt.tags...).frame(t), 0); got != tt.want {
				t.Errorf("left for reason %s, want %s", got, tt.want)
			}
		})
	}
}

// A tag takes no room from the IP packet, but it needs some in front of it; and what
// devices allow for a frame is one tag more than their MTU.
// ME-04
func TestVLANSizes(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	s0, s1 := deviceNamed(t, "s0"), deviceNamed(t, "s1")
	narrow := newVLAN("s1.20", vlan{0x8100, 20}, s1, s1)
	narrow.MTU = 1496
	r := newRigOn(t, Config{}, onTrunk(newVLAN("s0.10", vlan{0x8100, 10}, s0, s0), narrow))
	plain := conversions[3].flow(4, 4) // from a peer
	plain.Out.Dst = addr("198.18.0.2:9000")
	r.mustInstall(t, up(4, 4))
	r.mustInstall(t, plain)
	of := func(f relay.Flow, ip int) datagram {
		d := packet(f, pattern(ip-28))
		if d.channel != 0 {
			d.payload = d.payload[4:]
		}
		return d
	}
	trailed := func(d datagram, n int) datagram { d.trailer = make([]byte, n); return d }
	for _, tt := range []struct {
		name string
		d    datagram
		meta int
		want bpf.Reason
	}{
		{"as large as the VLAN allows", of(up(4, 4), 1500), 0, bpf.ReasonForwarded}, // 4 less without the channel
		{"larger by a byte", of(up(4, 4), 1501), 0, bpf.ReasonTooBig},
		{"as large as the device allows", of(plain, 1500), 0, bpf.ReasonForwarded},
		{"larger than the device allows", of(plain, 1501), 0, bpf.ReasonTooBig},
		{"padding behind it", trailed(of(plain, 1496), 4), 0, bpf.ReasonForwarded},
		{"padding for which there is no room", trailed(of(plain, 1497), 4), 0, bpf.ReasonTooBig},
		{"no headroom for more", of(plain, 100), 216, bpf.ReasonForwarded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			frame := r.inVLAN(tt.d).frame(t)
			if got := r.frameReason(t, r.in(tt.d.dst), frame, tt.meta); got != tt.want {
				t.Errorf("left for reason %s, want %s", got, tt.want)
			}
		})
	}
	untagged := of(plain, 100)
	if got := r.frameReason(t, s1, untagged.frame(t), 216); got != bpf.ReasonNoHeadroom {
		t.Errorf("a tag without headroom: %s", got)
	}
	if got := r.frameReason(t, s1, untagged.frame(t), 0); got != bpf.ReasonForwarded {
		t.Errorf("a tag: %s", got)
	}
}

// What comes without a tag and leaves with one goes through the program twice, but is
// charged once.
// ME-04
func TestVLANPacketsAreChargedOnce(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	s1 := deviceNamed(t, "s1")
	r := newRigOn(t, Config{}, onTrunk(newVLAN("s1.20", vlan{0x8100, 20}, s1, s1)))
	f := up(4, 4)
	f.RateKbps = 80 // 10,000 bytes a second
	id := r.mustInstall(t, f)
	d := packet(f, pattern(1000))
	for r.vlanReason(t, d) == bpf.ReasonForwarded {
	}
	got := r.Counters(id)
	if got.Packets < 10 || got.Packets > 12 || got.Policed != 1 || got.Bytes != 1000*got.Packets {
		t.Errorf("counted %+v, want 10 packets and one that was policed", got)
	}
}

// VLANs come and go, and with them their flows' way through the kernel.
// ME-04
func TestVLANChangesAreFollowed(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	s0, s1 := deviceNamed(t, "s0"), deviceNamed(t, "s1")
	clients, peers := newVLAN("s0.10", vlan{0x8100, 10}, s0, s0), newVLAN("s0.20", vlan{0x8100, 20}, s0, s1)
	r := newRigOn(t, Config{}, onTrunk(clients, peers))
	id := r.mustInstall(t, up(4, 4))
	is := func(reason bpf.Reason, why string, modes ...Mode) {
		t.Helper()
		defer func() {
			if t.Failed() {
				t.Logf("the flow is not relayed because %q; %+v", r.Reason(id), r.Status())
			}
		}()
		d := packet(up(4, 4), pattern(100))
		d.tags = []vlan{{0x8100, 10}}
		eventually(t, fmt.Sprintf("packets leave for %s, because %q", reason, why), func() bool {
			st := r.Status().Interfaces
			return r.frameReason(t, s0, d.frame(t), 0) == reason && strings.Contains(r.Reason(id), why) &&
				(why == "") == (r.Reason(id) == "") && st[0].Mode == modes[0] && st[1].Mode == modes[1]
		})
	}
	// The kernel announces links and routes, which nobody does here.
	set := func(vlans ...vlanOn) { r.trunk.set(vlans...); r.reload() }
	is(bpf.ReasonForwarded, "", ModeNative, ModeNative)
	want := []Interface{
		{Name: "s0.10", Index: s0.Attrs().Index, Mode: ModeNative, Under: "s0", VLAN: 10},
		{Name: "s0.20", Index: s0.Attrs().Index, Mode: ModeNative, Under: "s0", VLAN: 20},
	}
	if diff := cmp.Diff(want, r.Status().Interfaces); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	if program, _ := attached(t, "s1"); program != 0 {
		t.Errorf("program %d is on s1, by which no frame goes", program)
	}

	set(clients) // without a VLAN the other side is a real device, which is not the node's
	is(bpf.ReasonForwarded, "", ModeNative, ModeNone)
	set(peers)
	is(bpf.ReasonUnknownVLAN, "interface s0 is not one of the node's", ModeNone, ModeNative)
	down := peers
	attrs := *peers.Attrs()
	attrs.RawFlags = 0
	down.Vlan = &netlink.Vlan{LinkAttrs: attrs, VlanId: peers.VlanId, VlanProtocol: peers.VlanProtocol}
	set(clients, down)
	is(bpf.ReasonNoNeighbour, "interface s0.20 is down", ModeNative, ModeNative)
	set(clients, peers)
	is(bpf.ReasonForwarded, "", ModeNative, ModeNative)

	// The next process takes the program's place on the device under both.
	before, _ := attached(t, "s0")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	router, err := newRouter()
	if err != nil {
		t.Fatal(err)
	}
	r.trunk.system = router.netlink
	router.netlink, router.drivers = r.trunk, tagKeeper{router.drivers}
	if r.Backend, err = openOn(r.cfg, router); err != nil {
		t.Fatal(err)
	}
	r.mustTellPorts(t)
	id = r.mustAdd(t, up(4, 4))
	r.mustActivate(t)
	is(bpf.ReasonForwarded, "", ModeNative, ModeNative)
	if program, _ := attached(t, "s0"); program == before || program != r.Status().ProgramID {
		t.Errorf("program %d is on s0, before %d", program, before)
	}
	set()
	is(bpf.ReasonUnknownVLAN, "interface s0 is not one of the node's", ModeNone, ModeNone)
	if program, _ := attached(t, "s0"); program != 0 {
		t.Errorf("program %d is left on s0", program)
	}
}
