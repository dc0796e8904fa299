package xdp

import (
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// What a device can do with XDP, as the kernel's netdev family tells it
// (Documentation/netlink/specs/netdev.yaml).
const (
	netdevCmdDevGet       = 1
	netdevAttrIfindex     = 1
	netdevAttrXDPFeatures = 3

	featureBasic    = 1 << 0 // runs programs
	featureRedirect = 1 << 1 // takes their wish to redirect a frame
	featureXmit     = 1 << 2 // takes frames that were redirected to it
)

// netdev asks the kernel's netdev family, and ethtool for what that does not tell.
type netdev struct {
	socket *nl.SocketHandle // the netlink handle does not know the family
	family uint16
}

var _ drivers = (*netdev)(nil)

func newNetdev(h *netlink.Handle) (*netdev, error) {
	family, err := h.GenlFamilyGet("netdev")
	if err != nil {
		return nil, fmt.Errorf("find netlink family netdev: %w", err)
	}
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &netdev{socket: &nl.SocketHandle{Socket: s}, family: family.ID}, nil
}

func (n *netdev) close() { n.socket.Close() }

func (n *netdev) stripsTags(name string) (bool, error) { return stripsTags(name) }

// genlHeader is struct genlmsghdr. The one of package nl lacks the reserved field and sends
// what lies behind it in memory, which the kernel refuses unless it happens to be zero.
type genlHeader struct{ command, version uint8 }

// Len and Serialize are for nl.NetlinkRequest.
func (h genlHeader) Len() int { return nl.SizeofGenlmsg }

// Serialize returns the header's bytes.
func (h genlHeader) Serialize() []byte { return []byte{h.command, h.version, 0, 0} }

// features asks for the XDP features of a device.
func (n *netdev) features(ifindex int) (uint64, error) {
	req := nl.NewNetlinkRequest(int(n.family), unix.NLM_F_ACK)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_GENERIC: n.socket}
	req.AddData(genlHeader{command: netdevCmdDevGet, version: 1})
	req.AddData(nl.NewRtAttr(netdevAttrIfindex, nl.Uint32Attr(uint32(ifindex))))
	msgs, err := req.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return 0, fmt.Errorf("ask for XDP features of interface %d: %w", ifindex, err)
	}
	for _, m := range msgs {
		attrs, err := nl.ParseRouteAttr(m[nl.SizeofGenlmsg:])
		if err != nil {
			return 0, fmt.Errorf("read XDP features of interface %d: %w", ifindex, err)
		}
		for _, a := range attrs {
			if a.Attr.Type == netdevAttrXDPFeatures && len(a.Value) >= 8 {
				return binary.NativeEndian.Uint64(a.Value), nil
			}
		}
	}
	return 0, fmt.Errorf("interface %d has no XDP features", ifindex)
}
