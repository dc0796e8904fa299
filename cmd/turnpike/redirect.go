package main

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"turnpike.dev/turnpike/perf/lab"
)

// receiveRedirected makes the kernel see that a host's links take frames that are
// redirected to their other ends. It notes so for a veth when the far end gets GRO
// while both are up, or a program; a program that comes and goes is enough.
func receiveRedirected(h *lab.Host) error {
	const pass = 2 // XDP_PASS
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "Apache-2.0",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, pass), asm.Return()},
	})
	if err != nil {
		return fmt.Errorf("load a program for %s: %w", h.Name, err)
	}
	defer func() { _ = prog.Close() }()
	return h.Do(func() error {
		for _, l := range h.Links {
			x, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: l.Index, Flags: link.XDPDriverMode})
			if err != nil {
				return fmt.Errorf("attach to %s in %s: %w", l.Name, h.Name, err)
			}
			if err := x.Close(); err != nil {
				return fmt.Errorf("detach from %s in %s: %w", l.Name, h.Name, err)
			}
		}
		return nil
	})
}
