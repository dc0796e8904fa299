package xdp

import "fmt"

// Interface is an interface of the node as it stands.
type Interface struct {
	Name   string `json:"name"`
	Index  int    `json:"index"` // of the device that its frames go by, where the program is
	Mode   Mode   `json:"mode"`
	Reason string `json:"reason,omitempty"` // why not native, or what else to know
	Under  string `json:"under,omitempty"`  // a VLAN's: the device that its frames go by
	VLAN   int    `json:"vlan,omitempty"`   // number of the VLAN
}

// Status is the kernel's relay as it stands.
type Status struct {
	Interfaces  []Interface `json:"interfaces"`
	Pins        string      `json:"pins"`
	ProgramID   uint32      `json:"program_id"`
	Flows       int         `json:"flows"`
	MaxFlows    int         `json:"max_flows"`
	Permissions int         `json:"permissions"`
}

// Status returns the kernel's relay as it stands.
func (b *Backend) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Status{
		Pins: b.pins.dir, ProgramID: b.progID, Flows: len(b.flows), MaxFlows: b.cfg.MaxFlows,
		Permissions: len(b.gate.permissions),
	}
	for _, p := range b.ports {
		s.Interfaces = append(s.Interfaces, b.describe(p))
	}
	return s
}

// describe says how a port stands.
func (b *Backend) describe(p *port) Interface {
	mode, reason := p.state()
	d := b.router.devices[p.index]
	i := Interface{Name: p.name, Index: d.under, Mode: mode, Reason: reason}
	if d.tag != 0 {
		i.VLAN, _ = vlanID(d.tag)
		i.Under = b.router.devices[d.under].name
	}
	switch {
	case mode != ModeNative:
	case d.name != p.name:
		i.Reason = fmt.Sprintf("it is called %s now: write that into the node file before the next start", d.name)
	case !b.router.devices[d.under].sends:
		i.Reason = "what leaves by it goes through the process: " + b.router.devices[d.under].sendsWhy
	}
	return i
}
