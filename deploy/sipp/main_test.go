package sipp_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/deploy/sipp/agent"
	"turnpike.dev/turnpike/perf/lab"
)

// program is what the tests run.
const program = "turnpike.dev/turnpike/cmd/turnpike"

// TestMain lets the test program be an agent as well.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == agent.Command {
		if agent.Main(context.Background(), os.Args[2:], os.Stdout) != nil {
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	waitTogether()
	code := m.Run()
	if made {
		if dir, err := folder(); err == nil {
			_ = os.RemoveAll(dir)
		}
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// waitTogether has many tests run at the same time, unless the command line says how
// many: calls mostly wait.
func waitTogether() {
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if said {
		return
	}
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err) // the testing package has this flag
	}
}

// made tells that there is a folder to remove.
var made bool

var folder = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "turnpike-sipp-")
	made = err == nil
	return dir, err
})

// current is the program as the sources are.
var current = sync.OnceValues(func() (string, error) {
	dir, err := folder()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "turnpike")
	cmd := exec.Command("go", "build", "-o", bin, program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w: %s", err, out)
	}
	return bin, nil
})

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
