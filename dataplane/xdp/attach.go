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
	name  string
	index int         // 0: it is not there
	on    *attachment // of the device that its frames go by; nil: none
	why   string      // why there is none
}

// state is how a port stands, and why not better.
func (p *port) state() (Mode, string) {
	if p.on == nil {
		return ModeNone, p.why
	}
	return p.on.mode, p.on.reason
}

// attachment is the program on one device. VLANs of one device share it.
type attachment struct {
	name   string // the device's
	index  int
	mode   Mode
	reason string // why not native
	link   link.Link
	pin    string
}

// attach puts the program on the device, or replaces the one that an earlier process left
// there without a packet in between. It sets mode and reason.
func (a *attachment) attach(prog *ebpf.Program, pins pins, generic bool) {
	if a.adopt(prog, pins, generic) {
		return
	}
	a.pin = pins.link(a.name)
	native := a.try(prog, link.XDPDriverMode)
	if native == nil {
		a.mode, a.reason = ModeNative, ""
		return
	}
	if !generic {
		a.detached(fmt.Sprintf("no native XDP on %s: %v", a.name, native))
		return
	}
	if err := a.try(prog, link.XDPGenericMode); err != nil {
		a.detached(fmt.Sprintf("no XDP on %s: %v", a.name, err))
		return
	}
	a.mode, a.reason = ModeGeneric, fmt.Sprintf("generic XDP on %s: %v", a.name, native)
}

func (a *attachment) detached(reason string) {
	a.close()
	a.mode, a.reason = ModeNone, reason
}

// remove takes the program off the device.
func (a *attachment) remove() {
	if a.link != nil {
		_ = a.link.Unpin() // it may never have been pinned
	}
	a.close()
}

// adopt replaces the program of the pinned link to this device, if there is one and its
// mode is allowed.
func (a *attachment) adopt(prog *ebpf.Program, pins pins, generic bool) bool {
	if a.link == nil {
		a.link, a.pin = pins.linkTo(a.index)
	}
	if a.link == nil {
		return false
	}
	mode := attachedMode(a.index)
	if linkedTo(a.link) == a.index && (mode == ModeNative || generic) && a.link.Update(prog) == nil {
		a.mode, a.reason = mode, ""
		if mode == ModeGeneric {
			a.reason = fmt.Sprintf("generic XDP on %s, as an earlier process left it", a.name)
		}
		return true
	}
	// The link's device is gone, or it is not ours to change: start anew.
	a.remove()
	return false
}

// linkedTo returns the number of the device that an XDP link is on; 0: that is gone.
func linkedTo(l link.Link) int {
	info, err := l.Info()
	if err != nil || info.XDP() == nil {
		return 0
	}
	return int(info.XDP().Ifindex)
}

func attachedMode(index int) Mode {
	dev, err := netlink.LinkByIndex(index)
	if err == nil && dev.Attrs().Xdp != nil && dev.Attrs().Xdp.AttachMode == 2 { // XDP_ATTACHED_SKB
		return ModeGeneric
	}
	return ModeNative
}

func (a *attachment) try(prog *ebpf.Program, flags link.XDPAttachFlags) error {
	l, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: a.index, Flags: flags})
	if err != nil {
		return explain(err)
	}
	if err := os.Remove(a.pin); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errors.Join(fmt.Errorf("remove stale link: %w", err), l.Close())
	}
	if err := l.Pin(a.pin); err != nil {
		return errors.Join(fmt.Errorf("pin link: %w", err), l.Close())
	}
	a.link = l
	return nil
}

// attachAll looks for the node's interfaces and brings the program to the devices that
// their frames go by: where it is not attached yet, was refused, somebody took it off, or
// the device is another now. It leaves those that are no interface's any more.
func (b *Backend) attachAll() {
	wanted := map[int]bool{}
	for _, p := range b.ports {
		b.locate(p)
		if p.why == "" {
			wanted[b.router.devices[p.index].under] = true
		}
	}
	for index, a := range b.attached {
		if !wanted[index] {
			a.remove()
			delete(b.attached, index)
		}
	}
	for index := range wanted {
		b.attach(index)
	}
	for _, p := range b.ports {
		if p.on = nil; p.why == "" {
			p.on = b.attached[b.router.devices[p.index].under]
		}
	}
	b.memory.setVLANs(b.router.vlans(func(ifindex int) bool { return wanted[ifindex] }))
}

// locate finds a port's device, and says why the program never runs there.
func (b *Backend) locate(p *port) {
	p.index = b.router.find(p.name, p.index)
	if p.why = b.router.devices[p.index].refused; p.index == 0 {
		p.why = fmt.Sprintf("interface %s is not there", p.name)
	}
}

func (b *Backend) attach(index int) {
	d := b.router.devices[index]
	a := b.attached[index]
	if a == nil {
		a = &attachment{index: index, mode: ModeNone}
		b.attached[index] = a
	}
	if a.mode == ModeNone || d.program != b.progID {
		a.name = d.name
		a.attach(b.running, b.pins, b.cfg.Generic)
	}
}

// links are the pinned links in use.
func (b *Backend) links() []string {
	var pins []string
	for _, a := range b.attached {
		if a.link != nil {
			pins = append(pins, a.pin)
		}
	}
	return pins
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

func (a *attachment) close() {
	if a.link != nil {
		_ = a.link.Close() // the pin keeps the link
		a.link = nil
	}
}
