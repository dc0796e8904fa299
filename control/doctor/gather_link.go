package doctor

import (
	"net/netip"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/dataplane/xdp"
)

// gatherInterfaces reads the node's interfaces.
func (s *Snapshot) gatherInterfaces() {
	e, err := ethtool.NewEthtool()
	s.missed("ethtool", err)
	if err == nil {
		defer e.Close()
	}
	ours := s.ownPrograms()
	in := s.Node.Interfaces
	for _, name := range in.Names() {
		i := Interface{Name: name, Side: "external", NUMANode: -1}
		if in.Internal != nil && in.Internal.Name == name {
			i.Side = "internal"
		}
		l, err := netlink.LinkByName(name)
		if err != nil {
			i.Missing = err.Error()
			s.Interfaces = append(s.Interfaces, i)
			continue
		}
		s.describe(&i, l, ours)
		i.XDP, err = xdp.CapabilityOf(under(l))
		i.XDPKnown = err == nil
		s.missed(name+" XDP features", err)
		if e != nil {
			gatherDevice(e, &i)
		}
		i.gatherIRQs()
		s.Interfaces = append(s.Interfaces, i)
	}
}

// describe takes what netlink says of a link.
func (s *Snapshot) describe(i *Interface, l netlink.Link, ours map[uint32]bool) {
	a := l.Attrs()
	i.MTU, i.Kind = a.MTU, l.Type()
	i.Up = a.RawFlags&unix.IFF_UP != 0 && a.RawFlags&unix.IFF_RUNNING != 0
	s.describeAddresses(i, l)
	i.VLANs = vlansOn(l)
	if l = under(l); l.Attrs().Name != i.Name {
		i.Under, a = l.Attrs().Name, l.Attrs()
		i.MTU = max(i.MTU, a.MTU)
	}
	i.Index, i.RxQueues = a.Index, a.NumRxQueues
	if a.Statistics != nil {
		i.RxPackets = a.Statistics.RxPackets
		i.RxMissed = a.Statistics.RxMissedErrors + a.Statistics.RxFifoErrors
	}
	if x := a.Xdp; x != nil && x.Attached {
		const attachedSKB = 2 // XDP_ATTACHED_SKB
		i.Program = &Program{ID: x.ProgId, Generic: x.AttachMode == attachedSKB, Ours: ours[x.ProgId], Name: programName(x.ProgId)}
	}
	if l.Type() == "veth" {
		i.Far = farEnd(l)
	}
}

func (s *Snapshot) describeAddresses(i *Interface, l netlink.Link) {
	addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	s.missed(i.Name+" addresses", err)
	for _, a := range addrs {
		if p, ok := usable(a, i.Name); ok {
			i.Addresses = append(i.Addresses, p)
		}
	}
}

// under is the device that a VLAN's frames go by, or the link itself.
func under(l netlink.Link) netlink.Link {
	if l.Type() != "vlan" || l.Attrs().NetNsID >= 0 {
		return l
	}
	parent, err := netlink.LinkByIndex(l.Attrs().ParentIndex)
	if err != nil {
		return l
	}
	return parent
}

// usable returns an address that clients and peers can use.
func usable(a netlink.Addr, dev string) (netip.Prefix, bool) {
	addr, ok := netip.AddrFromSlice(a.IP)
	addr = addr.Unmap()
	if !ok || a.Flags&(unix.IFA_F_TEMPORARY|unix.IFA_F_DEPRECATED|unix.IFA_F_DADFAILED) != 0 {
		return netip.Prefix{}, false
	}
	bits, _ := a.Mask.Size()
	return netip.PrefixFrom(addr, bits), addr.IsGlobalUnicast() || dev == "lo" && addr.IsLoopback()
}

// vlansOn names the link when it is for a VLAN, and those for VLANs upon it.
func vlansOn(l netlink.Link) []string {
	if l.Type() == "vlan" {
		return []string{l.Attrs().Name}
	}
	var names []string
	links, _ := netlink.LinkList() // what was read once can be read again
	for _, other := range links {
		if other.Type() == "vlan" && other.Attrs().ParentIndex == l.Attrs().Index {
			names = append(names, other.Attrs().Name)
		}
	}
	return names
}

// ownPrograms are the XDP programs that this node put on interfaces: by its pins, also
// while it does not run.
func (s *Snapshot) ownPrograms() map[uint32]bool {
	own := map[uint32]bool{}
	if s.Running != nil && s.Running.Dataplane.Program != nil {
		own[s.Running.Dataplane.Program.ID] = true
	}
	dir, err := xdp.PinDir(s.Node.System.Name, s.Node.System.State)
	if err != nil {
		return own
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*")) // the pattern is right
	for _, f := range files {
		l, err := link.LoadPinnedLink(f, nil)
		if err != nil {
			continue // a map or a program
		}
		if info, err := l.Info(); err == nil && info.XDP() != nil {
			own[uint32(info.Program)] = true
		}
		_ = l.Close()
	}
	return own
}

func programName(id uint32) string {
	p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
	if err != nil {
		return ""
	}
	defer func() { _ = p.Close() }()
	info, err := p.Info()
	if err != nil {
		return ""
	}
	return info.Name
}
