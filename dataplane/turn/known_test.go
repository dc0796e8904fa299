package turn

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Known are those whose password was right, and those whose allocations were taken over.
func TestKnown(t *testing.T) {
	var known []netip.Addr
	journal := withJournal(t)
	tell := func(c *Config) {
		journal(c)
		c.Known = func(a netip.Addr) { known = append(known, a) }
	}
	w := newWorld(t, tell)
	c := w.client()
	c.challenge()
	if len(known) != 0 {
		t.Errorf("known without a password: %v", known)
	}
	c.allocate()
	if diff := cmp.Diff([]netip.Addr{clientAddr.Addr()}, known, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("known (-want +got):\n%s", diff)
	}
	w.stop()
	known = nil
	w.start(edited(tell))
	if diff := cmp.Diff([]netip.Addr{clientAddr.Addr()}, known, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("known after a restart (-want +got):\n%s", diff)
	}
	w.stream().setUp()
	if len(known) != 1 {
		t.Errorf("known by TCP: %v", known)
	}
}
