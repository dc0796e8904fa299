package doctor

import (
	"fmt"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/config"
)

func interfaceThere(s *Snapshot) []Finding {
	var found []Finding
	for _, i := range s.Interfaces {
		f := fine(i.Name, fmt.Sprintf("%s, driver %s, MTU %d, receive queues: %d", i.Side, orUnknown(i.Driver), i.MTU, i.RxQueues))
		switch {
		case i.Missing != "":
			f = finding(i.Name, Problem, i.Missing, "see `ip -br link` for the names there are, and write one in interfaces of the node file")
		case !i.Up:
			f = finding(i.Name, Problem, "is down", "ip link set "+i.Name+" up")
		case len(i.Addresses) == 0:
			f = finding(i.Name, Problem, "has no address", "ip addr add ADDRESS/BITS dev "+i.Name)
		}
		found = append(found, f)
	}
	return found
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// wantsXDP reports whether the node file lets the kernel relay.
func (s *Snapshot) wantsXDP() bool { return s.Node.Dataplane.Mode != config.PathUserspace }

// relaysOn returns how the running node relays on an interface.
func (s *Snapshot) relaysOn(name string) (mode, reason string, ok bool) {
	if s.Running == nil {
		return "", "", false
	}
	for _, i := range s.Running.Dataplane.Interfaces {
		if i.Name == name {
			return i.Mode, i.Reason, true
		}
	}
	return "", "", false
}

func xdpNative(s *Snapshot, i Interface) []Finding {
	if !s.wantsXDP() {
		return []Finding{fine(i.Name, "dataplane.mode is userspace")}
	}
	mode, reason, running := s.relaysOn(i.Name)
	switch {
	case running && mode == "native":
		return []Finding{fine(i.Name, "the node's program runs in the driver")}
	case running && mode == "generic":
		return []Finding{finding(i.Name, Warning, "the node's program runs behind the driver (generic XDP): "+reason, "use a driver with native XDP, or see the other findings for this interface")}
	case running:
		return []Finding{finding(i.Name, Warning, "the process relays: "+reason, "see the other findings for this interface; then start the node again")}
	case i.XDP.Refused != "":
		return []Finding{finding(i.Name, Warning, i.XDP.Refused, "name another interface, or write dataplane.mode: userspace to be content with the process")}
	case i.XDPKnown && !i.XDP.Native:
		return []Finding{finding(i.Name, Warning, fmt.Sprintf("driver %s has no native XDP", orUnknown(i.Driver)), "use a network card with native XDP, or write dataplane.mode: userspace to be content with the process")}
	case !i.XDPKnown:
		return []Finding{finding(i.Name, Note, "the kernel does not tell what the driver can do with XDP", "start the node and see `turnpike dataplane status`")}
	}
	return []Finding{fine(i.Name, fmt.Sprintf("driver %s has native XDP", i.Driver))}
}

func xdpRedirect(s *Snapshot, i Interface) []Finding {
	switch {
	case !s.wantsXDP() || !i.XDPKnown:
		return nil
	case i.XDP.Sends:
		return []Finding{fine(i.Name, "takes redirected frames")}
	case i.Driver == "veth":
		far := "PEER"
		if i.Far != nil {
			far = i.Far.Name
		}
		return []Finding{finding(i.Name, Warning, "takes no redirected frames: its far end came up without GRO and without an XDP program",
			fmt.Sprintf("in the namespace of the far end: ethtool -K %s gro off && ethtool -K %s gro on", far, far))}
	case !i.XDP.Native || i.XDP.Refused != "":
		return nil // said already
	case i.Driver == "virtio_net":
		return []Finding{finding(i.Name, Note, "takes redirected frames only while an XDP program is on it", "")}
	}
	return []Finding{finding(i.Name, Warning, fmt.Sprintf("driver %s takes no redirected frames now", i.Driver),
		"some drivers take them only while an XDP program is on the interface: start the node and look again; else use another card")}
}

// narrow are drivers that leave less room in front of a packet than XDP's usual 256
// bytes, and too little for ours.
var narrow = []string{"gve"}

func xdpHeadroom(s *Snapshot, i Interface) []Finding {
	if !s.wantsXDP() {
		return nil
	}
	if n := s.passed("no_headroom"); n > 0 {
		return []Finding{finding(i.Name, Warning, fmt.Sprintf("%d packets found no room for a longer header (on any interface)", n), "let clients and peers use the same IP version, or another network card")}
	}
	if slices.Contains(narrow, i.Driver) {
		return []Finding{finding(i.Name, Warning, fmt.Sprintf("driver %s leaves little room in front of a packet", i.Driver), "let clients and peers use the same IP version, or another network card")}
	}
	return []Finding{fine(i.Name, "nothing is known against the room in front of packets")}
}

// passed returns how many packets the program left to the system for a reason.
func (s *Snapshot) passed(reason string) uint64 {
	if s.Running == nil {
		return 0
	}
	var n uint64
	for _, r := range s.Running.Reasons {
		if r.Reason == reason && r.Path == "xdp" {
			n += r.Packets
		}
	}
	return n
}

// pageMTU is the largest MTU with which a frame lies in a page of 4096 bytes, between
// XDP's room in front (256) and the end of a socket buffer (320) and with an Ethernet
// header.
const pageMTU = 4096 - 256 - 320 - 14

func xdpMTU(s *Snapshot, i Interface) []Finding {
	if !s.wantsXDP() || i.XDPKnown && !i.XDP.Native {
		return nil
	}
	mtu, at := i.MTU, i.Name
	if i.Far != nil && i.Far.MTU > mtu {
		mtu, at = i.Far.MTU, "its far end "+i.Far.Name
	}
	if mode, _, _ := s.relaysOn(i.Name); mtu > pageMTU && mode != "native" {
		return []Finding{finding(i.Name, Warning, fmt.Sprintf("the MTU of %s is %d; most drivers run the program up to %d, some only with less", at, mtu, pageMTU),
			fmt.Sprintf("ip link set %s mtu 1500 (and the same at the other end)", i.device()))}
	}
	return []Finding{fine(i.Name, fmt.Sprintf("the MTU is %d", mtu))}
}

// dispatcher is what libxdp calls the program with which several share an interface.
const dispatcher = "xdp_dispatcher"

func xdpForeign(s *Snapshot, i Interface) []Finding {
	p := i.Program
	switch {
	case p == nil:
		return []Finding{fine(i.Name, "no XDP program is on it")}
	case p.Ours:
		return []Finding{fine(i.Name, "the node's own program is on it")}
	}
	what := fmt.Sprintf("another XDP program is on it: %s (id %d)", orUnknown(p.Name), p.ID)
	command := "ip link set dev " + i.device() + " xdp off, if nobody needs it; if it is held by a link: bpftool link, and end its owner"
	if p.Name == dispatcher {
		what = fmt.Sprintf("a dispatcher of libxdp is on it (id %d)", p.ID)
		command = "xdp-loader status " + i.device() + ", and if nobody needs what it runs: xdp-loader unload -a " + i.device()
	}
	severity := Warning
	if !s.wantsXDP() {
		severity = Note
	}
	return []Finding{finding(i.Name, severity, what, command)}
}

// Features by the names that the kernel gives them.
const (
	featureLRO   = "rx-lro"
	featureGRO   = "rx-gro"
	featureGROHW = "rx-gro-hw"
	featureVLAN  = "rx-vlan-hw-parse"
	featureSums  = "tx-checksum-ip-generic"
)

func offloadLRO(_ *Snapshot, i Interface) []Finding {
	switch lro := i.Offloads[featureLRO]; {
	case !lro.On:
		return []Finding{fine(i.Name, "large receive offload is off")}
	case lro.Fixed:
		return []Finding{finding(i.Name, Problem, "large receive offload is on, and the driver does not let go of it", "use another network card")}
	}
	return []Finding{mendable(i.Name, Problem, "large receive offload is on", setOffload(i.device(), featureLRO, false))}
}

func offloadGRO(s *Snapshot, i Interface) []Finding {
	if !s.wantsXDP() {
		return nil
	}
	if hw := i.Offloads[featureGROHW]; hw.On {
		if mode, _, _ := s.relaysOn(i.Name); hw.Fixed && mode != "native" {
			return []Finding{finding(i.Name, Warning, "receive offload in hardware is on, and cannot be switched off here", "on a virtual machine, have the host leave it out (virtio: guest_tso4=off, guest_tso6=off, guest_ufo=off)")}
		} else if !hw.Fixed {
			return []Finding{mendable(i.Name, Warning, "receive offload in hardware is on", setOffload(i.device(), featureGROHW, false))}
		}
	}
	if mode, _, _ := s.relaysOn(i.Name); mode == "generic" && i.Offloads[featureGRO].On {
		return []Finding{mendable(i.Name, Warning, "GRO is on, and generic XDP comes after it", setOffload(i.device(), featureGRO, false))}
	}
	return []Finding{fine(i.Name, "packets come as they were sent")}
}

func offloadVLAN(_ *Snapshot, i Interface) []Finding {
	switch strip := i.Offloads[featureVLAN]; {
	case !strip.On:
		return []Finding{fine(i.Name, "VLAN tags stay in the frame")}
	case len(i.VLANs) == 0:
		return []Finding{fine(i.Name, "VLAN tags would be stripped, and no VLAN is in use")}
	case strip.Fixed:
		return []Finding{finding(i.Name, Warning, fmt.Sprintf("VLAN tags are stripped, the driver does not let go of it, and %s is in use", strings.Join(i.VLANs, ", ")), "use an untagged port, or another network card")}
	}
	return []Finding{mendable(i.Name, Warning, fmt.Sprintf("VLAN tags are stripped, and %s is in use", strings.Join(i.VLANs, ", ")), setOffload(i.device(), featureVLAN, false))}
}

func offloadChecksum(s *Snapshot, i Interface) []Finding {
	if i.Driver != "veth" || !s.wantsXDP() {
		return nil
	}
	var found []Finding
	if i.Offloads[featureSums].On {
		found = append(found, mendable(i.Name, Warning, "what the node itself sends leaves without checksums", setOffload(i.device(), featureSums, false)))
	}
	if i.Far != nil && i.Far.Offloads[featureSums].On {
		where := "in the namespace of the far end"
		if i.Far.Namespace != "" {
			where = "in namespace " + i.Far.Namespace
		}
		found = append(found, finding(i.Name, Warning, fmt.Sprintf("what the far end %s sends comes without checksums", i.Far.Name),
			fmt.Sprintf("%s: ethtool -K %s tx off", where, i.Far.Name)))
	}
	if len(found) == 0 {
		return []Finding{fine(i.Name, "frames have whole checksums")}
	}
	return found
}
