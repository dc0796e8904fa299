package debian_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// exposed is systemd's measure of what the service could do, times ten; below it counts as
// well protected. What remains is the network and the capabilities for it.
const exposed = "22"

func TestUnit(t *testing.T) {
	unit := unitFile(t)
	for _, args := range [][]string{
		{"verify", "--man=no", unit},
		{"security", "--offline=true", "--threshold=" + exposed, "--no-pager", unit},
	} {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
		if err != nil || args[0] == "verify" && strings.Contains(string(out), "turnpike") {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}

// unitFile is the unit with a program that is there: systemd looks for it.
func unitFile(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("turnpike.service")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "turnpike.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "/usr/bin/turnpike", "/usr/bin/true")), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// The service has the rights it needs, and can get no others. What happens without each of
// them stands in docs/design/0016.
func TestUnitCapabilities(t *testing.T) {
	text, err := os.ReadFile("turnpike.service")
	if err != nil {
		t.Fatal(err)
	}
	const want = "CAP_NET_ADMIN CAP_BPF CAP_PERFMON CAP_NET_BIND_SERVICE"
	for _, directive := range []string{"CapabilityBoundingSet", "AmbientCapabilities"} {
		if !strings.Contains(string(text), "\n"+directive+"="+want+"\n") {
			t.Errorf("%s is not %s", directive, want)
		}
	}
}
