package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/control/doctor"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

// examine runs doctor and returns what it says; the exit code must fit to it.
func examine(t *testing.T, cmd *exec.Cmd) doctor.Report {
	t.Helper()
	cmd.Args = append(cmd.Args, "-o", "json")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	_ = cmd.Run() // judged by its code
	var r doctor.Report
	d := json.NewDecoder(&out)
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("%s: %v: %s", cmd, err, said.String())
	}
	want := 0
	if r.Degraded {
		want = exitDegraded
	}
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Errorf("%s: exit code %d, want %d", cmd, code, want)
	}
	return r
}

func (s *stage) doctor(t *testing.T, args ...string) doctor.Report {
	t.Helper()
	return examine(t, exec.Command(s.self, append([]string{"doctor", "--state", s.state}, args...)...))
}

// the returns the worst finding of an id.
func the(t *testing.T, r doctor.Report, id doctor.ID) doctor.Finding {
	t.Helper()
	i := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool { return f.ID == id })
	if i < 0 {
		t.Fatalf("nothing about %s in %+v", id, r.Findings)
	}
	return r.Findings[i] // the worst come first
}

// shell runs a command line on a host of a lab.
func shell(t *testing.T, h *lab.Host, line string) {
	t.Helper()
	if out, err := h.Command(t.Context(), "sh", "-c", line).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
}

// mustBeFine fails for anything that makes the machine degraded.
func mustBeFine(t *testing.T, r doctor.Report) {
	t.Helper()
	for _, f := range r.Findings {
		if f.Severity == doctor.Warning || f.Severity == doctor.Problem {
			t.Errorf("%+v", f)
		}
	}
}

// spoiled is something that is made wrong in a lab while a node runs there.
type spoiled struct {
	name     string
	on       func(*stage) *lab.Host
	spoil    string
	id       doctor.ID
	severity doctor.Severity
	fixed    bool // by --fix; else by the finding's own command
	after    string
}

func nodeHost(s *stage) *lab.Host   { return s.lab.Node }
func clientHost(s *stage) *lab.Host { return s.lab.Client }

// TestDoctorFindsAndMends makes one thing after the other wrong under a running node:
// doctor finds it, what mends it is what it said, and then all is well.
func TestDoctorFindsAndMends(t *testing.T) {
	s := play(t)
	s.doctor(t, "--fix") // a new namespace has the usual port range
	mustBeFine(t, s.doctor(t))
	for _, c := range []spoiled{
		{"strict filter", nodeHost, "sysctl -qw net.ipv4.conf.s1.rp_filter=1", "rp-filter", doctor.Warning, true, ""},
		{"routing", nodeHost, "sysctl -qw net.ipv4.conf.s0.forwarding=1", "forwarding", doctor.Warning, false, ""},
		{"ports given away", nodeHost, "sysctl -qw net.ipv4.ip_local_reserved_ports= net.ipv4.ip_local_port_range='20000 60999'", "port-range", doctor.Warning, true, ""},
		{"half checksums", nodeHost, "ethtool -K s1 tx on", "offload-checksum", doctor.Warning, true, ""},
		{"half checksums from afar", clientHost, "ethtool -K c0 tx on", "offload-checksum", doctor.Warning, false, ""},
		{"far end without GRO", clientHost, "ethtool -K c0 gro off", "xdp-redirect", doctor.Warning, false, ""},
		{"tracking", nodeHost, "nft 'table ip x { chain i { type filter hook input priority 0; ct state established accept; }; }'", "conntrack", doctor.Warning, false, "nft flush ruleset"},
		{"masquerading", nodeHost, "nft 'table ip x { chain p { type nat hook postrouting priority 100; oifname s1 masquerade; }; }'", "firewall-bypassed", doctor.Warning, true, "nft flush ruleset"},
		{"blocked peers", nodeHost, "nft 'table ip x { chain i { type filter hook input priority 0; ip saddr 203.0.113.0/24 drop; }; }'", "firewall-bypassed", doctor.Note, true, "nft flush ruleset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			shell(t, c.on(s), c.spoil)
			if c.after != "" {
				t.Cleanup(func() {
					if out, err := c.on(s).Command(context.Background(), "sh", "-c", c.after).CombinedOutput(); err != nil {
						t.Errorf("%s: %v: %s", c.after, err, out)
					}
				})
			}
			f := the(t, s.doctor(t), c.id)
			if f.Severity != c.severity {
				t.Fatalf("%+v", f)
			}
			if c.after != "" && c.fixed {
				return // nothing that a command mends, and --fix keeps its hands off
			}
			s.cure(t, c, f)
		})
	}
	mustBeFine(t, s.doctor(t))
}

