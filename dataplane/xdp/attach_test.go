package xdp

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"turnpike.dev/turnpike/perf/lab"
)

// mode waits until the node's only interface is attached this way, for this reason.
func wantMode(t *testing.T, b *Backend, mode Mode, reason string) {
	t.Helper()
	var is Interface
	defer func() {
		if t.Failed() {
			t.Logf("the interface is %+v, want %s because of %q", is, mode, reason)
		}
	}()
	eventually(t, "the interface is attached as it should be", func() bool {
		is = b.Status().Interfaces[0]
		return is.Mode == mode && strings.Contains(is.Reason, reason) && (reason != "") == (is.Reason != "")
	})
}

// attached returns the number of the program on an interface and whether it is generic.
func attached(t *testing.T, name string) (program uint32, generic bool) {
	t.Helper()
	x := deviceNamed(t, name).Attrs().Xdp
	if x == nil || !x.Attached {
		return 0, false
	}
	return x.ProgId, x.AttachMode == 2
}

func activated(t *testing.T, cfg Config) *Backend {
	t.Helper()
	cfg.MaxFlows = 16
	b, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // may be closed
	if err := b.Activate(); err != nil {
		t.Fatal(err)
	}
	return b
}

// Generic XDP is never silent: it is chosen only where it is allowed, shown, and not
// taken over by a process that may not have it.
// ME-03
func TestGenericMode(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	dir := pinDir(t)
	for i, step := range []struct {
		generic bool
		mode    Mode
		reason  string
	}{
		{false, ModeNone, "no native XDP on lo: the driver has none"},
		{true, ModeGeneric, "generic XDP on lo: the driver has none"},
		{true, ModeGeneric, "generic XDP on lo, as an earlier process left it"},
		{false, ModeNone, "no native XDP on lo: the driver has none"},
	} {
		b := activated(t, Config{PinDir: dir, Interfaces: []string{"lo"}, Generic: step.generic})
		wantMode(t, b, step.mode, step.reason)
		eventually(t, "lo has a program or none", func() bool {
			program, generic := attached(t, "lo")
			return (program != 0) == (step.mode == ModeGeneric) && generic == (step.mode == ModeGeneric)
		})
		if err := b.Close(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
}

// ME-03
func TestInterfaceThatIsNotThere(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	b := activated(t, Config{PinDir: pinDir(t), Interfaces: []string{"s9"}})
	wantMode(t, b, ModeNone, "interface s9 is not there")
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "s9"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "p9"}); err != nil {
		t.Fatal(err)
	}
	wantMode(t, b, ModeNative, "what leaves by it goes through the process: the veth's other end")
	if err := netlink.LinkDel(deviceNamed(t, "s9")); err != nil {
		t.Fatal(err)
	}
	wantMode(t, b, ModeNone, "interface s9 is not there")
}

// Another's program is not ours to replace; when it leaves, ours comes.
// ME-03
func TestAnothersProgram(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	other := attachPass(t, "s0")
	b := activated(t, Config{PinDir: pinDir(t), Interfaces: []string{"s0"}})
	wantMode(t, b, ModeNone, "another XDP program is attached")
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	wantMode(t, b, ModeNative, "")
	ours, _ := attached(t, "s0")
	if ours != b.Status().ProgramID {
		t.Errorf("program %d is on s0, want %d", ours, b.Status().ProgramID)
	}
	if err := b.ports[0].on.link.Detach(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what somebody detached is attached again", func() bool {
		program, _ := attached(t, "s0")
		return program == ours
	})
}

// A node that has fewer interfaces than before lets go of the others.
func TestInterfaceIsNoMoreTheNodes(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	dir := pinDir(t)
	both := activated(t, Config{PinDir: dir, Interfaces: []string{"s0", "s1"}})
	for _, name := range []string{"s0", "s1"} {
		if program, _ := attached(t, name); program != both.Status().ProgramID {
			t.Errorf("program %d is on %s", program, name)
		}
	}
	if err := both.Close(); err != nil {
		t.Fatal(err)
	}
	one := activated(t, Config{PinDir: dir, Interfaces: []string{"s1"}})
	eventually(t, "s0 has no program", func() bool {
		program, _ := attached(t, "s0")
		return program == 0
	})
	if program, _ := attached(t, "s1"); program != one.Status().ProgramID {
		t.Errorf("program %d is on s1", program)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Cleanup(dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is left after cleanup", func() bool {
		program, _ := attached(t, "s1")
		return program == 0
	})
	if err := Cleanup(dir); err != nil {
		t.Errorf("nothing to clean up: %v", err)
	}
}
