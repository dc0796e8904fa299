package xdp

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// watched is a rig with one flow, to peers, whose ways change.
type watched struct {
	*rig
	t  *testing.T
	id relay.FlowID
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	r := newRig(t, Config{})
	return &watched{rig: r, t: t, id: r.mustInstall(t, up(4, 4))}
}

// leaves waits until the flow's packets leave with this verdict and, if they are
// forwarded, with these link addresses (nil: any).
func (w *watched) leaves(what string, verdict uint32, dst, src []byte) {
	w.t.Helper()
	defer func() {
		if w.t.Failed() {
			w.t.Logf("the flow is not relayed because %q; %+v", w.Reason(w.id), w.Status())
		}
	}()
	eventually(w.t, what, func() bool {
		is, out := w.run(w.t, w.s0, packet(up(4, 4), pattern(1400)).frame(w.t))
		if is != verdict {
			return false
		}
		return bytes.HasPrefix(out, dst) && (src == nil || bytes.HasPrefix(out[6:], src))
	})
}

// because waits for the reason that is shown for the flow.
func (w *watched) because(reason string) {
	w.t.Helper()
	var why string
	defer func() {
		if w.t.Failed() {
			w.t.Logf("the reason is %q, want %q", why, reason)
		}
	}()
	eventually(w.t, "the reason is shown", func() bool {
		why = w.Reason(w.id)
		return strings.Contains(why, reason) && (reason != "") == (why != "")
	})
}

func (w *watched) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// What changes in the system changes in the kernel's relay.
// ME-01, ME-03
func TestChangesAreFollowed(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	w := newWatched(t)
	other := [6]byte{2, 0, 0, 0, 0xd, 2}
	w.leaves("packets go to the peer", xdpRedirect, peerMAC[:], w.s1.Attrs().HardwareAddr)

	setNeighbour(t, w.s1, peer4.Addr(), other)
	w.leaves("they go to its new link address", xdpRedirect, other[:], nil)
	setNeighbour(t, w.s1, peer4.Addr(), peerMAC)
	w.leaves("they go to its old one", xdpRedirect, peerMAC[:], nil)

	own := net.HardwareAddr{2, 0, 0, 0, 0xd, 3}
	w.must(netlink.LinkSetHardwareAddr(w.s1, own))
	// The kernel forgets the neighbours of a device that gets a new address.
	w.leaves("they come from the new link address", xdpRedirect, nil, own)
	setNeighbour(t, w.s1, peer4.Addr(), peerMAC)

	w.must(netlink.LinkSetMTU(w.s1, 1300))
	w.leaves("they are too big", xdpPass, nil, nil)
	w.must(netlink.LinkSetMTU(w.s1, 1500))
	w.leaves("they are not too big", xdpRedirect, peerMAC[:], nil)

	route := &netlink.Route{
		Dst:       &net.IPNet{IP: peer4.Addr().AsSlice(), Mask: net.CIDRMask(32, 32)},
		LinkIndex: w.s0.Attrs().Index, Gw: client4.Addr().AsSlice(), MTU: 1300,
	}
	w.must(netlink.RouteAdd(route))
	w.leaves("they are too big for the new route", xdpPass, nil, nil)
	route.MTU = 0
	w.must(netlink.RouteReplace(route))
	w.leaves("they take the new route", xdpRedirect, clientMAC[:], w.s0.Attrs().HardwareAddr)
	w.must(netlink.RouteDel(route))
	w.leaves("they take the old route", xdpRedirect, peerMAC[:], nil)
	w.because("")

	address := &netlink.Addr{IPNet: &net.IPNet{IP: relay4.Addr().AsSlice(), Mask: net.CIDRMask(24, 32)}}
	w.must(netlink.AddrDel(w.s1, address))
	w.leaves("the relay's address is gone", xdpPass, nil, nil)
	w.because("no route from 198.18.1.1")
	w.must(netlink.AddrAdd(w.s1, address))
	w.leaves("it is back", xdpRedirect, nil, nil)
	w.because("")

	listening := &netlink.Addr{IPNet: &net.IPNet{IP: listener4.Addr().AsSlice(), Mask: net.CIDRMask(24, 32)}}
	w.must(netlink.AddrDel(w.s0, listening))
	w.because("no interface has the address 198.18.0.1")
	w.must(netlink.AddrAdd(w.s0, listening))
	w.because("")

	w.must(netlink.LinkSetDown(w.s1))
	w.leaves("the interface is down", xdpPass, nil, nil)
	w.must(netlink.LinkSetUp(w.s1))
	// The peer's own link address now: what was fixed went with the interface.
	w.leaves("it is up", xdpRedirect, nil, nil)
	w.because("")
}

