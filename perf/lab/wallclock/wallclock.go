// Package wallclock starts programs whose wall clock is wrong, and sets it while they run.
//
// It exists because a cluster has to bear a node whose clock is days off (facts A7.1 want NTP), and nothing of the
// system's does that to one program: time namespaces leave the wall clock alone, and a program without a C library cannot
// be preloaded. So the function that the kernel lends to each process for reading the clock is replaced in this one process, before its
// first instruction. What the kernel itself stamps, as the times of files, stays right.
package wallclock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrUnsupported says that programs of this machine cannot be given another clock.
var ErrUnsupported = errors.New("the clock of a program can be set on amd64 only")

// Clock is the wall clock of one process.
type Clock struct {
	pid  int
	slot int64 // where the process has how far it is off
}

// Start starts a command whose wall clock is off. The command may replace itself as many times before it is the program: nsenter
// does once.
func Start(cmd *exec.Cmd, replaced int, off time.Duration) (*Clock, error) {
	if runtime.GOARCH != "amd64" {
		return nil, ErrUnsupported
	}
	runtime.LockOSThread() // who traces is a thread
	defer runtime.UnlockOSThread()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace = true // it stops at each beginning of a program
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c, err := stopped(cmd.Process.Pid, replaced)
	if err == nil {
		err = c.Set(off)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set the clock of %s: %w", cmd.Path, err), cmd.Process.Kill(), cmd.Wait())
	}
	return c, unix.PtraceDetach(c.pid)
}

// stopped waits for the program's beginning and takes its clock.
func stopped(pid, replaced int) (*Clock, error) {
	for begun := 0; ; begun++ {
		var how unix.WaitStatus
		if _, err := unix.Wait4(pid, &how, 0, nil); err != nil {
			return nil, err
		}
		if !how.Stopped() || how.StopSignal() != unix.SIGTRAP {
			return nil, fmt.Errorf("it did not begin: %v", how)
		}
		if begun == replaced {
			return take(pid)
		}
		if err := unix.PtraceCont(pid, 0); err != nil {
			return nil, err
		}
	}
}

// Set sets how far the clock is off.
func (c *Clock) Set(off time.Duration) error {
	m, err := memory(c.pid)
	if err != nil {
		return err
	}
	defer m.Close()
	_, err = m.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(off/time.Second)), c.slot)
	return err
}

func memory(pid int) (*os.File, error) {
	return os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
}
