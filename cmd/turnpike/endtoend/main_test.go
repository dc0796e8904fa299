package endtoend_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/perf/lab"
)

// program is what the tests run.
const program = "turnpike.dev/turnpike/cmd/turnpike"

func TestMain(m *testing.M) {
	flag.Parse()
	waitTogether()
	code := m.Run()
	removeBuilds()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// waitTogether has many tests run at the same time, unless the command line says how
// many: they wait more than they work, and one for each CPU would take minutes.
func waitTogether() {
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if said {
		return
	}
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err) // the testing package has this flag
	}
}

// builds is where the tests' programs are.
var builds = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "turnpike-endtoend-")
	if err != nil {
		return "", err
	}
	buildsMade = true
	return dir, os.Chmod(dir, 0o755)
})

// buildsMade tells that there is something to remove.
var buildsMade bool

func removeBuilds() {
	if !buildsMade {
		return
	}
	if dir, err := builds(); err == nil {
		_ = os.RemoveAll(dir)
	}
}

// current is the program as the sources are.
var current = sync.OnceValues(func() (string, error) { return build("turnpike", "") })

// build makes the program under a name, with an overlay (see `go help build`) or none.
func build(name, overlay string) (string, error) {
	dir, err := builds()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", bin, program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w: %s", err, out)
	}
	return bin, nil
}

// built is the program, for tests that may make namespaces.
func built(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short")
	}
	if os.Geteuid() != 0 {
		t.Skip(lab.ErrUnsupported)
	}
	bin, err := current()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}
