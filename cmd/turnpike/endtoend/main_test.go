package endtoend_test

import (
	"os"
	"testing"

	"turnpike.dev/turnpike/perf/lab/nodetest"
)

func TestMain(m *testing.M) { os.Exit(nodetest.Main(m, 32)) }
