package userspace

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	msg unix.Msghdr
	n   uint32
}

// recvmmsg receives up to len(v) datagrams without waiting.
func recvmmsg(fd int, v []mmsghdr) (int, unix.Errno) {
	return mmsg(unix.SYS_RECVMMSG, fd, v)
}

// sendmmsg sends datagrams and returns how many; the error is the first one's.
func sendmmsg(fd int, v []mmsghdr) (int, unix.Errno) {
	return mmsg(unix.SYS_SENDMMSG, fd, v)
}

func mmsg(call uintptr, fd int, v []mmsghdr) (int, unix.Errno) {
	for {
		n, _, errno := unix.Syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&v[0])),
			uintptr(len(v)), unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return 0, errno
		}
		return int(n), 0
	}
}

func sendmsg(fd int, m *unix.Msghdr) unix.Errno {
	for {
		_, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(fd),
			uintptr(unsafe.Pointer(m)), unix.MSG_DONTWAIT)
		if errno != unix.EINTR {
			return errno
		}
	}
}
