package tryout

import (
	"context"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// receiveBuffer holds what comes while the machine has no time for the receiver:
// a packet lost here would be blamed on the relay.
const receiveBuffer = 4 << 20

// Listen opens a UDP socket with room for a stream, as much of it as the process
// may have.
func Listen(at netip.AddrPort) (net.PacketConn, error) {
	var lc net.ListenConfig
	lc.Control = func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer) // what rmem_max allows
			}
		})
	}
	return lc.ListenPacket(context.Background(), "udp", at.String())
}
