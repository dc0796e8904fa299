package xdp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// far is a host at the other end of one of the node's links.
type far struct {
	ns    netns.NsHandle
	nl    *netlink.Handle
	dev   string
	index int
}

// farHost finds a host of the lab from inside the node's process.
func farHost(t *testing.T, name, dev string) *far {
	t.Helper()
	ns, err := netns.GetFromPath(filepath.Join("/run/netns", os.Getenv(inside)+"-"+name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	h, err := netlink.NewHandleAt(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	l, err := h.LinkByName(dev)
	if err != nil {
		t.Fatal(err)
	}
	return &far{ns, h, dev, l.Attrs().Index}
}

// received is how many packets came to the host.
func (f *far) received(t *testing.T) uint64 {
	t.Helper()
	l, err := f.nl.LinkByName(f.dev)
	if err != nil {
		t.Fatal(err)
	}
	return l.Attrs().Statistics.RxPackets
}

// wire sends and receives whole frames on a host's link.
type wire struct{ fd int }

// open opens the link. What comes from now on can be read.
func (f *far) open(t *testing.T) *wire {
	t.Helper()
	w := &wire{}
	if err := f.inside(func() (err error) { w.fd, err = openPacket(f.index); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(w.fd) })
	return w
}

// inside runs do on a thread in the host's namespace, which ends with it.
func (f *far) inside(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := netns.Set(f.ns)
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}

func openPacket(index int) (int, error) {
	const everything = unix.ETH_P_ALL << 8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, everything)
	if err != nil {
		return 0, err
	}
	wait := unix.NsecToTimeval(int64(5 * time.Second))
	return fd, errors.Join(
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: index}),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait))
}

// sendAll sends the frames by turns.
func (w *wire) sendAll(frames [][]byte, times int) error {
	for range times {
		for _, frame := range frames {
			for {
				_, err := unix.Write(w.fd, frame)
				if err == nil {
					break
				}
				if !errors.Is(err, unix.ENOBUFS) { // the far end's ring is full
					return fmt.Errorf("send a frame: %w", err)
				}
			}
		}
	}
	return nil
}

// onCPU runs f on one CPU.
func onCPU(cpu int, f func() error) error {
	runtime.LockOSThread() // the thread ends with its goroutine
	var one unix.CPUSet
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	return f()
}

// receive returns the next frame that is one of ours, as it was on the wire: the kernel
// takes a VLAN tag off before a socket sees the frame, and tells it beside.
func (w *wire) receive(ours func(frame []byte) bool) ([]byte, error) {
	frame, beside := make([]byte, 4096), make([]byte, 128)
	for {
		n, oobn, _, _, err := unix.Recvmsg(w.fd, frame, beside, 0)
		if err != nil {
			return nil, fmt.Errorf("receive a frame: %w", err)
		}
		whole, err := withTag(frame[:n], beside[:oobn])
		if err != nil {
			return nil, err
		}
		if ours(whole) {
			return whole, nil
		}
	}
}

// withTag puts a tag where it was (struct tpacket_auxdata, packet(7)).
func withTag(frame, beside []byte) ([]byte, error) {
	const tciAt, tpidAt, tagged = 16, 18, unix.TP_STATUS_VLAN_VALID
	messages, err := unix.ParseSocketControlMessage(beside)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < tpidAt+2 ||
			binary.NativeEndian.Uint32(m.Data)&tagged == 0 {
			continue
		}
		whole := append([]byte{}, frame[:12]...)
		whole = binary.BigEndian.AppendUint16(whole, binary.NativeEndian.Uint16(m.Data[tpidAt:]))
		whole = binary.BigEndian.AppendUint16(whole, binary.NativeEndian.Uint16(m.Data[tciAt:]))
		return append(whole, frame[12:]...), nil
	}
	return frame, nil
}
