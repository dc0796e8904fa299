package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/api"
)

// bare is a node without interfaces, for what needs none.
type bare struct {
	t     *testing.T
	dir   string
	state string
	cmd   *exec.Cmd
}

const bareFile = `
system: {name: tp1, state: %s, host_name: tp1, domain: example.org}
admin: {metrics: off}
dataplane: {mode: userspace}
turn: {realm: %s, users: [{name: alice, password: planted-password}]}
`

func newBare(t *testing.T, realm string) *bare {
	t.Helper()
	b := &bare{t: t, dir: t.TempDir()}
	b.state = filepath.Join(b.dir, "state")
	b.write("node.yaml", fmt.Sprintf(bareFile, b.state, realm))
	b.start()
	return b
}

func (b *bare) write(name, text string) string {
	b.t.Helper()
	file := filepath.Join(b.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return file
}

func (b *bare) start() {
	b.t.Helper()
	b.cmd = exec.Command(binary(b.t), "serve", "-c", filepath.Join(b.dir, "node.yaml"))
	b.cmd.Stderr = os.Stderr
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.stop)
	b.run(0, "status", "--wait")
}

func (b *bare) stop() {
	if b.cmd.ProcessState == nil {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
	}
}

// run runs a command on the node and returns what it says on both outputs.
func (b *bare) run(want int, args ...string) string {
	b.t.Helper()
	cmd := exec.Command(binary(b.t), append([]string{"--state", b.state}, args...)...)
	cmd.Env = append(os.Environ(), passwordVariable+"=correct horse")
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want {
		b.t.Fatalf("turnpike %s: exit code %d, want %d:\n%s", strings.Join(args, " "), got, want, out)
	}
	return string(out)
}

func (b *bare) certificates() api.Certificates {
	b.t.Helper()
	var c api.Certificates
	if err := json.Unmarshal([]byte(b.run(0, "certificate", "show", "-o", "json")), &c); err != nil {
		b.t.Fatal(err)
	}
	return c
}

// OP-01
func TestBackupIsRestoredOnAnotherNode(t *testing.T) {
	one := newBare(t, "one.example.org")
	one.run(0, "config", "set", "turn.quota_per_user", "7")
	one.run(0, "cluster", "mapping", "add", "tp7.example.org", "192.0.2.7") // CL-07: a node that stands alone keeps it
	key, chain := ownCertificate(t, "tp1.example.org")
	one.run(0, "certificate", "upload", one.write("chain.pem", chain), one.write("key.pem", key))
	one.run(0, "certificate", "trust", one.write("ca.pem", chain))
	file := filepath.Join(one.dir, "tp1.backup")
	one.run(0, "backup", file)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"planted-password", "one.example.org", "PRIVATE KEY"} {
		if strings.Contains(string(data), secret) {
			t.Errorf("the backup shows %q", secret)
		}
	}

	two := newBare(t, "two.example.org")
	before := two.certificates()
	if got := two.run(0, "restore", file, "--try"); !strings.Contains(got, "would change") || !strings.Contains(got, "turn.quota_per_user") {
		t.Errorf("tried: %s", got)
	}
	if diff := cmp.Diff(before, two.certificates()); diff != "" {
		t.Errorf("a try changed the certificates: %s", diff)
	}
	two.run(1, "restore", file, "--password-file", two.write("password", "another one\n"))
	if got := two.run(3, "alarm", "list"); !strings.Contains(got, "15023") {
		t.Errorf("alarms after a restore that failed: %s", got)
	}
	if got := two.run(0, "restore", file); !strings.Contains(got, "restored from the backup of tp1") {
		t.Errorf("restored: %s", got)
	}
	if got := two.run(3, "alarm", "list"); strings.Contains(got, "15023") || !strings.Contains(got, "25001") { // the realm waits for a restart
		t.Errorf("alarms after one that worked: %s", got)
	}
	for item, want := range map[string]string{"turn.quota_per_user": "7", "turn.realm": "one.example.org"} {
		if got := two.run(0, "config", "get", item); !strings.Contains(got, want) {
			t.Errorf("%s: %s", item, got)
		}
	}
	if got := two.run(0, "cluster", "mapping", "show"); !strings.Contains(got, "tp7.example.org") || !strings.Contains(got, "192.0.2.7") {
		t.Errorf("address mappings: %s", got)
	}
	if diff := cmp.Diff(one.certificates(), two.certificates()); diff != "" {
		t.Errorf("certificates: %s", diff)
	}
	two.stop()
	two.start() // and it stays
	if diff := cmp.Diff(one.certificates(), two.certificates()); diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
}

