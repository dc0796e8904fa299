package xdp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	ethtoolStatistics = 1       // ETH_SS_STATS
	ethtoolRxVLAN     = 1 << 8  // ETH_FLAG_RXVLAN
	ethtoolNameLen    = 32      // ETH_GSTRING_LEN
	maxStatistics     = 1 << 14 // far over what any driver has
)

// ifreq is struct ifreq with ifr_data (netdevice(7)).
type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// ethtool has the driver of an interface answer a command. The answer is written over
// the request, which begins with the command.
func ethtool(name string, request []byte) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	req := ifreq{data: unsafe.Pointer(&request[0])}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	runtime.KeepAlive(request)
	if errno != 0 {
		return errno
	}
	return nil
}

// stripsTags reports whether an interface takes VLAN tags off what it receives and
// carries them beside the frame, where the program does not see them.
func stripsTags(name string) (bool, error) {
	flags := words(unix.ETHTOOL_GFLAGS, 0)
	if err := ethtool(name, flags); err != nil {
		return false, fmt.Errorf("ask %s for its features: %w", name, err)
	}
	return binary.NativeEndian.Uint32(flags[4:])&ethtoolRxVLAN != 0, nil
}

// statistics reads what the driver of an interface counts, by the driver's own names.
func statistics(name string) (map[string]uint64, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	info, err := unix.IoctlGetEthtoolDrvinfo(fd, name)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its driver: %w", name, err)
	}
	// A driver may have more by the time it is asked: it fills what its own count says.
	n := min(info.N_stats, maxStatistics)
	room := int(2*n) + 1024
	names := append(words(unix.ETHTOOL_GSTRINGS, ethtoolStatistics, n), make([]byte, room*ethtoolNameLen)...)
	if err := ethtool(name, names); err != nil {
		return nil, fmt.Errorf("ask %s what it counts: %w", name, err)
	}
	values := append(words(unix.ETHTOOL_GSTATS, n), make([]byte, room*8)...)
	if err := ethtool(name, values); err != nil {
		return nil, fmt.Errorf("read the counters of %s: %w", name, err)
	}
	n = min(n, binary.NativeEndian.Uint32(names[8:]), binary.NativeEndian.Uint32(values[4:]))
	stats := make(map[string]uint64, n)
	for i := range int(n) {
		text, _, _ := bytes.Cut(names[12+i*ethtoolNameLen:][:ethtoolNameLen], []byte{0})
		stats[string(text)] = binary.NativeEndian.Uint64(values[8+8*i:])
	}
	return stats, nil
}

// words are the numbers that an ethtool structure begins with.
func words(ns ...uint32) []byte {
	var b []byte
	for _, n := range ns {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	return b
}
