package lab

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ifreq is struct ifreq with ifr_data (netdevice(7)).
type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// ethtoolValue is struct ethtool_value.
type ethtoolValue struct {
	cmd, data uint32
}

// wireLike makes a link of the calling thread's namespace carry frames as a wire
// would: with whole checksums and one datagram in each frame. GRO is what makes
// veth take frames that an XDP program redirects to it. Each command that sets has the
// one that gets before it.
func wireLike(name string) error {
	for _, s := range []struct {
		what       string
		cmd, value uint32
	}{
		{"tx off", unix.ETHTOOL_STXCSUM, 0},
		{"tso off", unix.ETHTOOL_STSO, 0},
		{"gso off", unix.ETHTOOL_SGSO, 0},
		{"gro on", unix.ETHTOOL_SGRO, 1},
	} {
		// What is so already may not be settable: a program at the other end does that.
		if is, err := ethtoolGet(name, s.cmd-1); err == nil && is == s.value {
			continue
		}
		if err := ethtool(name, &ethtoolValue{cmd: s.cmd, data: s.value}); err != nil {
			return fmt.Errorf("ethtool %s %s: %w", name, s.what, err)
		}
	}
	return nil
}

func ethtoolGet(name string, cmd uint32) (uint32, error) {
	v := ethtoolValue{cmd: cmd}
	if err := ethtool(name, &v); err != nil {
		return 0, fmt.Errorf("ethtool %s command %#x: %w", name, cmd, err)
	}
	return v.data, nil
}

func ethtool(name string, v *ethtoolValue) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	req := ifreq{data: unsafe.Pointer(v)}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	if errno != 0 {
		return errno
	}
	return nil
}
