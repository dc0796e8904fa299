package xdp

import (
	"testing"

	"turnpike.dev/turnpike/perf/lab"
)

// The verifier gives up after a million instructions, and other kernels need more of
// them than this one for the same program.
func TestProgramIsEasilyVerified(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	b, err := Open(Config{PinDir: pinDir(t), MaxFlows: 256})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close() //nolint:errcheck // nothing was written
	info, err := b.prog.Info()
	if err != nil {
		t.Fatal(err)
	}
	const most = 250_000
	if n, ok := info.VerifiedInstructions(); ok && n > most {
		t.Errorf("the verifier went through %d instructions, want at most %d", n, most)
	}
}
