package access

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestFailures(t *testing.T) {
	f, now := newFailures(), time.Unix(1_800_000_000, 0)
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range failureBurst {
		if !f.may(here, "alice", now) {
			t.Fatalf("refused after %d", i)
		}
		f.count(here, "alice", now)
	}
	for name, test := range map[string]struct {
		source netip.Addr
		user   string
		after  time.Duration
		want   bool
	}{
		"too often":       {here, "alice", 0, false},
		"another name":    {here, "bob", 0, true},
		"another address": {there, "alice", 0, true},
		"mapped":          {netip.MustParseAddr("::ffff:192.0.2.1"), "alice", 0, false},
		"after a while":   {here, "alice", failureEvery, true},
	} {
		if got := f.may(test.source, test.user, now.Add(test.after)); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	f.clear(here, "alice")
	if !f.may(here, "alice", now) {
		t.Error("a right password does not clear")
	}
	six, neighbour := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	for range failureBurst {
		f.count(six, "alice", now)
	}
	if f.may(neighbour, "alice", now) {
		t.Error("another address of the same /64 may try")
	}
	for i := range 100_000 { // a flood costs no memory, and nobody else a password
		f.count(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), fmt.Sprint(i), now)
	}
	if !f.may(there, "alice", now) {
		t.Error("a flood locks others out")
	}
}
