package debian_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/perf/lab"
)

// top is the repository.
const top = "../.."

// The versions that are installed one after the other.
const (
	older = "0.1.0~test1"
	newer = "0.1.0~test2"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if packages.dir != "" {
		_ = os.RemoveAll(packages.dir)
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// packages are made once for all tests.
var packages struct {
	sync.Mutex
	dir   string
	files map[string]string
}

// packaged returns the package of a version.
func packaged(t *testing.T, version string) string {
	t.Helper()
	packages.Lock()
	defer packages.Unlock()
	if file := packages.files[version]; file != "" {
		return file
	}
	if packages.dir == "" {
		dir, err := os.MkdirTemp("", "turnpike-debian-")
		if err != nil {
			t.Fatal(err)
		}
		packages.dir, packages.files = dir, map[string]string{}
	}
	packages.files[version] = build(t, packages.dir, version)
	return packages.files[version]
}

// build makes a package as `make package` does.
func build(t *testing.T, dist, version string) string {
	t.Helper()
	run(t, "make", "-s", "-C", top, "package", "DIST="+dist, "VERSION="+version)
	return filepath.Join(dist, "turnpike_"+version+"_amd64.deb")
}

// run runs a program of this machine that must succeed, and returns what it said.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// slow skips a test that takes more than a moment, or rights that are not there.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short")
	}
	if os.Geteuid() != 0 {
		t.Skip(lab.ErrUnsupported)
	}
}
