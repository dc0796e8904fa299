package flood

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"turnpike.dev/turnpike/perf/lab"
)

func routeBy(h *lab.Host, link string, to netip.Prefix, gateway netip.Addr) error {
	return h.Netlink().RouteReplace(&netlink.Route{
		LinkIndex: h.Link(link).Index,
		Dst:       &net.IPNet{IP: to.Addr().AsSlice(), Mask: net.CIDRMask(to.Bits(), to.Addr().BitLen())},
		Gw:        gateway.AsSlice(),
	})
}
