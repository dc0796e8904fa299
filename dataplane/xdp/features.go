package xdp

import (
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What a device can do with XDP, as the kernel's netdev family tells it
// (Documentation/netlink/specs/netdev.yaml).
const (
	netdevCmdDevGet       = 1
	netdevAttrIfindex     = 1
	netdevAttrXDPFeatures = 3

	featureXmit = 1 << 2 // takes frames that were redirected to it
)

// genlHeader is struct genlmsghdr. The one of package nl lacks the reserved field and sends
// what lies behind it in memory, which the kernel refuses unless it happens to be zero.
type genlHeader struct{ command, version uint8 }

// Len and Serialize are for nl.NetlinkRequest.
func (h genlHeader) Len() int { return nl.SizeofGenlmsg }

// Serialize returns the header's bytes.
func (h genlHeader) Serialize() []byte { return []byte{h.command, h.version, 0, 0} }

// features asks for the XDP features of a device.
func (r *router) features(ifindex int) (uint64, error) {
	req := nl.NewNetlinkRequest(int(r.family), unix.NLM_F_ACK)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_GENERIC: r.generic}
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
