package xdp

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Mode is how a program is attached to an interface.
type Mode string

// Modes.
const (
	ModeNative  Mode = "native"
	ModeGeneric Mode = "generic"
	ModeNone    Mode = "none"
)

// port is one interface that the node was told to use.
type port struct {
	name   string
	index  int
	mode   Mode
	reason string // why not native
	link   link.Link
}

// attach puts the program on the interface, or replaces the one that an earlier
// process left there without a packet in between. It sets mode and reason.
func (p *port) attach(prog *ebpf.Program, pin string, generic bool) {
	dev, err := netlink.LinkByName(p.name)
	if err != nil {
		p.detached(fmt.Sprintf("interface %s is not there", p.name))
		return
	}
	p.index = dev.Attrs().Index
	if p.adopt(prog, pin, generic) {
		return
	}
	native := p.try(prog, pin, link.XDPDriverMode)
	if native == nil {
		p.mode, p.reason = ModeNative, ""
		return
	}
	if !generic {
		p.detached(fmt.Sprintf("no native XDP on %s: %v", p.name, native))
		return
	}
	if err := p.try(prog, pin, link.XDPGenericMode); err != nil {
		p.detached(fmt.Sprintf("no XDP on %s: %v", p.name, err))
		return
	}
	p.mode, p.reason = ModeGeneric, fmt.Sprintf("generic XDP on %s: %v", p.name, native)
}

func (p *port) detached(reason string) {
	p.close()
	p.mode, p.reason = ModeNone, reason
}

// adopt replaces the program of the pinned link, if that link is still on this device
// and in a mode that is allowed.
func (p *port) adopt(prog *ebpf.Program, pin string, generic bool) bool {
	if p.link == nil {
		l, err := link.LoadPinnedLink(pin, nil)
		if err != nil {
			return false
		}
		p.link = l
	}
	info, err := p.link.Info()
	mode := attachedMode(p.index)
	if err == nil && info.XDP() != nil && int(info.XDP().Ifindex) == p.index && (mode == ModeNative || generic) {
		if err = p.link.Update(prog); err == nil {
			p.mode, p.reason = mode, ""
			if mode == ModeGeneric {
				p.reason = fmt.Sprintf("generic XDP on %s, as an earlier process left it", p.name)
			}
			return true
		}
	}
	// The link's device is gone, or it is not ours to change: start anew.
	_ = p.link.Unpin()
	p.close()
	return false
}

func attachedMode(index int) Mode {
	dev, err := netlink.LinkByIndex(index)
	if err == nil && dev.Attrs().Xdp != nil && dev.Attrs().Xdp.AttachMode == 2 { // XDP_ATTACHED_SKB
		return ModeGeneric
	}
	return ModeNative
}

func (p *port) try(prog *ebpf.Program, pin string, flags link.XDPAttachFlags) error {
	l, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: p.index, Flags: flags})
	if err != nil {
		return explain(err)
	}
	if err := os.Remove(pin); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errors.Join(fmt.Errorf("remove stale link: %w", err), l.Close())
	}
	if err := l.Pin(pin); err != nil {
		return errors.Join(fmt.Errorf("pin link: %w", err), l.Close())
	}
	p.link = l
	return nil
}

// explain says what the kernel's answer to an attachment means.
func explain(err error) error {
	switch {
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, errors.ErrUnsupported):
		return errors.New("the driver has none")
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
		return errors.New("another XDP program is attached (bpftool net shows it)")
	case errors.Is(err, os.ErrPermission):
		return errors.New("no permission (CAP_NET_ADMIN and CAP_BPF are needed)")
	default:
		return err
	}
}

func (p *port) close() {
	if p.link != nil {
		_ = p.link.Close() // the pin keeps the link
		p.link = nil
	}
}
