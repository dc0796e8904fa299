package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// runDir is where iproute2 looks for named namespaces, and so do we:
// `ip netns exec` and `nsenter --net=` take a lab's names.
const runDir = "/run/netns"

// Host is one network namespace of a lab.
type Host struct {
	Name  string
	Links []Link

	ns netns.NsHandle
	nl *netlink.Handle
}

// Link is an interface of a host.
type Link struct {
	Name     string
	Index    int
	MAC      net.HardwareAddr
	Prefixes []netip.Prefix
}

// Path is the file that names the namespace: nsenter --net=PATH.
func (h *Host) Path() string { return filepath.Join(runDir, h.Name) }

// Link returns the interface of that name. It panics when the lab's shape has none.
func (h *Host) Link(name string) Link {
	for _, l := range h.Links {
		if l.Name == name {
			return l
		}
	}
	panic(fmt.Sprintf("lab: %s has no link %s", h.Name, name))
}

// Netlink is a handle that works on the links, addresses and routes of the host.
func (h *Host) Netlink() *netlink.Handle { return h.nl }

// Do runs f on a thread inside the namespace. Sockets that f opens stay there;
// goroutines that f starts do not run there.
func (h *Host) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("the function ended its goroutine")
		defer func() { done <- err }()
		err = inside(h.ns, f)
	}()
	return <-done
}

// inside runs f in a namespace. The caller's goroutine ends after it: a thread that
// does not find back stays locked to it, so the runtime throws it away.
func inside(ns netns.NsHandle, f func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer func() {
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		_ = home.Close()
	}()
	if err := netns.Set(ns); err != nil {
		return fmt.Errorf("enter the namespace: %w", err)
	}
	return f()
}

// Command is a program that will run inside the namespace. It sees the machine's
// own file systems, unlike under `ip netns exec`, where a bpffs that it mounts
// would be gone with it. The process id is the program's own.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + h.Path(), "--", name}, args...)...)
}

// newHost makes a named namespace with loopback up.
func newHost(name string) (*Host, error) {
	h := &Host{Name: name, ns: netns.None()}
	if err := h.create(); err != nil {
		return nil, errors.Join(fmt.Errorf("make namespace %s: %w", name, err), h.close())
	}
	return h, nil
}

func (h *Host) create() error {
	if err := h.unshare(); err != nil {
		if errors.Is(err, unix.EPERM) {
			return fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
		return err
	}
	if err := h.Do(settle); err != nil {
		return err
	}
	nl, err := netlink.NewHandleAt(h.ns)
	if err != nil {
		return err
	}
	h.nl = nl
	lo, err := nl.LinkByName("lo")
	if err != nil {
		return err
	}
	return nl.LinkSetUp(lo)
}

// unshare makes and names the namespace.
func (h *Host) unshare() error {
	done := make(chan error, 1)
	go func() {
		home, err := netns.Get()
		if err == nil {
			err = inside(home, func() (err error) { // for the way back
				h.ns, err = netns.NewNamed(h.Name)
				return err
			})
			_ = home.Close()
		}
		done <- err
	}()
	return <-done
}

// settle sets what a new namespace inherits from the machine: nothing is routed,
// and no address or route comes by itself.
func settle() error {
	for _, s := range []struct{ key, value string }{
		{"ipv4/ip_forward", "0"},
		{"ipv6/conf/all/forwarding", "0"},
		{"ipv6/conf/default/forwarding", "0"},
		{"ipv6/conf/all/disable_ipv6", "0"},
		{"ipv6/conf/default/disable_ipv6", "0"},
		{"ipv6/conf/default/accept_dad", "0"},
		{"ipv6/conf/default/accept_ra", "0"},
		{"ipv6/conf/default/router_solicitations", "0"},
	} {
		if err := os.WriteFile("/proc/sys/net/"+s.key, []byte(s.value), 0); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) close() error {
	if h.nl != nil {
		for _, l := range h.Links { // now, and not when the last program has left
			_ = h.nl.LinkDel(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: l.Name, Index: l.Index}})
		}
		h.nl.Close()
		h.nl = nil
	}
	if h.ns.IsOpen() {
		_ = h.ns.Close()
	}
	return remove(h.Name)
}

// removeNamed removes the namespaces of a lab by name.
func removeNamed(lab string) error {
	return errors.Join(remove(lab+"-node"), remove(lab+"-client"), remove(lab+"-peer"))
}

// remove takes a namespace's name away; it is no error when there is none.
func remove(name string) error {
	path := filepath.Join(runDir, name)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
