package doctor

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// gatherSockets reads what the node's UDP sockets dropped, and how many there are to
// listen on.
func (s *Snapshot) gatherSockets() {
	requests := 0
	for _, i := range s.Interfaces {
		requests += len(i.Addresses)
	}
	kinds := len(s.Node.Ports()) // UDP
	if s.Node.TURN.TCP {
		kinds *= 2
	}
	if s.Node.TURN.TLS != nil {
		kinds++
	}
	s.Listeners = requests * kinds
	if s.Running == nil {
		return // who uses the ports is not known
	}
	s.UDP = s.udpDrops()
}

// gatherLateDrops tells what was dropped since gatherSockets from what is long past.
func (s *Snapshot) gatherLateDrops() {
	if s.Running == nil {
		return
	}
	earlier := map[netip.AddrPort]uint64{}
	for _, u := range s.UDP {
		earlier[u.Local] = u.Drops
	}
	s.UDP = s.udpDrops()
	for i, u := range s.UDP {
		s.UDP[i].Now = u.Drops - min(u.Drops, earlier[u.Local])
	}
}

// udpDrops lists the node's sockets that have dropped something.
func (s *Snapshot) udpDrops() []UDPSocket {
	var all []UDPSocket
	own := mediaPorts(s.Node)
	for _, f := range []string{"udp", "udp6"} {
		err := eachLine("/proc/thread-self/net/"+f, func(line string) {
			u, ok := parseUDPSocket(line)
			if !ok || u.Drops == 0 {
				return
			}
			p := portSpan{low: int(u.Local.Port()), high: int(u.Local.Port())}
			if own[0].overlaps(p) || own[1].overlaps(p) {
				all = append(all, u)
			}
		})
		s.missed("sockets", err)
	}
	return all
}

// parseUDPSocket reads a line of /proc/net/udp or udp6: the second word is the local
// address, the last what was dropped.
func parseUDPSocket(line string) (UDPSocket, bool) {
	f := strings.Fields(line)
	if len(f) < 13 {
		return UDPSocket{}, false
	}
	addr, port, ok := strings.Cut(f[1], ":")
	raw, err := hex.DecodeString(addr)
	p, err2 := strconv.ParseUint(port, 16, 16)
	drops, err3 := strconv.ParseUint(f[len(f)-1], 10, 64)
	if !ok || err != nil || err2 != nil || err3 != nil || len(raw)%4 != 0 {
		return UDPSocket{}, false
	}
	for i := 0; i < len(raw); i += 4 { // words in the machine's order
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	a, ok := netip.AddrFromSlice(raw)
	return UDPSocket{Local: netip.AddrPortFrom(a.Unmap(), uint16(p)), Drops: drops}, ok
}
