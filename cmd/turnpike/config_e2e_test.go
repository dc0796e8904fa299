package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

// configured is a node on loopback whose configuration is tried out.
type configured struct {
	t           *testing.T
	bin         string
	file, state string
	port        int
	process     *exec.Cmd
	log         bytes.Buffer
}

func newConfigured(t *testing.T) *configured {
	t.Helper()
	needRoot(t) // the golden file has root as author
	dir := t.TempDir()
	c := &configured{t: t, bin: binary(t), file: filepath.Join(dir, "node.yaml"), state: filepath.Join(dir, "state"), port: int(labtest.FreePort(t, "127.0.0.1").Port())}
	c.write("realm: first")
	c.start()
	t.Cleanup(c.stop)
	return c
}

// write writes the node file with some keys of turn.
func (c *configured) write(turn string) {
	c.t.Helper()
	text := fmt.Sprintf(`system: {name: tp1, state: %s}
interfaces: {external: {name: lo}}
dataplane: {mode: userspace}
admin: {metrics: off}
turn: {mode: on, port: %d, media_ports: {start: 21000, end: 21099}, users: [{name: u, password: planted-1}], %s}
`, c.state, c.port, turn)
	if err := os.WriteFile(c.file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *configured) start() {
	c.t.Helper()
	c.process = exec.Command(c.bin, "serve", "-c", c.file)
	c.process.Stdout, c.process.Stderr = &c.log, &c.log
	if err := c.process.Start(); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	if _, err := api.NewClient(c.state).WaitReady(ctx); err != nil {
		c.t.Fatalf("%v\n%s", err, &c.log)
	}
}

func (c *configured) stop() {
	if c.process == nil {
		return
	}
	_ = c.process.Process.Signal(unix.SIGTERM)
	_ = c.process.Wait()
	c.process = nil
}

// run runs a command and returns what it says and its exit code.
func (c *configured) run(args ...string) (string, int) {
	c.t.Helper()
	out, err := exec.Command(c.bin, append([]string{"--state", c.state}, args...)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	if exit != nil {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

var (
	times  = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
	column = regexp.MustCompile(`(\S)   +`) // as wide as the longest path
)

// The commands, their answers and exit codes as a golden file; and what is on disk
// and in the log has no secret in it.
func TestConfigurationByCommand(t *testing.T) {
	c := newConfigured(t)
	var got strings.Builder
	for _, args := range [][]string{
		{"config", "get", "turn.realm"},
		{"config", "set", "turn.users[u].password", "planted-2"},
		{"config", "set", "turn.realm", "second"},
		{"config", "add", "zones", "the office", "peers=192.0.2.1:5060", "protocol=sip"},
		{"config", "set", "turn.deny", "10.0.0.0/8", "192.0.2.0/24", "--note", "own networks"},
		{"config", "set", "turn.port", "99"},
		{"config", "set", "turn.prot", "99"},
		{"config", "set", "turn.realm"},
		{"config", "set", "turn.realm", "third", "--expect", "1"},
		{"config", "set", "turn.realm", "third", "--try"},
		{"config", "delete", "zones[nowhere]"},
		{"config", "show"},
		{"config", "show", "--scope", "peer"},
		{"config", "show", "--scope", "some"},
		{"config", "diff", "1", "2"},
		{"config", "history"},
		{"config", "rollback", "1"},
		{"config", "rollback", "77"},
		{"config", "rollback", "x"},
		{"config", "get", "turn.realm", "-o", "json"},
		{"xconfiguration", "Traversal", "Server", "TURN", "Authentication", "Realm:", "a realm"},
		{"xconfiguration", "Traversal Server TURN Authentication"},
		{"xcommand", "ZoneAdd", "ZoneName:", "again", "Type:", "DNS"},
		{"xcommand", "ZoneAd"},
		{"xcommand", "Boot"},
		{"xstatus", "TURN", "Relays"},
		{"xstatus", "TURN", "Relays", "-o", "json"},
	} {
		said, code := c.run(args...)
		fmt.Fprintf(&got, "$ turnpike %s\n%s", strings.Join(args, " "), said)
		if code != 0 {
			fmt.Fprintf(&got, "exit code %d\n", code)
		}
	}
	text := times.ReplaceAllString(got.String(), "TIME")
	text = strings.NewReplacer(c.state, "STATE", c.file, "node.yaml", fmt.Sprint(c.port), "PORT").Replace(text)
	text = column.ReplaceAllString(text, "$1  ")
	golden := "testdata/config.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Error(diff)
	}
	c.stop()
	secretless(t, c.state, c.log.Bytes())
}

// secretless looks for the planted secrets in all files of a state directory and in
// what was logged.
func secretless(t *testing.T, state string, log []byte) {
	t.Helper()
	if bytes.Contains(log, []byte("planted")) {
		t.Error("the log shows a secret")
	}
	err := fs.WalkDir(os.DirFS(state), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(state, path))
		if bytes.Contains(data, []byte("planted")) {
			t.Errorf("%s shows a secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// The node file counts as a whole as long as nobody changes anything in another way;
// then only what belongs to the node does (PS), and the node says what it ignores.
func TestNodeFileAndStore(t *testing.T) {
	c := newConfigured(t)
	realm := func() string {
		said, _ := c.run("config", "get", "turn.realm")
		return strings.TrimSpace(said)
	}
	restart := func() {
		c.stop()
		c.start()
	}
	c.write("realm: edited")
	restart()
	if got := realm(); got != "edited" {
		t.Errorf("the file was edited, and the realm is %s", got)
	}
	if said, code := c.run("config", "set", "turn.realm", "commanded"); code != 0 || !strings.Contains(said, "waits for a restart  turn.realm  edited -> commanded") {
		t.Errorf("set: %s", said)
	}
	restart()
	if got := realm(); got != "commanded" {
		t.Errorf("the realm was set by command, and is %s", got)
	}
	if said, _ := c.run("status"); !strings.Contains(said, "items of "+c.file+" are not in force, beginning with turn.realm") || !strings.Contains(said, "config apply "+c.file) {
		t.Errorf("status does not tell what is ignored: %s", said)
	}
	c.write("realm: ignored}\nlog: {level: debug")
	if said, code := c.run("reload"); code != 0 || !strings.Contains(said, "log.level  info -> debug") || !strings.Contains(said, "not in force, beginning with turn.realm") {
		t.Errorf("reload: %s", said)
	}
	if said, code := c.run("config", "apply", c.file); code != 0 || !strings.Contains(said, "commanded -> ignored") {
		t.Errorf("apply: %s", said)
	}
	restart()
	if got := realm(); got != "ignored" {
		t.Errorf("the file was applied, and the realm is %s", got)
	}
	c.stop()
	if !bytes.Contains(c.log.Bytes(), []byte(`Detail="xconfiguration Traversal Server TURN Authentication Realm - changed from: 'edited' to: 'commanded'"`)) {
		t.Errorf("the change is not in the log:\n%s", &c.log)
	}
}
