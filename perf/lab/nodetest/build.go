// Package nodetest starts nodes for tests: the program as the sources are, built once, as
// processes of their own in a lab, ended and cleaned up with the test.
//
// It exists so that all tests that look at a node from outside begin and end it alike.
package nodetest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/perf/lab"
)

// program is what the tests run.
const program = "turnpike.dev/turnpike/cmd/turnpike"

// Main runs a package's tests, at most parallel of them at the same time unless the command
// line says how many: they wait more than they work, and one for each CPU would take
// minutes. It returns the exit code.
func Main(m *testing.M, parallel int) int {
	flag.Parse()
	waitTogether(parallel)
	code := m.Run()
	if made {
		if dir, err := Folder(); err == nil {
			_ = os.RemoveAll(dir)
		}
	}
	if code == 0 {
		// gnet brings a pool of goroutines that lives as long as the process.
		if err := goleak.Find(
			goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
			goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
		); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

func waitTogether(parallel int) {
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if said {
		return
	}
	if err := flag.Set("test.parallel", strconv.Itoa(parallel)); err != nil {
		panic(err) // the testing package has this flag
	}
}

// made tells that there is a folder to remove.
var made bool

// Folder is where the tests' programs are. Main removes it.
var Folder = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "turnpike-test-")
	if err != nil {
		return "", err
	}
	made = true
	return dir, os.Chmod(dir, 0o755)
})

// Current is the program as the sources are.
var Current = sync.OnceValues(func() (string, error) { return Build("turnpike", "") })

// Build makes the program under a name, with an overlay (see `go help build`) or none.
func Build(name, overlay string) (string, error) {
	dir, err := Folder()
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

// Built is the program, for tests that may make namespaces.
func Built(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short")
	}
	if os.Geteuid() != 0 {
		t.Skip(lab.ErrUnsupported)
	}
	bin, err := Current()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}
