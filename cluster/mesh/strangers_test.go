package mesh

import (
	"net/netip"
	"testing"
)

// quiet is a handler and a log that count what they are told of an address.
type quiet struct {
	Handler
	failed map[string]int
}

func (q quiet) Failed(address string, _ error) { q.failed[address]++ }
func (q quiet) Event(string, ...any)           {}
func (q quiet) Warn(string, ...any)            {}

// Strangers who knock from any number of addresses are told of up to a bound, and the refusal of an entry is told
// all the same.
func TestStrangersLeaveRoomForEntries(t *testing.T) {
	q := quiet{failed: make(map[string]int)}
	m := &Mesh{cfg: Config{Handler: q, Log: q}}
	from := netip.MustParseAddr("198.51.0.0")
	for range 4 * maxTold {
		from = from.Next()
		m.refuse(nil, netip.AddrPortFrom(from, 1), ErrUnlisted)
	}
	if len(q.failed) != maxTold {
		t.Errorf("%d strangers are told of, of %d at most", len(q.failed), maxTold)
	}
	m.refuse(newEntry("peer.example.test"), netip.AddrPortFrom(from, 1), ErrKey)
	if q.failed["peer.example.test"] != 1 {
		t.Error("the refusal of an entry is not told")
	}
}
