package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// traced runs a script of perf/trace over something that happens again and again for a
// time, and returns what it said. It has a mount namespace with tracefs of its own, and leaves none behind.
func traced(t *testing.T, meanwhile func(), length time.Duration, script string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shell := `mount -t tracefs tracefs /sys/kernel/tracing && exec bpftrace "$@"`
	cmd := exec.CommandContext(ctx, "unshare", append([]string{"-m", "sh", "-c", shell, "bpftrace", "../../perf/trace/" + script}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	all := readPast(out, "until Ctrl-C", "STATE")
	// A script speaks before all its probes are attached.
	for began := time.Now(); time.Since(began) < length; {
		meanwhile()
	}
	text := endTrace(cmd.Process, all)
	if err := cmd.Wait(); err != nil && !interrupted(cmd.ProcessState) {
		t.Fatalf("%s: %v: %s%s", script, err, text, said.String())
	}
	return text
}

// interrupted reports whether a process ended by SIGINT: the tool takes the first one, and
// dies of one that comes while it ends.
func interrupted(p *os.ProcessState) bool {
	status, ok := p.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGINT
}

// endTrace asks the tool to end until it does: one signal that comes while it still
// attaches to something is lost.
func endTrace(p *os.Process, all func() string) string {
	text := make(chan string)
	go func() { text <- all() }()
	again := time.NewTicker(2 * time.Second)
	defer again.Stop()
	for {
		_ = p.Signal(unix.SIGINT) // it may have ended
		select {
		case s := <-text:
			return s
		case <-again.C:
		}
	}
}

// readPast returns when one of the words has come, or the stream has ended, with a function
// that returns everything at the end.
func readPast(r io.Reader, words ...string) func() string {
	var b strings.Builder
	buf := make([]byte, 4096)
	for came := false; !came; {
		n, err := r.Read(buf)
		b.Write(buf[:n])
		for _, w := range words {
			came = came || strings.Contains(b.String(), w)
		}
		came = came || err != nil
	}
	return func() string {
		_, _ = io.Copy(&b, r) // ends with the process
		return b.String()
	}
}

// TestTraceScripts runs every script of perf/trace over a live node: what a script names
// in the kernel and in the program must be there, and must count what happens.
func TestTraceScripts(t *testing.T) {
	s := play(t)
	stream := s.mustOpen(t)
	talk := func() { mustTalk(t, stream, 300) }
	byProcess := func() {
		shell(t, s.lab.Client, "ethtool -K c0 gro off") // and nothing can be redirected to it
		talk()
	}
	unreachable := func() { shell(t, s.lab.Client, "bash -c 'for i in 1 2 3; do echo x > /dev/udp/198.18.0.1/3999; done'") }
	scripts := map[string]struct {
		meanwhile func()
		says      string // a count that is not zero
		args      []string
	}{
		"redirects.bt": {talk, `@sent_at_once\[\d+\]`, nil},
		"polls.bt":     {talk, `@all\[s0, \d\]: ([1-9]\d+)`, nil},
		"softirqs.bt":  {talk, `@ran_us\[\d\]`, nil},
		"drops.bt":     {unreachable, `@dropped\[\d+, 3999\]: [1-9]`, []string{"3999", "3999"}},
		"neighbours.bt": {func() {
			shell(t, s.lab.Node, "ip neigh del 198.18.0.77 dev s0 2>/dev/null; ip neigh add 198.18.0.77 lladdr 02:00:00:00:00:01 dev s0")
		}, `s0 +198\.18\.0\.77 +0 -> 128`, nil},
		"waits.bt":   {talk, `@waited_us\[\d\]`, nil},
		"process.bt": {byProcess, `@relayed: ([1-9]\d+)`, []string{s.self}},
		"batches.bt": {byProcess, `@received:`, nil},
	}
	files, err := filepath.Glob("../../perf/trace/*.bt")
	if err != nil || len(files) != len(scripts) {
		t.Fatalf("%d scripts are tested, there are %v", len(scripts), files)
	}
	readme, err := os.ReadFile("../../perf/trace/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		t.Run(name, func(t *testing.T) {
			c := scripts[name]
			got, says := "", regexp.MustCompile(c.says)
			for length := 500 * time.Millisecond; length < 10*time.Second && !says.MatchString(got); length *= 4 {
				got = traced(t, c.meanwhile, length, name, c.args...)
			}
			if !says.MatchString(got) {
				t.Errorf("no %s in\n%s", c.says, got)
			}
			if !bytes.Contains(readme, []byte("`"+name+"`")) {
				t.Error("README does not tell of it")
			}
		})
	}
}

// TestProgramTime reads the run-time statistics as perf/trace/program-time does, and leaves
// the switch as it was.
func TestProgramTime(t *testing.T) {
	s := play(t)
	stream := s.mustOpen(t)
	const statistics = "/proc/sys/kernel/bpf_stats_enabled"
	before, err := os.ReadFile(statistics)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "../../perf/trace/program-time", "1")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for !exited(cmd.Process.Pid) {
		mustTalk(t, stream, 100)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	// Other nodes of this machine may be in it too, and how fast this one is says nothing here.
	counted := 0
	for _, m := range regexp.MustCompile(`program \d+: (\d+) packets, \d+ ns each`).FindAllStringSubmatch(out.String(), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		counted += n
	}
	if counted < 20 {
		t.Errorf("%d packets: it said %q", counted, out.String())
	}
	if after, _ := os.ReadFile(statistics); !bytes.Equal(before, after) {
		t.Errorf("the statistics are %s, and were %s", after, before)
	}
}

// exited reports whether a child has ended and waits to be asked.
func exited(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || bytes.Contains(stat, []byte(") Z "))
}
