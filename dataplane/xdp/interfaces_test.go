package xdp

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"turnpike.dev/turnpike/perf/lab"
)

// An interface that is renamed goes on relaying, and says what it is called; so does the
// node that starts with the new name, without a packet that meets no program.
// ME-04, ME-06
func TestInterfaceIsRenamed(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	w := newWatched(t)
	w.leaves("packets go to the peer", xdpRedirect, peerMAC[:], nil)
	w.must(netlink.LinkSetName(w.s1, "wan"))
	w.says(1, ModeNative, "it is called wan now: write that into the node file before the next start")
	w.leaves("they still do", xdpRedirect, peerMAC[:], w.s1.Attrs().HardwareAddr)
	w.because("")
	w.changes(deviceNamed(t, "wan"))

	ours, _ := attached(t, "wan")
	w.must(w.Close())
	w.cfg.Interfaces = []string{"s0", "wan"}
	next := &watched{rig: w.next(t, Config{}), t: t}
	next.mustTellPorts(t)
	next.id = next.mustAdd(t, up(4, 4))
	if is, _ := attached(t, "wan"); is != ours {
		t.Errorf("before the next process is active program %d is on wan, was %d", is, ours)
	}
	next.mustActivate(t)
	// Taken over at once: not refused because of the link that the old name has.
	if is, _ := attached(t, "wan"); is != next.Status().ProgramID {
		t.Errorf("program %d is on wan, want %d", is, next.Status().ProgramID)
	}
	next.says(1, ModeNative, "")
	next.leaves("packets go to the peer", xdpRedirect, peerMAC[:], nil)
	if links, err := os.ReadDir(next.pins.links()); err != nil || len(links) != 2 {
		t.Errorf("pinned links: %v, %v", links, err)
	}
}

// Another device that takes the name is the node's interface from then on.
// ME-04
func TestAnotherTakesTheName(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	w := newWatched(t)
	w.must(netlink.LinkSetName(w.s1, "old"))
	w.says(1, ModeNative, "it is called old now")
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "s1"
	w.must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "far"}))
	w.says(1, ModeNative, "what leaves by it goes through the process")
	eventually(t, "the program has left the old one for the new one", func() bool {
		old, _ := attached(t, "old")
		is, _ := attached(t, "s1")
		return old == 0 && is == w.Status().ProgramID
	})
	w.must(netlink.LinkDel(deviceNamed(t, "s1")))
	w.says(1, ModeNone, "interface s1 is not there")
	w.must(netlink.LinkSetName(w.s1, "s1"))
	w.says(1, ModeNative, "")
	w.leaves("packets go to the peer", xdpRedirect, peerMAC[:], nil)
}

// A renamed interface that is removed, and one that comes in its place.
// ME-04
func TestRenamedInterfaceIsReplaced(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	w := newWatched(t)
	w.must(netlink.LinkSetName(w.s1, "wan"))
	w.says(1, ModeNative, "it is called wan now")
	w.must(netlink.LinkDel(w.s1))
	w.says(1, ModeNone, "interface s1 is not there")
	w.leaves("the interface is gone", xdpPass, nil, nil)

	attrs := netlink.NewLinkAttrs()
	attrs.Name = "s1"
	w.must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "far"}))
	w.s1 = deviceNamed(t, "s1")
	w.must(netlink.LinkSetUp(deviceNamed(t, "far")))
	attachPass(t, "far") // without it a veth's end takes no redirected frames
	w.must(netlink.LinkSetUp(w.s1))
	w.must(netlink.AddrAdd(w.s1, &netlink.Addr{IPNet: &net.IPNet{IP: relay4.Addr().AsSlice(), Mask: net.CIDRMask(24, 32)}}))
	setNeighbour(t, w.s1, peer4.Addr(), peerMAC)
	w.says(1, ModeNative, "")
	w.leaves("packets go by the new interface", xdpRedirect, peerMAC[:], w.s1.Attrs().HardwareAddr)
	w.changes(w.s1)
}

// changes tries what may happen to the peers' interface while flows exist.
func (w *watched) changes(dev netlink.Link) {
	w.t.Helper()
	w.must(netlink.LinkSetMTU(dev, 1300))
	w.leaves("packets are too big", xdpPass, nil, nil)
	w.must(netlink.LinkSetMTU(dev, 1500))
	w.leaves("they are not", xdpRedirect, nil, nil)

	address := &netlink.Addr{IPNet: &net.IPNet{IP: relay4.Addr().AsSlice(), Mask: net.CIDRMask(24, 32)}}
	w.must(netlink.AddrDel(dev, address))
	w.because("no route from 198.18.1.1")
	w.must(netlink.AddrAdd(dev, address))
	setNeighbour(w.t, dev, peer4.Addr(), peerMAC)
	w.because("")
	w.leaves("packets go to the peer", xdpRedirect, peerMAC[:], nil)

	own := net.HardwareAddr{2, 0, 0, 0, 0xd, 9}
	w.must(netlink.LinkSetHardwareAddr(dev, own))
	setNeighbour(w.t, dev, peer4.Addr(), peerMAC)
	w.leaves("they come from another link address", xdpRedirect, peerMAC[:], own)
}

// says waits until the status of an interface is this.
func (w *watched) says(i int, mode Mode, reason string) {
	w.t.Helper()
	var is Interface
	defer func() {
		if w.t.Failed() {
			w.t.Logf("the interface is %+v, want %s because of %q", is, mode, reason)
		}
	}()
	eventually(w.t, "the status says so", func() bool {
		is = w.Status().Interfaces[i]
		return is.Mode == mode && strings.Contains(is.Reason, reason) && (reason == "") == (is.Reason == "")
	})
}