// Who has no link address yet is asked for it, and the process relays until it is known.
// ME-03
func TestNeighbourIsAskedFor(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	w := newWatched(t)
	f := versions(1)[0]
	f.Out.Dst = addr("198.18.1.2:9") // there, behind no fixed neighbour
	w.must(netlink.NeighDel(&netlink.Neigh{LinkIndex: w.s1.Attrs().Index, IP: f.Out.Dst.Addr().AsSlice()}))
	id, err := w.Install(f, time.Now().Add(time.Minute))
	w.must(err)
	eventually(t, "the peer answers", func() bool { return w.Reason(id) == "" })

	nobody := f
	nobody.Key.Channel++
	nobody.Out.Dst = addr("198.18.1.77:9")
	if id, err = w.Install(nobody, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if why := w.Reason(id); !strings.Contains(why, "link address of 198.18.1.77") {
		t.Errorf("reason %q", why)
	}
	key := neighbourKey{w.s1.Attrs().Index, nobody.Out.Dst.Addr()}
	if !isManaged(t, key) {
		t.Error("the kernel does not keep the link address")
	}
	w.Remove(id)
	eventually(t, "the neighbour is let go", func() bool { return !isManaged(t, key) })
}

func isManaged(t *testing.T, key neighbourKey) bool {
	t.Helper()
	list, err := netlink.NeighList(key.ifindex, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range list {
		if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap() == key.ip {
			return n.FlagsExt&netlink.NTF_EXT_MANAGED != 0
		}
	}
	return false
}

// An interface that was removed and made again is the node's again.
// ME-06
func TestInterfaceComesBack(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	w := newWatched(t)
	w.leaves("packets go to the peer", xdpRedirect, peerMAC[:], nil)
	before := w.s1.Attrs().Index
	w.must(netlink.LinkDel(w.s1))
	w.leaves("the interface is gone", xdpPass, nil, nil)
	eventually(t, "that is shown", func() bool { return strings.Contains(w.Status().Interfaces[1].Reason, "not there") })

	attrs := netlink.NewLinkAttrs()
	attrs.Name = "s1"
	w.must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "far"}))
	w.s1 = deviceNamed(t, "s1")
	w.must(netlink.LinkSetUp(deviceNamed(t, "far")))
	attachPass(t, "far") // without it a veth's end takes no redirected frames
	w.must(netlink.LinkSetUp(w.s1))
	w.must(netlink.AddrAdd(w.s1, &netlink.Addr{IPNet: &net.IPNet{IP: relay4.Addr().AsSlice(), Mask: net.CIDRMask(24, 32)}}))
	setNeighbour(t, w.s1, peer4.Addr(), peerMAC)
	w.leaves("packets go by the new interface", xdpRedirect, peerMAC[:], w.s1.Attrs().HardwareAddr)
	eventually(t, "the program is on it", func() bool {
		is := w.Status().Interfaces[1]
		return is.Mode == ModeNative && is.Index == w.s1.Attrs().Index && is.Index != before && is.Reason == ""
	})
	down := w.mustInstall(t, down(4, 4))
	if verdict, _ := w.run(t, w.s1, d4.frame(t)); verdict != xdpRedirect {
		t.Errorf("what comes by it: verdict %d, %s", verdict, w.Reason(down))
	}
}

// attachPass attaches a program that passes everything.
func attachPass(t *testing.T, name string) link.Link {
	t.Helper()
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = prog.Close() })
	l, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: deviceNamed(t, name).Attrs().Index})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// A device's route to a local address is the process's, and so is one without Ethernet.
// ME-03
func TestWaysThatXDPHasNot(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	w := newWatched(t)
	for dst, want := range map[string]string{
		"198.18.1.1:9":   "198.18.1.1 is an address of this node",
		"203.0.113.9:9":  "no route from 198.18.1.1 to 203.0.113.9",
		"224.0.0.251:9":  "not unicast",
		"198.18.1.255:9": "not unicast",
	} {
		f := up(4, 4)
		f.Key.Channel++
		f.Out.Dst = addr(dst)
		id, err := w.Install(f, time.Now().Add(time.Minute))
		w.must(err)
		if why := w.Reason(id); !strings.Contains(why, want) && dst[0] != '2' {
			t.Errorf("to %s: reason %q, want %q", dst, why, want)
		} else if why == "" {
			t.Errorf("to %s: no reason", dst)
		}
		if verdict, _ := w.run(t, w.s0, packet(f, nil).frame(t)); verdict != xdpPass {
			t.Errorf("to %s: verdict %d", dst, verdict)
		}
		w.Remove(id)
	}
}