// OP-01
func TestBackupThatCannotBeRestoredChangesNothing(t *testing.T) {
	b := newBare(t, "example.org")
	file := filepath.Join(b.dir, "tp1.backup")
	b.run(0, "backup", file)
	b.run(0, "config", "set", "turn.quota_per_user", "9")
	certs := b.certificates()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-20] ^= 1
	if got := b.run(1, "restore", b.write("damaged.backup", string(data))); !strings.Contains(got, "damaged") {
		t.Errorf("damaged: %s", got)
	}
	if got := b.run(1, "restore", file, "--password-file", b.write("password", "another one\n")); !strings.Contains(got, "the password is wrong") {
		t.Errorf("wrong password: %s", got)
	}
	b.run(0, "config", "set", "cluster.name", "cluster1.example.org")
	b.run(0, "config", "set", "cluster.peers", "192.0.2.1", "192.0.2.2")
	before := b.run(0, "config", "show")
	if got := b.run(1, "restore", file); !strings.Contains(got, "member of a cluster") {
		t.Errorf("in a cluster: %s", got)
	}
	if diff := cmp.Diff(before, b.run(0, "config", "show")); diff != "" {
		t.Errorf("configuration: %s", diff)
	}
	if diff := cmp.Diff(certs, b.certificates()); diff != "" {
		t.Errorf("certificates: %s", diff)
	}
}

// CL-11
func TestSigningRequestsNeedAFullName(t *testing.T) {
	b := newBare(t, "example.org")
	if got := b.run(1, "certificate", "request", "cluster1"); !strings.Contains(got, "full domain name") {
		t.Errorf("bare name: %s", got)
	}
	text := b.run(0, "certificate", "request", "cluster1.example.org", "tp1.example.org")
	if block, _ := pem.Decode([]byte(text)); block == nil || block.Type != "CERTIFICATE REQUEST" {
		t.Errorf("got %s", text)
	}
	if c := b.certificates(); !c.Request {
		t.Error("the request is not open")
	}
	key, chain := ownCertificate(t, "tp1.example.org")
	_ = key
	if got := b.run(1, "certificate", "upload", b.write("chain.pem", chain)); !strings.Contains(got, "does not belong") {
		t.Errorf("another's certificate: %s", got)
	}
	b.run(0, "certificate", "request", "--drop")
	if c := b.certificates(); c.Request || !c.Server.SelfSigned {
		t.Errorf("got %+v", c)
	}
}

