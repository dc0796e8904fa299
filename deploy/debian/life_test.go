package debian_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/doctor"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

const (
	nodeFile = "/etc/turnpike/node.yaml"
	opened   = `# by the administrator
system: {name: tp1, platform: CE1200}
interfaces: {internal: {name: s0}, external: {name: s1}}
turn: {mode: on, realm: test, users: [{name: u, password: p}]}
log: {file: /var/log/turnpike/event.log}
`
)

// ME-06: a package's life on a machine that nobody has touched. From the first relay to the
// last packet the media is never looked after, whatever happens to the process.
func TestLifeOfAPackage(t *testing.T) {
	slow(t)
	first, second := packaged(t, older), packaged(t, newer)
	l := labtest.New(t, lab.Options{})
	m := boot(t, l.Node)
	first, second = m.bring(t, first), m.bring(t, second)
	before := m.files(t)

	m.install(t, first)
	m.isClosed(t)
	m.isOpened(t)
	m.isHealthy(t)

	calls := allocate(t, l)
	m.onXDP(t)
	calls.start(t)
	calls.flowing(t)
	for _, event := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"restart", func(t *testing.T) { m.run(t, "systemctl", "restart", "turnpike") }},
		{"upgrade", func(t *testing.T) { m.upgrade(t, second) }},
		{"kill -9", m.killed},
		{"hang", m.hung},
	} {
		t.Run(event.name, func(t *testing.T) {
			process := m.property(t, "MainPID")
			event.do(t)
			m.onXDP(t)
			calls.flowing(t)
			if now := m.property(t, "MainPID"); now == process || now == "0" {
				t.Errorf("process %s before, %s after", process, now)
			}
			t.Logf("not active for %s", m.gap(t))
		})
	}
	t.Run("operation", m.operates)
	calls.end(t)

	m.reloads(t)
	m.keeps(t, second)
	m.removed(t, l)
	m.purged(t, before)
}