// cure mends what was found in the way that the finding names.
func (s *stage) cure(t *testing.T, c spoiled, f doctor.Finding) {
	t.Helper()
	fixed := s.doctor(t, "--fix")
	if f.Fixable != c.fixed || c.fixed != (len(fixed.Done) > 0) {
		t.Errorf("fixable %t, done %+v", f.Fixable, fixed.Done)
	}
	if !c.fixed {
		_, command, found := strings.Cut(f.Command, "far end: ")
		if !found {
			_, command, found = strings.Cut(f.Command, c.on(s).Name+": ")
		}
		if !found {
			command = f.Command
		}
		shell(t, c.on(s), command)
	}
	again := s.doctor(t, "--fix")
	if len(again.Done) > 0 {
		t.Errorf("--fix did again %+v", again.Done)
	}
	mustBeFine(t, again)
}

// TestDoctorTellsTheAddress compares what a client was told with the node file and with what
// is seen from outside.
func TestDoctorTellsTheAddress(t *testing.T) {
	s := play(t)
	s.doctor(t, "--fix")
	if f := the(t, s.doctor(t), "relay-echo"); f.Severity != doctor.OK || !strings.Contains(f.What, "20 packets") {
		t.Errorf("%+v", f)
	}
	seen := netip.MustParseAddr("203.0.113.9")
	for name, c := range map[string]struct {
		mapped   netip.Addr
		severity doctor.Severity
	}{
		"as told": {netip.MustParseAddr("198.18.1.1"), doctor.OK},
		"another": {seen, doctor.Problem},
	} {
		t.Run(name, func(t *testing.T) {
			at := outsideServer(t, s, c.mapped)
			if f := the(t, s.doctor(t, "--stun", at), "relay-address"); f.Severity != c.severity || !strings.Contains(f.What, c.mapped.String()) {
				t.Errorf("%+v", f)
			}
		})
	}
	text := fmt.Sprintf(labConfig, "dev", s.state, tryRealm, tryUser, tryPassword)
	text = strings.Replace(text, "{name: s1}", "{name: s1, static_nat: 203.0.113.9}", 1)
	if err := os.WriteFile(nodeFile(s.state), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if f := the(t, s.doctor(t), "relay-address"); f.Severity != doctor.Problem || !strings.Contains(f.What, "203.0.113.9") {
		t.Errorf("%+v", f)
	}
}

// outsideServer is a STUN server at the peer that sees everybody at one address.
func outsideServer(t *testing.T, s *stage, mapped netip.Addr) string {
	t.Helper()
	conn, err := s.listen(s.lab.Peer, netip.AddrPortFrom(s.peer, 0))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-ended })
	go func() {
		defer close(ended)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			m := &stun.Message{Raw: buf[:n]}
			if m.Decode() != nil {
				continue
			}
			answer, err := stun.Build(m, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IP(mapped.AsSlice()), Port: 9})
			if err == nil {
				_, _ = conn.WriteTo(answer.Raw, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// TestDoctorBeforeTheStart looks at machines on which no node runs yet. ME-03
func TestDoctorBeforeTheStart(t *testing.T) {
	needRoot(t)
	bin := binary(t)
	for _, c := range []struct {
		name     string
		spoil    func(*testing.T, *lab.Lab)
		around   string // the command that runs doctor; $0 is it
		id       doctor.ID
		severity doctor.Severity
	}{
		{"fine", nothing, `exec "$0" "$@"`, "xdp-native", doctor.OK},
		{"down", line("ip link set s1 down"), `exec "$0" "$@"`, "interface", doctor.Problem},
		{"gone", line("ip link del s1"), `exec "$0" "$@"`, "interface", doctor.Problem},
		{"no address", line("ip addr flush dev s1"), `exec "$0" "$@"`, "interface", doctor.Problem},
		{"jumbo frames", line("ip link set s1 mtu 4000"), `exec "$0" "$@"`, "xdp-mtu", doctor.Warning},
		{"another program", occupy("somebody"), `exec "$0" "$@"`, "xdp-foreign", doctor.Warning},
		{"dispatcher", occupy("xdp_dispatcher"), `exec "$0" "$@"`, "xdp-foreign", doctor.Warning},
		{"few files", nothing, `ulimit -n 3000; exec "$0" "$@"`, "files", doctor.Warning},
		{"no rights", nothing, `exec setpriv --bounding-set -bpf,-perfmon "$0" "$@"`, "capabilities", doctor.Problem},
		{"no BPF file system", nothing, `exec unshare -m sh -c 'umount /sys/fs/bpf; exec "$0" "$@"' "$0" "$@"`, "bpffs", doctor.Warning},
		{"BPF file system mended", nothing, `exec unshare -m sh -c 'umount /sys/fs/bpf; exec "$0" "$@" --fix' "$0" "$@"`, "bpffs", doctor.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := labtest.New(t, lab.Options{Queues: 2})
			shell(t, l.Node, "sysctl -qw net.ipv4.ip_local_port_range='30000 35999'")
			c.spoil(t, l)
			dir := t.TempDir()
			file := filepath.Join(dir, "node.yaml")
			text := fmt.Sprintf(labConfig, "lab", filepath.Join(dir, "state"), tryRealm, tryUser, tryPassword)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			r := examine(t, l.Node.Command(t.Context(), "sh", "-c", c.around, bin, "doctor", "-c", file))
			f := the(t, r, c.id)
			if f.Severity != c.severity {
				t.Errorf("%+v", f)
			}
			if c.severity == doctor.OK {
				mustBeFine(t, r)
			}
			if r.Running {
				t.Error("says that a node runs")
			}
		})
	}
}

func nothing(*testing.T, *lab.Lab) {}

func line(text string) func(*testing.T, *lab.Lab) {
	return func(t *testing.T, l *lab.Lab) { shell(t, l.Node, text) }
}

// occupy puts an XDP program of somebody else on an interface.
func occupy(name string) func(*testing.T, *lab.Lab) {
	return func(t *testing.T, l *lab.Lab) {
		const pass = 2 // XDP_PASS
		prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: name, Type: ebpf.XDP, License: "GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, pass), asm.Return()},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = prog.Close() })
		var on link.Link
		err = l.Node.Do(func() (err error) {
			on, err = link.AttachXDP(link.XDPOptions{Program: prog, Interface: l.Node.Link("s1").Index, Flags: link.XDPDriverMode})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = on.Close() })
	}
}

func TestDoctorReport(t *testing.T) {
	r := doctor.Report{Node: "tp1", Running: true, Kernel: "6.12.4", At: time.Unix(1e9, 0).UTC(), Degraded: true, Findings: []doctor.Finding{
		{ID: "offload-lro", Subject: "eth0", Severity: doctor.Problem, What: "large receive offload is on", Why: "it joins packets", Command: "ethtool -K eth0 rx-lro off", Fixable: true},
		{ID: "queues", Subject: "eth0", Severity: doctor.Warning, What: "receive queues: 1 in use of 8, CPUs: 4", Why: "the other CPUs do not help", Command: "ethtool -L eth0 combined 4"},
		{ID: "degraded", Subject: "node", Severity: doctor.Warning, What: "all 6000 relays are in use", Why: "the node says so"},
		{ID: "bpf-jit", Subject: "kernel", Severity: doctor.OK, What: "BPF programs are compiled"},
	}, Done: []doctor.Done{
		{ID: "port-range", Subject: "ports", Command: "sysctl -w 'net/ipv4/ip_local_reserved_ports=36000-59999'"},
		{ID: "bpffs", Subject: "/sys/fs/bpf", Command: "mount -t bpf bpf /sys/fs/bpf", Error: "operation not permitted"},
	}}
	for name, all := range map[string]bool{"doctor": false, "doctor_all": true} {
		var table, document bytes.Buffer
		if err := (&app{stdout: &table, output: "table"}).tellReport(r, all); exitCode(err) != exitDegraded {
			t.Errorf("%v", err)
		}
		golden(t, name+".table", table.String())
		if err := (&app{stdout: &document, output: "json"}).tellReport(r, all); exitCode(err) != exitDegraded {
			t.Errorf("%v", err)
		}
		golden(t, "doctor.json", document.String())
	}
}

func TestDoctorWithoutNode(t *testing.T) {
	err := run(t.Context(), []string{"doctor", "--state", t.TempDir()}, &bytes.Buffer{})
	if err == nil || exitCode(err) != exitFailed || !strings.Contains(err.Error(), "turnpike doctor -c FILE") {
		t.Errorf("%v", err)
	}
}
