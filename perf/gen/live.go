package gen

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// testRun is the part of union bpf_attr that BPF_PROG_TEST_RUN reads.
type testRun struct {
	progFD      uint32
	retval      uint32
	dataSizeIn  uint32
	dataSizeOut uint32
	dataIn      unsafe.Pointer
	dataOut     unsafe.Pointer
	repeat      uint32
	duration    uint32
	ctxSizeIn   uint32
	ctxSizeOut  uint32
	ctxIn       unsafe.Pointer
	ctxOut      unsafe.Pointer
	flags       uint32
	cpu         uint32
	batchSize   uint32
	_           uint32
}

const (
	// endless is more frames than any run takes: a run ends by a signal. Ending it
	// by number would need one call after the other, and each waits about 25 ms
	// for RCU.
	endless = 1 << 31
	// batch is how many frames are in flight at once, and what a NAPI poll takes.
	batch = 64
	// nudge is how often the end is signalled: the first signal may come before
	// the thread is in the kernel.
	nudge = 2 * time.Millisecond
)

// runLive runs a program on live frames until ctx ends. The package cilium/ebpf
// repeats a call that a signal ended, and here the signal is the end.
func runLive(ctx context.Context, progFD int, frame []byte) error {
	stopped := make(chan struct{})
	gone := signalAtEnd(ctx, unix.Getpid(), unix.Gettid(), stopped)
	defer func() { close(stopped); <-gone }()

	var pinner runtime.Pinner
	defer pinner.Unpin()
	pinner.Pin(&frame[0])
	attr := testRun{
		progFD:     uint32(progFD),
		dataSizeIn: uint32(len(frame)),
		dataIn:     unsafe.Pointer(&frame[0]),
		repeat:     endless,
		flags:      unix.BPF_F_TEST_XDP_LIVE_FRAMES,
		batchSize:  batch,
	}
	for ctx.Err() == nil {
		_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_TEST_RUN, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
		if errno != 0 && !errors.Is(errno, unix.EINTR) {
			return fmt.Errorf("test-run on live frames: %w", errno)
		}
	}
	return nil
}

// signalAtEnd interrupts a thread's system call when ctx ends, until stopped is
// closed. The signal is the one by which the Go runtime preempts its threads.
func signalAtEnd(ctx context.Context, pid, tid int, stopped <-chan struct{}) (gone <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-stopped:
			return
		case <-ctx.Done():
		}
		tick := time.NewTicker(nudge)
		defer tick.Stop()
		for {
			_ = unix.Tgkill(pid, tid, unix.SIGURG)
			select {
			case <-stopped:
				return
			case <-tick.C:
			}
		}
	}()
	return done
}

// OnCPU runs f on a thread that is tied to a CPU meanwhile.
func OnCPU(cpu int, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		return err
	}
	only.Set(cpu)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return fmt.Errorf("run on CPU %d: %w", cpu, err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &old) }()
	return f()
}

// withNice runs f with the calling thread at a priority; 0 leaves it as it is.
func withNice(nice int, f func() error) error {
	if nice == 0 {
		return f()
	}
	restore, err := atPriority(nice)
	if err != nil {
		return fmt.Errorf("set nice %d: %w", nice, err)
	}
	defer restore()
	return f()
}

// atPriority changes the calling thread's priority.
func atPriority(nice int) (restore func(), err error) {
	tid := unix.Gettid()
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
	if err != nil {
		return nil, err
	}
	old := 20 - raw // getpriority(2): the system call returns 40 to 1
	if err := unix.Setpriority(unix.PRIO_PROCESS, tid, nice); err != nil {
		return nil, err
	}
	return func() { _ = unix.Setpriority(unix.PRIO_PROCESS, tid, old) }, nil
}

// threadTime is the CPU time that the calling thread has used.
func threadTime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) // fails only for an unknown clock
	return time.Duration(ts.Nano())
}
