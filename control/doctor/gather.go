package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// inNamespace runs f on a thread inside a network namespace, or where we are when none
// is named.
func inNamespace(path string, f func() error) error {
	if path == "" {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		ns, err := netns.GetFromPath(path)
		if err == nil {
			defer func() { _ = ns.Close() }()
			err = netns.Set(ns)
		}
		if err != nil {
			done <- fmt.Errorf("enter the network namespace %s: %w: run doctor as root", path, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// gather reads the machine.
func gather(ctx context.Context, o Options) *Snapshot {
	s := &Snapshot{At: time.Now(), Node: o.Node, Running: o.Running, Sysctls: map[string]string{}}
	s.gatherKernel()
	s.gatherClock()
	s.gatherProcess()
	s.gatherInterfaces()
	s.gatherSysctls()
	s.gatherFirewall(ctx)
	s.gatherSockets()
	s.gatherSoftnet()
	if o.Try != nil {
		told := o.Try(ctx)
		s.Told = &told
	}
	if o.Outside != nil {
		outside := o.Outside(ctx)
		s.Outside = &outside
	}
	s.gatherLateDrops()
	return s
}

// missed notes what could not be read; what is not there at all is no loss.
func (s *Snapshot) missed(what string, err error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Missed = append(s.Missed, Missed{what, err.Error()})
	}
}

func (s *Snapshot) gatherKernel() {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		s.missed("kernel", err)
	}
	s.Kernel.Release = unix.ByteSliceToString(u.Release[:])
	_, err := os.Stat("/sys/kernel/btf/vmlinux")
	s.Kernel.BTF = err == nil
	var st unix.Statfs_t
	s.Kernel.BPFFS = unix.Statfs(bpffs, &st) == nil && st.Type == unix.BPF_FS_MAGIC
	s.Kernel.CPUs = runtime.NumCPU()
	s.Kernel.Governor, _ = readLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") // often not there
}

func (s *Snapshot) gatherClock() {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	s.missed("clock", err)
	s.Clock.Synchronised = err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
	s.Clock.Source, err = readLine("/sys/devices/system/clocksource/clocksource0/current_clocksource")
	s.missed("clock source", err)
}

// gatherProcess reads what the node may do, or we where it does not run.
func (s *Snapshot) gatherProcess() {
	s.Process.PID = os.Getpid()
	if s.Running != nil {
		s.Process.PID, s.Process.OfNode = s.Running.Status.PID, true
	}
	dir := fmt.Sprintf("/proc/%d/", s.Process.PID)
	err := eachLine(dir+"status", func(line string) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			s.Process.Capabilities, _ = strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		}
	})
	s.missed("capabilities", err)
	err = eachLine(dir+"limits", func(line string) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			s.Process.Files = hardLimit(rest)
		}
	})
	s.missed("open files", err)
}

// hardLimit reads "SOFT HARD UNIT": the process raises its soft limit itself.
func hardLimit(text string) uint64 {
	f := strings.Fields(text)
	if len(f) < 2 {
		return 0
	}
	if f[1] == "unlimited" {
		return 1 << 62
	}
	n, _ := strconv.ParseUint(f[1], 10, 64)
	return n
}

// gatherSysctls reads what the checks ask for. It comes after the interfaces, whose
// names are in some of them.
func (s *Snapshot) gatherSysctls() {
	keys := []string{
		sysctlJIT, sysctlBPFStats, sysctlRmem, sysctlWmem, sysctlBacklog, sysctlPorts, sysctlReserved,
		sysctlTracked, sysctlTrackable, sysctlNeigh4, sysctlNeigh6, sysctlOf("ipv4", "all", "rp_filter"),
	}
	for _, i := range s.Interfaces {
		keys = append(keys, sysctlOf("ipv4", i.Name, "rp_filter"), sysctlOf("ipv4", i.Name, "forwarding"), sysctlOf("ipv6", i.Name, "forwarding"))
	}
	for _, key := range keys {
		value, err := readLine(filepath.Join("/proc/sys", key))
		if err == nil {
			s.Sysctls[key] = value
		}
		s.missed(key, err)
	}
}

// gatherSoftnet reads /proc/net/softnet_stat: of each CPU, in hexadecimal digits, what it
// processed, dropped, and how often it ran out of time.
func (s *Snapshot) gatherSoftnet() {
	err := eachLine("/proc/thread-self/net/softnet_stat", func(line string) {
		f := strings.Fields(line)
		if len(f) < 3 {
			return
		}
		var n [3]uint64
		for i := range n {
			n[i], _ = strconv.ParseUint(f[i], 16, 64)
		}
		s.Softnet = append(s.Softnet, SoftnetCPU{n[0], n[1], n[2]})
	})
	s.missed("receive backlog", err)
}

// readLine returns the first line of a small file.
func readLine(path string) (string, error) {
	data, err := os.ReadFile(path)
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(line), err
}

func eachLine(path string, take func(string)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		take(lines.Text())
	}
	return lines.Err()
}
