package peers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of /proc/PID/stat (USER_HZ, the same on every Linux that matters).
const tick = 10 * time.Millisecond

// CPUTime is what the server's threads have used so far, in user and kernel mode.
func (s *Server) CPUTime() (time.Duration, error) { return cpuTime(s.PID) }

func cpuTime(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may contain anything; utime and stime are fields 14
	// and 15 of proc(5).
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("unexpected /proc/%d/stat", pid)
	}
	var total time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
		}
		total += time.Duration(n) * tick
	}
	return total, nil
}

// RSS is the server's resident memory in bytes.
func (s *Server) RSS() (uint64, error) {
	return kibibytes(fmt.Sprintf("/proc/%d/status", s.PID), "VmRSS")
}

// kernelMemory are the lines of /proc/meminfo that grow with what a server makes the
// kernel hold: sockets, map entries, page tables. The page cache, which grows by
// itself, is not among them.
var kernelMemory = []string{"SUnreclaim", "KernelStack", "PageTables", "Percpu"}

// SystemMemory is the server's resident memory and what the kernel holds, in bytes.
func (s *Server) SystemMemory() (uint64, error) {
	total, err := s.RSS()
	for _, key := range kernelMemory {
		if err != nil {
			return 0, err
		}
		var n uint64
		n, err = kibibytes("/proc/meminfo", key)
		total += n
	}
	return total, err
}

// Pin ties all threads of the server to a CPU.
func (s *Server) Pin(cpu int) error {
	var only unix.CPUSet
	only.Set(cpu)
	return s.affinity(&only)
}

// Unpin lets the server run anywhere again.
func (s *Server) Unpin() error {
	var all unix.CPUSet
	for cpu := range runtime.NumCPU() {
		all.Set(cpu)
	}
	return s.affinity(&all)
}

func (s *Server) affinity(cpus *unix.CPUSet) error {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.PID))
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, cpus); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("tie thread %d to CPUs: %w", tid, err)
		}
	}
	return nil
}

// kibibytes reads a line "KEY:  123 kB".
func kibibytes(path, key string) (uint64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close() //nolint:errcheck // only read
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if name != key {
			continue
		}
		n, err := strconv.ParseUint(strings.Fields(value)[0], 10, 64)
		return n << 10, err
	}
	return 0, fmt.Errorf("no %s in %s", key, path)
}
