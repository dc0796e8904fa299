package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/accounts"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/certificates"
	"turnpike.dev/turnpike/control/config"
)

// network is a node that answers over HTTPS for two accounts, and commands that ask it.
type network struct {
	t    *testing.T
	url  string
	pin  string
	node *cannedNode
	home string
}

const (
	horse     = "correct horse"
	cheapHash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$H9YweMwoZaKj+u6urw6adAxV6iLhNwQ/DYbynE6J72M"
)

func newNetwork(t *testing.T) *network {
	t.Helper()
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	certs, err := certificates.Open(certificates.Config{Dir: home, Files: stateFiles{}, Host: "tp1.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	guard := accounts.New(accounts.Config{
		Find: func(name string) (accounts.Account, bool) {
			return accounts.Account{Name: name, Role: name, Hash: cheapHash}, name == "read" || name == "operate"
		},
		ShutOut: func() bool { return true }, Now: time.Now,
	})
	node := &cannedNode{status: api.Status{Name: "tp1", State: api.Ready, Degraded: []string{}}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.New(node, nil).ServeHTTPS(ctx, l, certs.TLS(), guard) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &network{t: t, url: "https://" + l.Addr().String(), pin: certs.ServerInfo().Fingerprint, node: node, home: home}
}

// run runs a command for the node.
func (n *network) run(args ...string) (string, error) {
	n.t.Helper()
	var out bytes.Buffer
	err := run(n.t.Context(), append([]string{"--node", n.url}, args...), &out)
	return out.String(), err
}

func (n *network) file(name, text string) string {
	n.t.Helper()
	path := filepath.Join(n.home, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	return path
}

func TestCommandsOverHTTPS(t *testing.T) {
	n := newNetwork(t)
	password := n.file("password", horse+"\n")

	if _, err := n.run("status"); err == nil || !strings.Contains(err.Error(), "turnpike login") {
		t.Errorf("without a log-in: %v", err)
	}
	_, err := n.run("login", "--account", "operate", "--account-password-file", password)
	if err == nil || !strings.Contains(err.Error(), "--pin "+n.pin) {
		t.Errorf("a certificate that nobody signed: %v", err)
	}
	if out, err := n.run("login", "--account", "operate", "--account-password-file", password, "--pin", n.pin); err != nil || !strings.Contains(out, "as operate") {
		t.Fatalf("%s %v", out, err)
	}
	if out, err := n.run("status"); err != nil || !strings.Contains(out, "tp1") {
		t.Errorf("%s %v", out, err)
	}
	if out, err := n.run("whoami"); err != nil || !strings.Contains(out, "operate") || !strings.Contains(out, "127.0.0.1") {
		t.Errorf("%s %v", out, err)
	}
	if _, err := n.run("drain"); err != nil || len(n.node.drained) != 1 {
		t.Errorf("drain: %v", err)
	}
	if _, err := n.run("reload"); err == nil || !strings.Contains(err.Error(), "needs admin") {
		t.Errorf("reload as operate: %v", err)
	}
	if _, err := n.run("drain", "--account", "read", "--account-password-file", password); err == nil || !strings.Contains(err.Error(), "needs operate") {
		t.Errorf("drain as read: %v", err)
	}

	kept := filepath.Join(n.home, "turnpike", "logins.json")
	data, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(kept)
	if info.Mode().Perm() != 0o600 || strings.Contains(string(data), horse) {
		t.Errorf("kept with mode %v: %s", info.Mode(), data)
	}
	var logIns map[string]logIn
	if err := json.Unmarshal(data, &logIns); err != nil {
		t.Fatal(err)
	}
	token := n.file("token", logIns[n.url].Token+"\n")
	if _, err := n.run("logout"); err != nil {
		t.Error(err)
	}
	if _, err := n.run("status", "--token-file", token, "--pin", n.pin); err == nil || !strings.Contains(err.Error(), "wrong") {
		t.Errorf("after the log-out: %v", err)
	}
}

// Another certificate than the pinned one is never spoken to.
func TestPinOfAnother(t *testing.T) {
	n := newNetwork(t)
	password := n.file("password", horse)
	_, err := n.run("status", "--account", "read", "--account-password-file", password, "--pin", strings.Repeat("00", 32))
	if err == nil || !strings.Contains(err.Error(), "another certificate") {
		t.Errorf("got %v", err)
	}
}

func TestLogInsThatOthersMayRead(t *testing.T) {
	n := newNetwork(t)
	if err := os.MkdirAll(filepath.Join(n.home, "turnpike"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(n.home, "turnpike", "logins.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := n.run("status"); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("got %v", err)
	}
}

func TestRemoteFlags(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"not over HTTP", []string{"--node", "http://tp1", "status"}, "want https://"},
		{"a path", []string{"--node", "https://tp1/x", "status"}, "want https://"},
		{"a password in the address", []string{"--node", "https://u:p@tp1", "status"}, "want https://"},
		{"with a state directory", []string{"--node", "https://tp1", "--state", "/x", "status"}, "one of them"},
		{"without a node", []string{"--account", "anna", "status"}, "go with --node"},
		{"on this machine only", []string{"--node", "https://tp1", "cleanup"}, "run it there"},
		{"below one", []string{"--node", "https://tp1", "support", "bundle"}, "run it there"},
		{"nobody to log in", []string{"--node", "https://tp1", "login"}, "as whom"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := run(t.Context(), test.args, &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), test.want) || exitCode(err) != exitUsage {
				t.Errorf("got %v, exit code %d", err, exitCode(err))
			}
		})
	}
}

// adminSides: administration is on the internal side, unless somebody wants it elsewhere.
func TestAdminSides(t *testing.T) {
	in, out := side{name: "s0", internal: true}, side{name: "s1"}
	in.addrs, out.addrs = []netip.Addr{netip.MustParseAddr("192.0.2.1")}, []netip.Addr{netip.MustParseAddr("198.51.100.1")}
	tests := []struct {
		name  string
		all   []side
		which string
		want  int
	}{
		{"both", []side{in, out}, "internal", 1},
		{"both wanted", []side{in, out}, "all", 2},
		{"only external", []side{out}, "internal", 1},
		{"only internal", []side{in}, "internal", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := adminSides(test.all, config.AdminSides(test.which))
			if len(got) != test.want || test.want == 1 && len(test.all) == 2 && !got[0].internal {
				t.Errorf("got %+v", got)
			}
		})
	}
}
