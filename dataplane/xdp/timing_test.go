package xdp

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"turnpike.dev/turnpike/perf/lab"
)

func TestTiming(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip(lab.ErrUnsupported)
	}
	timing, err := StartTiming()
	if errors.Is(err, ebpf.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if timing.Cost > 10*time.Microsecond || timing.Floor <= 0 || timing.Floor > 10*time.Microsecond {
		t.Errorf("costs %s, %s are the clock's", timing.Cost, timing.Floor)
	}
	if err := timing.End(); err != nil {
		t.Error(err)
	}
}
