package endtoend_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// A node is administered from another host: HTTPS comes with the configuration, on the
// internal side alone, for accounts with their roles, and the event log has who did what.
//
// OP-04
func TestAdministrationOverHTTPS(t *testing.T) {
	bin := nodetest.Built(t)
	t.Parallel()
	l := labtest.New(t, lab.Options{})
	n := nodeIn(t, l, bin)
	n.configure(t, file{})
	n.Start(t)

	const url = "https://198.18.0.1:8443"
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, role := range map[string]string{"rita": "read", "otto": "operate", "anna": "admin"} {
		n.Command(t, 0, "account", "set", name, "--role", role, "--password-file", password)
	}
	n.Command(t, 0, "config", "set", "admin.https.port", "8443")
	n.Command(t, 0, "config", "set", "admin.https.mode", "on")
	var certificate struct {
		Server struct {
			SHA256 string `json:"sha256"`
		} `json:"server"`
	}
	if err := json.Unmarshal([]byte(n.Command(t, 0, "certificate", "show", "-o", "json")), &certificate); err != nil {
		t.Fatal(err)
	}
	remote := func(account string, args ...string) (said string, code int) {
		args = append(args, "--node", url, "--account", account, "--account-password-file", password, "--pin", certificate.Server.SHA256)
		cmd := l.Client.Command(t.Context(), bin, args...)
		cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+dir)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run() // judged by its code
		return out.String(), cmd.ProcessState.ExitCode()
	}
	nodetest.Eventually(t, 10*time.Second, "HTTPS is there", func() error {
		if said, code := remote("rita", "status"); code != 0 || !strings.Contains(said, l.Name) {
			return errors.New(said)
		}
		return nil
	})

	for _, step := range []struct {
		account string
		args    string
		code    int
		says    string
	}{
		{"rita", "drain", 1, "needs operate"},
		{"otto", "drain", 0, ""},
		{"otto", "config set sip.trace off", 1, "needs admin"},
		{"nobody", "status", 1, "turnpike login"},
		{"anna", "config set system.contact_of_nobody x", 1, "no such"},
		{"anna", "account remove rita", 0, ""},
		{"rita", "status", 1, "turnpike login"},
	} {
		said, code := remote(step.account, strings.Fields(step.args)...)
		if code != step.code || !strings.Contains(said, step.says) {
			t.Errorf("%s: %s: code %d, %s", step.account, step.args, code, said)
		}
	}
	if !strings.Contains(n.Command(t, 3, "status"), "draining") {
		t.Error("the node does not drain")
	}
	log := n.Log(t)
	for _, want := range []string{`User="otto" Src="198.18.0.2"`, `Event="Admin Login Failed"`, `User="anna"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the event log has no %s", want)
		}
	}
	if strings.Contains(log, "correct horse") {
		t.Error("the event log has a password")
	}
	err := l.Peer.Do(func() error {
		c, err := net.DialTimeout("tcp", "198.18.1.1:8443", 5*time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	if err == nil {
		t.Error("it is on the external side too")
	}
}
