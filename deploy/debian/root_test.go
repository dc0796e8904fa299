package debian_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What a fresh machine has: as little as Debian can be and still boot.
const (
	variant = "minbase"
	include = "systemd,systemd-sysv,dbus"
)

// freshRoot unpacks a Debian that nobody has touched into a directory of its own. The first
// test on a machine makes it, which takes a minute and the network; later ones find it in
// the user's cache.
func freshRoot(t *testing.T) string {
	t.Helper()
	archive := cached(t)
	if _, err := os.Stat(archive); err != nil {
		bootstrap(t, archive)
	}
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "tar", "-xf", archive, "-C", root, "--numeric-owner", "--xattrs")
	return root
}

// cached is where the root lies that a suite and a list of packages make.
func cached(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil { // no home
		dir = t.TempDir()
	}
	sum := sha256.Sum256([]byte(variant + "\n" + include + "\n" + mirror(t)))
	return filepath.Join(dir, "turnpike", "debian-"+suite(t)+"-"+hex.EncodeToString(sum[:4])+".tar")
}

// bootstrap makes the root and puts it where it is looked for, whole or not at all.
func bootstrap(t *testing.T, archive string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "bootstrap")
	args := []string{"--variant=" + variant, "--include=" + include, suite(t), root}
	if m := mirror(t); m != "" {
		args = append(args, m)
	}
	cmd := exec.CommandContext(t.Context(), "debootstrap", args...)
	cmd.Env = append(os.Environ(), proxy(t)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("debootstrap %v: %v\n%s", args, err, out)
	}
	if err := os.MkdirAll(filepath.Dir(archive), 0o755); err != nil {
		t.Fatal(err)
	}
	part, err := os.CreateTemp(filepath.Dir(archive), "part-")
	if err != nil {
		t.Fatal(err)
	}
	_ = part.Close() // tar opens it again
	defer func() { _ = os.Remove(part.Name()) }()
	run(t, "tar", "-cf", part.Name(), "-C", root, "--numeric-owner", "--xattrs", "--exclude=./var/cache/apt/archives/*.deb", ".")
	if err := os.Rename(part.Name(), archive); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
}

// suite is that of this machine: packages, kernel and tools are of one age.
func suite(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(run(t, "sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME"))
}

// mirror is where apt on this machine has the suite from; empty: debootstrap's own.
func mirror(t *testing.T) string {
	t.Helper()
	out := run(t, "apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages")
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == suite(t) && f[1] == "main" {
			return f[2]
		}
	}
	return ""
}

// proxy is apt's, for a debootstrap that does not ask apt.
func proxy(t *testing.T) []string {
	t.Helper()
	_, value, found := strings.Cut(run(t, "apt-config", "shell", "P", "Acquire::http::Proxy"), "=")
	if value = strings.Trim(strings.TrimSpace(value), "'"); !found || value == "" {
		return nil
	}
	return []string{"http_proxy=" + value}
}
