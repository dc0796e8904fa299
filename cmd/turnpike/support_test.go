package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/support"
)

// planted are secrets, by what they are.
type planted map[string]string

// plant puts secrets wherever a node has some, and makes it use them.
func plant(t *testing.T, s *stage) planted {
	t.Helper()
	secrets := planted{
		"user": "mathilde", "password": "hunter2hunter2", "shared secret": "s3cr3t-shared-0000", "log": "hunter2hunter2",
	}
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "node.crt"), filepath.Join(dir, "node.pem")
	writeCertificate(t, cert, key)
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	secrets["certificate key"] = strings.Split(string(text), "\n")[1]
	if text, err = os.ReadFile(filepath.Join(s.state, nonceFile)); err != nil {
		t.Fatal(err)
	}
	secrets["nonce key"] = strings.TrimSpace(string(text))

	file := nodeFile(s.state)
	if text, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(string(text), "users: [", fmt.Sprintf("tls: {certificate: %s, key: %s}, secrets: [%s], users: [{name: %s, password: %s}, ",
		cert, key, secrets["shared secret"], secrets["user"], secrets["password"]), 1)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.command(t, 0, "reload")
	// What must never happen, and still must not get into a bundle.
	log, err := os.OpenFile(filepath.Join(s.state, "event.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	if _, err := fmt.Fprintf(log, "UTCTime=\"x\" Module=\"m\" Level=\"INFO\" Event=\"Blunder\" Detail=\"%s for %s\" User=\"%s\"\n", secrets["log"], secrets["user"], tryUser+"-x"); err != nil {
		t.Fatal(err)
	}
	secrets["user of the log"] = tryUser + "-x"
	return secrets
}

func writeCertificate(t *testing.T, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// unpackBundle reads a bundle's files, and judges the file itself.
func unpackBundle(t *testing.T, file string) (support.Manifest, map[string]string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", info.Mode().Perm())
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string]string{}
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		text, readErr := io.ReadAll(archive)
		if err = errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		contents[strings.TrimPrefix(h.Name, "turnpike-support/")] = string(text)
	}
	var m support.Manifest
	if err := json.Unmarshal([]byte(contents["manifest.json"]), &m); err != nil {
		t.Fatal(err)
	}
	return m, contents
}

// judgeSecrets greps every file of a bundle.
func (p planted) judge(t *testing.T, contents map[string]string) {
	t.Helper()
	for name, text := range contents {
		for what, secret := range p {
			if strings.Contains(text, secret) {
				t.Errorf("%s has the %s in it", name, what)
			}
		}
	}
}

// OP-06, AL-02: one file explains a node, and no secret is in it.
func TestBundleOfALiveNode(t *testing.T) {
	s := play(t)
	mustTalk(t, s.mustOpen(t), 200)
	secrets := plant(t, s)
	file := filepath.Join(t.TempDir(), "live.tar.gz")
	said := s.command(t, 0, "support", "bundle", "-w", file)
	m, contents := unpackBundle(t, file)
	secrets.judge(t, contents)
	for name, want := range map[string]string{
		"node/status.json": `"state": "ready"`, "node/metrics.txt": "turnpike_relay_packets_total", "node/goroutines.txt": "goroutine profile",
		"node/config.yaml": "name: dev", "node/relays.json": `"user": "user-`, "node/traffic.json": `"path": "xdp"`, "node/state.txt": "turn.journal",
		"log/event.log": "System Start", "kernel/kernel.json": `"local": "198.18.1.1:`, "machine/doctor.json": `"findings"`,
		"machine/links.txt": "s0", "machine/sysctl.txt": "net.core.rmem_max", "machine/s0-driver.txt": "veth", "machine/process.txt": "Max open files",
		"version.json": `"go"`, "machine/routes.txt": "198.18.", "machine/counters.txt": "Udp:",
	} {
		if !strings.Contains(contents[name], want) {
			t.Errorf("%s has no %s:\n%.400s", name, want, contents[name])
		}
	}
	if len(contents["node/heap.pprof"]) < 100 {
		t.Error("no heap profile")
	}
	for _, f := range m.Files {
		if f.Error != "" && !strings.HasPrefix(f.Name, "machine/") { // an old ethtool may know less
			t.Errorf("%s: %s\n%s", f.Name, f.Error, said)
		}
	}
	if said := s.command(t, 1, "support", "bundle", "-w", file); !strings.Contains(said, "-w") {
		t.Errorf("a bundle was written over: %s", said)
	}
	named := filepath.Join(t.TempDir(), "named.tar.gz")
	s.command(t, 0, "support", "bundle", "--names", "-w", named)
	if _, contents := unpackBundle(t, named); !strings.Contains(contents["node/config.yaml"], secrets["user"]) || strings.Contains(contents["node/config.yaml"], secrets["password"]) {
		t.Errorf("with --names:\n%s", contents["node/config.yaml"])
	}
}

// OP-06: a dead node is looked at most.
func TestBundleOfADeadNode(t *testing.T) {
	s := play(t)
	mustTalk(t, s.mustOpen(t), 200)
	secrets := plant(t, s)
	s.stop(t, unix.SIGKILL)
	file := filepath.Join(t.TempDir(), "dead.tar.gz")
	s.command(t, 0, "support", "bundle", "-c", nodeFile(s.state), "-w", file)
	m, contents := unpackBundle(t, file)
	secrets.judge(t, contents)
	for name, want := range map[string]string{
		"node/config.yaml": "name: dev", "node/state.txt": "turn.journal", "log/event.log": "System Start",
		"kernel/kernel.json": `"local": "198.18.1.1:`, "machine/sysctl.txt": "net.core.rmem_max",
	} {
		if !strings.Contains(contents[name], want) {
			t.Errorf("%s has no %s:\n%.400s", name, want, contents[name])
		}
	}
	if contents["node/status.json"] != "" || m.Missing() < 5 {
		t.Errorf("a dead node answered: %+v", m)
	}
	for _, f := range m.Files {
		if strings.HasPrefix(f.Name, "node/status") && !strings.Contains(f.Error, "no node") && !strings.Contains(f.Error, "node") {
			t.Errorf("%s: %q does not say why", f.Name, f.Error)
		}
	}
}

func TestBundleOfNothing(t *testing.T) {
	err := run(t.Context(), []string{"support", "bundle", "--state", filepath.Join(t.TempDir(), "none")}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "-c FILE") {
		t.Errorf("got %v", err)
	}
}
