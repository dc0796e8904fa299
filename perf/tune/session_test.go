package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"turnpike.dev/turnpike/perf/lab"
)

// TestSession plays the session once: what doctor says about a spoiled lab is done, and
// then doctor is content. The figures are the machine's, and judged by nobody.
func TestSession(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	if os.Geteuid() != 0 {
		t.Skip(lab.ErrUnsupported)
	}
	bin := filepath.Join(t.TempDir(), "turnpike")
	if out, err := exec.Command("go", "build", "-o", bin, "turnpike.dev/turnpike/cmd/turnpike").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var out strings.Builder
	if err := session(t.Context(), &out, bin, 1); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !strings.HasSuffix(out.String(), "0 problems, 0 warnings\n") || strings.Count(out.String(), "path=xdp") != 2 {
		t.Errorf("%s", out.String())
	}
}
