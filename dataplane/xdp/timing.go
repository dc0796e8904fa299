package xdp

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// Timing is the kernel's timing of all BPF programs of the machine (kernel.bpf_stats)
// while it is on.
type Timing struct {
	// Cost is what it adds to each run here and now; Floor is what it says of a program
	// that does nothing, and so too much of every other.
	Cost, Floor time.Duration
	on          io.Closer
}

// trials is how many runs of the empty program Cost is measured with, some milliseconds.
const trials = 100_000

// StartTiming has the kernel time programs until End. It needs CAP_SYS_ADMIN. Programs
// also run slower for whoever else uses them, so it is not for every day.
func StartTiming() (*Timing, error) {
	empty, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "timing", Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.LoadImm(asm.R0, 2, asm.DWord), asm.Return()}, // XDP_PASS
	})
	if err != nil {
		return nil, fmt.Errorf("load a program to measure by: %w", err)
	}
	defer empty.Close() //nolint:errcheck // nothing is left of it
	frame := make([]byte, 64)
	_, before, err := empty.Benchmark(frame, trials, nil)
	if err != nil {
		return nil, fmt.Errorf("run a program to measure by: %w", err)
	}
	on, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return nil, fmt.Errorf("have the kernel time programs: %w: it needs Linux 5.8 and root", err)
	}
	t := &Timing{on: on}
	_, after, err := empty.Benchmark(frame, trials, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("run a program to measure by: %w", err), on.Close())
	}
	t.Cost = max(after-before, 0)
	if st, err := empty.Stats(); err == nil && st.RunCount > 0 {
		t.Floor = st.Runtime / time.Duration(st.RunCount)
	}
	return t, nil
}

// End has the kernel time no more, unless somebody else wants it to.
func (t *Timing) End() error { return t.on.Close() }