// ownCertificate makes a key and a self-signed certificate of an authority.
func ownCertificate(t *testing.T, name string) (key, chain string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// CL-14, AL-01
func TestFactoryResetLeavesTheNodeFileOnly(t *testing.T) {
	b := newBare(t, "example.org")
	key, chain := ownCertificate(t, "tp1.example.org")
	b.run(0, "certificate", "upload", b.write("chain.pem", chain), b.write("key.pem", key))
	b.run(0, "config", "set", "turn.quota_per_user", "7")
	if got := b.run(1, "factory-reset", "--confirm", "tp2"); !strings.Contains(got, "this node is tp1") {
		t.Errorf("another name: %s", got)
	}
	pid, started := b.pid(), b.started()
	b.run(0, "factory-reset", "--confirm", "tp1")
	for b.started() == started { // each question waits until the node is ready
	}
	if log := b.log(); strings.Count(log, `Id="15009"`) != 2 { // raised, and lowered by the restart
		t.Errorf("the log: %s", log)
	}
	if b.pid() != pid {
		t.Error("another process runs: the service manager would see an end")
	}
	if got := b.run(0, "config", "get", "turn.quota_per_user"); strings.TrimSpace(got) != "0" {
		t.Errorf("after the reset: %s", got)
	}
	if got := b.run(0, "config", "get", "system.name"); !strings.Contains(got, "tp1") {
		t.Errorf("the node file's name: %s", got)
	}
	if c := b.certificates(); !c.Server.SelfSigned || c.Server.Subject != "CN=tp1.example.org" {
		t.Errorf("certificate: %+v", c.Server)
	}
	for _, secret := range []string{"planted-password", strings.Split(key, "\n")[1]} {
		out, err := exec.Command("grep", "-rlF", "--exclude=node.yaml", "--exclude=key.pem", secret, b.dir).CombinedOutput()
		if err == nil {
			t.Errorf("a secret is left in %s", out)
		}
	}
}

func (b *bare) pid() int {
	b.t.Helper()
	var st api.Status
	if err := json.Unmarshal([]byte(b.run(0, "status", "--wait", "-o", "json")), &st); err != nil {
		b.t.Fatal(err)
	}
	return st.PID
}

// RG-08: what one node can show of it.
func TestMaintenanceModeEndsWithARestart(t *testing.T) {
	b := newBare(t, "example.org")
	b.run(0, "maintenance", "on")
	if got := b.run(3, "alarm", "list"); !strings.Contains(got, "15015") {
		t.Errorf("alarms: %s", got)
	}
	if got := b.run(3, "status"); !strings.Contains(got, "maintenance mode is on and the node is empty") {
		t.Errorf("status: %s", got)
	}
	b.run(0, "maintenance", "off")
	if got := b.run(0, "alarm", "list"); strings.Contains(got, "15015") {
		t.Errorf("alarms after it: %s", got)
	}
	b.run(0, "maintenance", "on")
	started := b.started()
	b.run(0, "restart")
	for b.started() == started { // each question waits until the node is ready
	}
	if got := b.run(0, "alarm", "list"); strings.Contains(got, "15015") {
		t.Errorf("alarms after a restart: %s", got)
	}
}

func (b *bare) started() time.Time {
	b.t.Helper()
	var st api.Status
	if err := json.Unmarshal([]byte(b.run(0, "status", "--wait", "-o", "json")), &st); err != nil {
		b.t.Fatal(err)
	}
	return st.Started
}

// AL-01
func TestFactoryResetThatFailsSaysWhy(t *testing.T) {
	b := newBare(t, "example.org")
	b.stop()
	blocked := filepath.Join(b.state, resetFile) // armed, and cannot be disarmed
	if err := os.MkdirAll(filepath.Join(blocked, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.start()
	if got := b.run(3, "alarm", "list"); !strings.Contains(got, "15013") {
		t.Errorf("alarms: %s", got)
	}
	if err := os.Remove(filepath.Join(blocked, "in the way")); err != nil {
		t.Fatal(err)
	}
	b.stop()
	b.start() // it is tried again
	if got := b.run(0, "alarm", "list"); strings.Contains(got, "15013") {
		t.Errorf("alarms after it worked: %s", got)
	}
	if _, err := os.Stat(blocked); err == nil {
		t.Error("the reset is still armed")
	}
}

func (b *bare) log() string {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.state, "event.log"))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(data)
}

// CL-19
func TestPreflightNamesWhatIsMissing(t *testing.T) {
	b := newBare(t, "example.org")
	got := b.run(3, "cluster", "check")
	for _, missing := range []string{"signalling-optimisation", "interface", "config set calls.routed_mode optimal"} {
		if !strings.Contains(got, missing) {
			t.Errorf("%s is not named: %s", missing, got)
		}
	}
	for _, fine := range []string{"host-name", "h323", "the node has a configuration of its own"} {
		if strings.Contains(got, fine) {
			t.Errorf("%s is named: %s", fine, got)
		}
	}
	b.run(0, "config", "set", "calls.routed_mode", "optimal")
	if got := b.run(3, "cluster", "check"); strings.Contains(got, "signalling-optimisation") || !strings.Contains(got, "the node has a configuration of its own") {
		t.Errorf("after a change by command: %s", got)
	}
}
