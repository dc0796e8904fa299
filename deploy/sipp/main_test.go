package sipp_test

import (
	"context"
	"os"
	"testing"

	"turnpike.dev/turnpike/deploy/sipp/agent"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// TestMain lets the test program be an agent as well.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == agent.Command {
		if agent.Main(context.Background(), os.Args[2:], os.Stdout) != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(nodetest.Main(m, 16))
}