// gap is the time from the end of one process to the readiness of the next.
func (m *machine) gap(t *testing.T) time.Duration {
	t.Helper()
	var at [2]int
	for i, name := range []string{"ActiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic"} {
		var err error
		if at[i], err = strconv.Atoi(m.property(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	return time.Duration(at[1]-at[0]) * time.Microsecond
}

func (m *machine) install(t *testing.T, file string) {
	t.Helper()
	m.run(t, "apt-get", "install", "-y", file)
	if got := m.property(t, "ActiveState") + " " + m.property(t, "UnitFileState"); got != "active enabled" {
		t.Fatalf("the service is %s, want active and enabled", got)
	}
}

// isClosed checks that a machine without configuration runs, serves nobody, touches no
// interface and says what to do next.
func (m *machine) isClosed(t *testing.T) {
	t.Helper()
	if said := m.exits(t, 3, "turnpike", "status"); !strings.Contains(said, "name interfaces and users") {
		t.Errorf("status does not say what to do next:\n%s", said)
	}
	if said := m.property(t, "StatusText"); !strings.Contains(said, "name interfaces and users") {
		t.Errorf("systemd was told %q", said)
	}
	if pins := m.pins(t); len(pins) > 0 {
		t.Errorf("it has pins: %v", pins)
	}
}

// isOpened configures the node as the documentation says, and checks that the service is
// its own user with its rights and no more.
func (m *machine) isOpened(t *testing.T) {
	t.Helper()
	m.write(t, nodeFile, opened)
	m.run(t, "turnpike", "config", "check", nodeFile)
	m.run(t, "systemctl", "restart", "turnpike")
	if said := m.run(t, "turnpike", "status", "--wait"); !strings.Contains(said, "path=xdp") {
		t.Fatalf("no XDP:\n%s", said)
	}
	if said := m.property(t, "StatusText"); said != "TURN on, 0 of 6000 relays, path=xdp" {
		t.Errorf("systemd was told %q", said)
	}
	status := m.run(t, "cat", "/proc/"+m.property(t, "MainPID")+"/status")
	const network, kernel = 1<<10 | 1<<12, 1<<38 | 1<<39 // NET_BIND_SERVICE, NET_ADMIN; PERFMON, BPF
	for _, want := range []string{
		fmt.Sprintf("CapEff:\t%016x", uint64(network|kernel)), fmt.Sprintf("CapBnd:\t%016x", uint64(network|kernel)),
		"NoNewPrivs:\t1", "Seccomp:\t2",
	} {
		if !strings.Contains(status, want) {
			t.Errorf("not %q:\n%s", want, status)
		}
	}
	user := strings.TrimSpace(m.run(t, "id", "-u", "turnpike"))
	if !regexp.MustCompile(`Uid:\t` + user + `\t`).MatchString(status) {
		t.Errorf("it does not run as turnpike:\n%s", status)
	}
}

// upgrade installs another version; what the administrator wrote stays.
func (m *machine) upgrade(t *testing.T, file string) {
	m.run(t, "apt-get", "install", "-y", file)
	if said := m.run(t, "turnpike", "status"); !strings.Contains(said, newer) {
		t.Errorf("another version runs:\n%s", said)
	}
	if said := m.run(t, "cat", nodeFile); said != opened {
		t.Errorf("the node file is another:\n%s", said)
	}
	if said := strings.TrimSpace(m.run(t, "stat", "-c", "%U:%G %a", nodeFile)); said != "root:turnpike 640" {
		t.Errorf("the node file is %s", said)
	}
}

// killed: systemd starts another process by itself.
func (m *machine) killed(t *testing.T) {
	process := m.property(t, "MainPID")
	m.run(t, "sh", "-c", "kill -KILL "+process)
	m.another(t, process, 10*time.Second)
}

// hung: the process lives and does nothing. The watchdog ends it, and another one comes
// before a relay's lease runs out.
func (m *machine) hung(t *testing.T) {
	process := m.property(t, "MainPID")
	m.run(t, "sh", "-c", "kill -STOP "+process)
	m.another(t, process, 25*time.Second)
	if said := m.run(t, "journalctl", "-u", "turnpike", "--no-pager"); !strings.Contains(said, "Watchdog timeout") {
		t.Error("it was not the watchdog")
	}
}

func (m *machine) another(t *testing.T, process string, patience time.Duration) {
	eventually(t, patience, "another process", func() error {
		if now := m.property(t, "MainPID"); now == process || now == "0" || m.property(t, "ActiveState") != "active" {
			return fmt.Errorf("the service is %s with process %s", m.property(t, "ActiveState"), now)
		}
		return nil
	})
}

// operates: what root asks of the service meets no right that it lacks.
func (m *machine) operates(t *testing.T) {
	m.run(t, "turnpike", "dataplane", "capture", "--user", "u", "--packets", "500", "--duration", "20s", "-w", "/root/u.pcapng")
	if size := strings.TrimSpace(m.run(t, "stat", "-c", "%s", "/root/u.pcapng")); len(size) < 5 {
		t.Errorf("the capture has %s bytes", size)
	}
	if said := m.run(t, "turnpike", "dataplane", "status"); !regexp.MustCompile(`program +turnpike id \d+ tag [0-9a-f]{16}`).MatchString(said) {
		t.Errorf("the program is not named:\n%s", said)
	}
	const ended = 124 // by timeout
	m.exits(t, ended, "timeout", "2", "turnpike", "dataplane", "top", "--interval", "500ms", "--time")
	m.run(t, "turnpike", "support", "bundle", "-w", "/root/bundle.tar.gz")
	m.run(t, "turnpike", "dataplane", "drops")
}

// reloads: a change is taken over by the same process, and a mistake changes nothing and
// is told to whoever asked.
func (m *machine) reloads(t *testing.T) {
	t.Helper()
	process := m.property(t, "MainPID")
	m.write(t, nodeFile, strings.Replace(opened, "password: p", "password: q", 1))
	m.run(t, "systemctl", "reload", "turnpike")
	m.write(t, nodeFile, strings.Replace(opened, "mode: on", "mod: on", 1))
	m.exits(t, 1, "systemctl", "reload", "turnpike")
	m.unchanged(t, process)
}

// keeps: a version that refuses the node file does not take the place of one that runs.
func (m *machine) keeps(t *testing.T, file string) {
	t.Helper()
	process := m.property(t, "MainPID")
	said := m.run(t, "apt-get", "install", "-y", "--reinstall", file)
	if !strings.Contains(said, "did you mean mode?") || !strings.Contains(said, "the old version goes on") {
		t.Errorf("it is not said why:\n%s", said)
	}
	m.unchanged(t, process)
}

func (m *machine) unchanged(t *testing.T, process string) {
	t.Helper()
	if now := m.property(t, "MainPID"); now != process || m.property(t, "ActiveState") != "active" {
		t.Errorf("the service is %s with process %s, was %s", m.property(t, "ActiveState"), now, process)
	}
}

// removed: nothing is left in the kernel, and what belongs to the administrator stays.
func (m *machine) removed(t *testing.T, l *lab.Lab) {
	t.Helper()
	m.run(t, "apt-get", "remove", "-y", "turnpike")
	if pins := m.pins(t); len(pins) > 0 {
		t.Errorf("pins are left: %v", pins)
	}
	for _, s := range l.Node.Links {
		link, err := l.Node.Netlink().LinkByName(s.Name)
		if err != nil || link.Attrs().Xdp != nil && link.Attrs().Xdp.Attached {
			t.Errorf("a program is left on %s, %v", s.Name, err)
		}
	}
	if said, err := m.command("sh", "-c", "cat /proc/[0-9]*/comm").Output(); err != nil || strings.Contains(string(said), "turnpike") {
		t.Errorf("a process is left, %v:\n%s", err, said)
	}
	left := m.files(t)
	for _, want := range []string{nodeFile, "/var/lib/turnpike/node.id", "/var/log/turnpike/event.log"} {
		if !slices.Contains(left, want) {
			t.Errorf("%s is gone after a removal", want)
		}
	}
}

// others are files that the system changes when packages come and go, or by itself.
var others = regexp.MustCompile(`^(/var/log/(apt|journal|wtmp|btmp|lastlog|faillog|dpkg|alternatives|README)|/var/cache/|/var/lib/(apt|dpkg|systemd)/|/run/(systemd|log|lock|dbus|user|utmp|initctl|mount)|/tmp/|/var/tmp/|/root/|/dev/|/etc/\.(pwd\.lock|updated)$|/etc/(passwd|group|shadow|gshadow)-$)`)

// purged: the machine has no file more than before, but for the user's line in passwd.
func (m *machine) purged(t *testing.T, before []string) {
	t.Helper()
	m.run(t, "apt-get", "purge", "-y", "turnpike")
	there := map[string]bool{}
	for _, f := range before {
		there[f] = true
	}
	for _, f := range m.files(t) {
		ours := strings.Contains(filepath.Base(f), "turnpike") && !strings.HasPrefix(f, "/root/")
		if ours || !there[f] && !others.MatchString(f) {
			t.Errorf("%s is left", f)
		}
	}
	if said := m.run(t, "getent", "passwd", "turnpike"); !strings.HasSuffix(strings.TrimSpace(said), "/usr/sbin/nologin") {
		t.Errorf("the user that stays may log in: %s", said)
	}
}

// pins are what is in the machine's bpffs, besides what is there from the beginning.
func (m *machine) pins(t *testing.T) []string {
	t.Helper()
	said := m.run(t, "find", "/sys/fs/bpf", "-mindepth", "1", "-not", "-name", "*.debug", "-not", "-path", "/sys/fs/bpf/turnpike")
	return strings.Fields(said)
}

// isHealthy: the doctor, who makes a relay through the node as a client does, finds no
// problem, and nothing to mend in what the package brings. What the machine brings may
// cost something: clock, queues, what others load it with.
func (m *machine) isHealthy(t *testing.T) {
	t.Helper()
	said, err := m.command("turnpike", "doctor", "-o", "json").Output() // its code is that of the worst finding
	var report doctor.Report
	if json.Unmarshal(said, &report) != nil {
		t.Fatalf("doctor: %v\n%s", err, said)
	}
	ours := []doctor.ID{"port-range", "capabilities", "bpffs", "socket-buffers", "xdp-native", "relay-address", "relay-echo", "degraded"}
	for _, f := range report.Findings {
		if f.Severity == doctor.Problem || f.Severity == doctor.Warning && slices.Contains(ours, f.ID) {
			t.Errorf("doctor: %s %s of %s: %s (%s)", f.Severity, f.ID, f.Subject, f.What, f.Command)
		}
	}
	for _, id := range ours {
		if !slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool { return f.ID == id }) {
			t.Errorf("doctor has no word on %s", id)
		}
	}
}
