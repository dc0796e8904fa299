package mesh

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsentTime is how long sent bytes may stay unconfirmed until the system ends the connection, in
// milliseconds. Without it a connection that was cut sits in TCP's growing pauses for long after the cut has healed.
const unsentTime = 5000

// tune prepares a connection of TCP.
func tune(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return // it is closed: the next step says so
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, unsentTime) // without it all is slower only
	})
}
