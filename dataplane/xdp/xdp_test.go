package xdp

import (
	"context"
	"net/netip"
	"os"
	"testing"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

// inside is set in the process that runs a test inside the node's namespace.
const inside = "TURNPIKE_TEST_INSIDE"

// inNode runs the test in a process of its own in the node's namespace of a new lab: an
// XDP program is attached, and a device looked up, in the namespace of the thread.
// It returns true in that process, which has the lab's other hosts by name in its environment.
func inNode(t *testing.T, opts lab.Options) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	t.Parallel() // each has a lab of its own
	l := labtest.New(t, opts)
	cmd := l.Node.Command(context.Background(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	// The race detector's second of waiting at the end is worth nothing to so many.
	cmd.Env = append(os.Environ(), inside+"="+l.Name, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("in the node's namespace: %v\n%s", err, out)
	}
	if testing.Verbose() {
		t.Logf("in the node's namespace:\n%s", out)
	}
	return false
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
