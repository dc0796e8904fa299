package support

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// maxLog is how much of the event log goes into a bundle: the newest.
const maxLog = 4 << 20

// EventLog is the end of an event log, with what was begun before it where that is short.
func EventLog(file string, clean *Cleaner) Part {
	return Part{"log/event.log", func(context.Context) ([]byte, error) {
		text, err := tail(file, maxLog)
		if rest := int64(maxLog - len(text)); err == nil && rest > 0 {
			older, _ := tail(file+".1", rest) // mostly there is none
			text = append(older, text...)
		}
		return clean.Log(text), err
	}}
}

// tail returns whole lines of the end of a file.
func tail(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	skip := max(info.Size()-most, 0)
	text, err := io.ReadAll(io.LimitReader(io.NewSectionReader(f, skip, info.Size()), most))
	if skip > 0 {
		_, text, _ = bytes.Cut(text, []byte{'\n'})
	}
	return text, err
}

// StateFiles lists a state directory: what is there, how large and how old, and nothing of
// what it holds.
func StateFiles(dir string) Part {
	return Part{"node/state.txt", func(context.Context) ([]byte, error) {
		var out bytes.Buffer
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				fmt.Fprintf(&out, "%s: %v\n", path, err)
				return nil
			}
			if info, err := entry.Info(); err == nil && out.Len() < maxPart {
				fmt.Fprintf(&out, "%s %10d %s %s\n", info.Mode(), info.Size(), info.ModTime().UTC().Format(time.RFC3339), path)
			}
			return nil
		})
		return out.Bytes(), err
	}}
}

// Machine are the parts that say how the machine is set up, in the network namespace of a
// process; 0: this one's.
func Machine(pid int) []Part {
	self := "self"
	if pid > 0 {
		self = fmt.Sprint(pid)
	}
	parts := []Part{
		{"machine/sysctl.txt", sysctls},
		files("machine/kernel.txt", "/proc/version", "/proc/cmdline", "/etc/os-release", "/proc/meminfo", "/proc/loadavg", "/sys/kernel/security/lsm"),
		files("machine/interrupts.txt", "/proc/interrupts", "/proc/softirqs"),
		files("machine/counters.txt", "/proc/net/softnet_stat", "/proc/"+self+"/net/snmp", "/proc/"+self+"/net/snmp6", "/proc/"+self+"/net/netstat", "/proc/"+self+"/net/sockstat"),
	}
	for _, c := range []struct{ name, line string }{
		{"machine/links.txt", "ip -d -s -s link"},
		{"machine/addresses.txt", "ip addr"},
		{"machine/routes.txt", "ip route show table all"},
		{"machine/rules.txt", "ip rule"},
		{"machine/neighbours.txt", "ip neigh"},
		{"machine/firewall.txt", "nft list ruleset"},
		{"machine/qdisc.txt", "tc -s qdisc"},
		{"machine/cpu.txt", "lscpu"},
	} {
		parts = append(parts, command(pid, c.name, strings.Fields(c.line)...))
	}
	if pid > 0 {
		own := fmt.Sprintf("/proc/%d/", pid)
		parts = append(parts, files("machine/process.txt", own+"status", own+"limits", own+"smaps_rollup", own+"cgroup"))
	}
	return parts
}

// Interface are the parts about one interface.
func Interface(pid int, name string) []Part {
	var parts []Part
	for _, c := range []struct{ what, option string }{
		{"driver", "-i"},
		{"features", "-k"},
		{"rings", "-g"},
		{"queues", "-l"},
		{"coalescing", "-c"},
		{"counters", "-S"},
	} {
		parts = append(parts, command(pid, fmt.Sprintf("machine/%s-%s.txt", name, c.what), "ethtool", c.option, name))
	}
	return parts
}

// command is what a program of the system says, in a process's network namespace.
func command(pid int, name string, args ...string) Part {
	return Part{name, func(ctx context.Context) ([]byte, error) {
		if pid > 0 {
			args = append([]string{"nsenter", "-t", fmt.Sprint(pid), "-n", "--"}, args...)
		}
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
		}
		return out, err
	}}
}

// files is one part with several files, each behind its name.
func files(name string, paths ...string) Part {
	return Part{name, func(context.Context) ([]byte, error) {
		var out bytes.Buffer
		var errs []error
		for _, p := range paths {
			text, err := os.ReadFile(p)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			fmt.Fprintf(&out, "== %s\n%s\n", p, text)
		}
		return out.Bytes(), errors.Join(errs...)
	}}
}

// sysctlFiles are those that matter to a relay.
var sysctlFiles = []string{
	"net/core/*", "net/ipv4/ip_*", "net/ipv4/udp_*", "net/ipv4/conf/*/rp_filter", "net/ipv4/conf/*/forwarding", "net/ipv4/neigh/default/*",
	"net/ipv6/conf/*/forwarding", "net/ipv6/conf/*/disable_ipv6", "net/ipv6/neigh/default/*", "net/netfilter/nf_conntrack_max", "net/netfilter/nf_conntrack_count",
	"kernel/bpf_stats_enabled", "kernel/unprivileged_bpf_disabled", "kernel/osrelease", "fs/file-max", "fs/file-nr", "fs/nr_open",
}

func sysctls(context.Context) ([]byte, error) {
	var out bytes.Buffer
	for _, pattern := range sysctlFiles {
		paths, _ := filepath.Glob("/proc/sys/" + pattern) // the patterns are right
		for _, p := range paths {
			if strings.HasSuffix(p, "_key") {
				continue // netdev_rss_key tells how to fill one queue
			}
			if text, err := os.ReadFile(p); err == nil { // some cannot be read
				fmt.Fprintf(&out, "%s = %s\n", strings.ReplaceAll(strings.TrimPrefix(p, "/proc/sys/"), "/", "."), bytes.TrimSpace(text))
			}
		}
	}
	return out.Bytes(), nil
}
