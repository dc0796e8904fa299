package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/config"
)

// The oldest kernel that the node runs on.
const oldestMajor, oldestMinor = 6, 1

func kernelVersion(s *Snapshot) []Finding {
	major, rest, _ := strings.Cut(s.Kernel.Release, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, _ := strconv.Atoi(major)
	b, _ := strconv.Atoi(strings.TrimRight(minor, "-+abcdefghijklmnopqrstuvwxyz"))
	switch {
	case a < oldestMajor || a == oldestMajor && b < oldestMinor:
		return []Finding{finding("kernel", Problem, fmt.Sprintf("Linux %s is older than %d.%d", s.Kernel.Release, oldestMajor, oldestMinor), "install a newer kernel")}
	case !s.Kernel.BTF:
		return []Finding{finding("kernel", Note, "Linux "+s.Kernel.Release+" has no BTF: bpftool profile and the scripts of perf/trace do not work", "use a kernel with CONFIG_DEBUG_INFO_BTF=y")}
	}
	return []Finding{fine("kernel", "Linux "+s.Kernel.Release+" with BTF")}
}

func bpfJIT(s *Snapshot) []Finding {
	// Kernels without an interpreter have no such switch.
	if s.Sysctls[sysctlJIT] == "0" {
		return []Finding{mendable("kernel", Problem, "BPF programs are interpreted", setSysctl(sysctlJIT, "1"))}
	}
	return []Finding{fine("kernel", "BPF programs are compiled")}
}

func bpfStats(s *Snapshot) []Finding {
	if s.Sysctls[sysctlBPFStats] == "1" {
		return []Finding{mendable("kernel", Note, "run-time statistics are on for all BPF programs", setSysctl(sysctlBPFStats, "0"))}
	}
	return []Finding{fine("kernel", "run-time statistics are off")}
}

const bpffs = "/sys/fs/bpf"

func bpfFS(s *Snapshot) []Finding {
	switch {
	case s.Kernel.BPFFS:
		return []Finding{fine(bpffs, "the BPF file system is mounted")}
	case s.Node.Dataplane.Mode == config.PathUserspace:
		return []Finding{fine(bpffs, "the BPF file system is not mounted, and dataplane.mode is userspace")}
	}
	return []Finding{mendable(bpffs, Warning, "the BPF file system is not mounted", mend{kind: mendBPFFS, on: bpffs})}
}

// needed are the capabilities of a node, with what it loses without each.
var needed = []struct {
	bit  uint
	name string
}{
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{unix.CAP_BPF, "CAP_BPF"},
	{unix.CAP_PERFMON, "CAP_PERFMON"},
}

func (p Process) may(capability uint) bool { return p.Capabilities&(1<<capability) != 0 }

// subject names whose process it is.
func (p Process) subject() string {
	if p.OfNode {
		return fmt.Sprintf("node (pid %d)", p.PID)
	}
	return "this process"
}

func capabilities(s *Snapshot) []Finding {
	var lacks []string
	for _, c := range needed {
		if !s.Process.may(c.bit) {
			lacks = append(lacks, c.name)
		}
	}
	switch {
	case len(lacks) == 0:
		return []Finding{fine(s.Process.subject(), "has the capabilities of the relay")}
	case s.Node.Dataplane.Mode == config.PathUserspace:
		return []Finding{fine(s.Process.subject(), "relays in the process: dataplane.mode is userspace")}
	}
	command := "run it as root, or give its service AmbientCapabilities=" + strings.Join(lacks, " ")
	return []Finding{finding(s.Process.subject(), Problem, "lacks "+strings.Join(lacks, ", "), command)}
}

// filePart is one term of the sum of open files.
type filePart struct {
	what string
	n    int
}

// What a call and its signalling may open at most: 48 media ports, two connections on
// each of two legs (H.225 and H.245; SIP has one).
const (
	portsOfCall       = 48
	connectionsOfCall = 4
	otherFiles        = 1000 // maps, links, logs, the API's clients, and room to spare
)

// filesOfTURN is what the node file asks for.
func filesOfTURN(n *config.Node, listeners int) []filePart {
	parts := []filePart{{"others", otherFiles}, {"listeners", listeners}, {"relays", n.MaxRelays()}}
	if n.TURN.TCP || n.TURN.TLS != nil {
		parts = append(parts, filePart{"clients over TCP or TLS", n.MaxRelays()})
	}
	return parts
}

// filesOfPlatform is what the platform asks for in full (CA-01).
func filesOfPlatform(n *config.Node, listeners int) []filePart {
	l := n.System.Platform.Limits()
	return append(filesOfTURN(n, listeners),
		filePart{"registrations over TCP or TLS", l.Registrations},
		filePart{fmt.Sprintf("media ports of %d calls", l.VideoCalls), portsOfCall * l.VideoCalls},
		filePart{"their signalling", connectionsOfCall * l.VideoCalls})
}

func sum(parts []filePart) (total uint64, text string) {
	var terms []string
	for _, p := range parts {
		total += uint64(p.n)
		terms = append(terms, fmt.Sprintf("%d %s", p.n, p.what))
	}
	return total, strings.Join(terms, " + ")
}

func openFiles(s *Snapshot) []Finding {
	need, sumOfTURN := sum(filesOfTURN(s.Node, s.Listeners))
	full, sumOfAll := sum(filesOfPlatform(s.Node, s.Listeners))
	full = (full + 1023) / 1024 * 1024
	subject := s.Process.subject()
	command := fmt.Sprintf("LimitNOFILE=%d in the service, or `ulimit -n %d` before the start", full, full)
	switch {
	case s.Process.Files < need:
		return []Finding{finding(subject, Warning, fmt.Sprintf("may open %d files; TURN needs %d (%s)", s.Process.Files, need, sumOfTURN), command)}
	case s.Process.Files < full:
		return []Finding{finding(subject, Note, fmt.Sprintf("may open %d files, enough for TURN (%d); a full %s needs %d (%s)", s.Process.Files, need, s.Node.System.Platform, full, sumOfAll), command)}
	}
	return []Finding{fine(subject, fmt.Sprintf("may open %d files; a full %s needs %d (%s)", s.Process.Files, s.Node.System.Platform, full, sumOfAll))}
}

func clockSync(s *Snapshot) []Finding {
	if s.Clock.Synchronised {
		return []Finding{fine("clock", "the kernel's clock is synchronised")}
	}
	severity, what := Note, "nobody synchronises the kernel's clock"
	if len(s.Node.TURN.Secrets) > 0 || s.Node.TURN.TLS != nil {
		severity, what = Warning, what+", and credentials or certificates with a time are in use"
	}
	return []Finding{finding("clock", severity, what, "timedatectl set-ntp true, or install chrony")}
}

// quickClocks are clock sources that the vDSO reads by itself.
var quickClocks = []string{"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"}

func clockSource(s *Snapshot) []Finding {
	switch {
	case s.Clock.Source == "":
		return nil
	case slices.Contains(quickClocks, s.Clock.Source):
		return []Finding{fine("clock", "the clock source is "+s.Clock.Source)}
	}
	return []Finding{finding("clock", Warning, "the clock source is "+s.Clock.Source+": each reading is a system call",
		"see /sys/devices/system/clocksource/clocksource0/available_clocksource; tsc if it is there")}
}

func cpuGovernor(s *Snapshot) []Finding {
	switch s.Kernel.Governor {
	case "":
		return nil
	case "powersave":
		return []Finding{finding("CPU", Note, "the governor is powersave", "cpupower frequency-set -g performance")}
	}
	return []Finding{fine("CPU", "the governor is "+s.Kernel.Governor)}
}
