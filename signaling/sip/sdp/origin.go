package sdp

import (
	"crypto/rand"
	"encoding/binary"
	"hash/fnv"
	"net/netip"
	"strconv"
)

// Origin is our o= towards one party, for as long as the dialog with it: the session
// keeps its id, and its version grows by one with each description that differs from the
// one before (RFC 3264 section 8). Not for concurrent use.
type Origin struct {
	ID      uint64     `json:"id"`
	Version uint64     `json:"version"` // of what was written last; 0: nothing was
	Sum     uint64     `json:"sum"`     // of what was written last, without o=
	Addr    netip.Addr `json:"addr"`    // ours, as the party sees it
}

// NewOrigin returns the origin of a new session.
func NewOrigin(addr netip.Addr) *Origin {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	// Below 2^53: there are parsers that keep the id in a double.
	return &Origin{ID: binary.BigEndian.Uint64(id[:])>>11 | 1, Addr: addr}
}

// of counts the version up where the text behind o= is another one, and returns the line.
func (o *Origin) of(text []byte) []byte {
	sum := fnv.New64a()
	_, _ = sum.Write(text) // never fails
	if s := sum.Sum64(); o.Version == 0 || s != o.Sum {
		o.Version++
		o.Sum = s
	}
	b := append(make([]byte, 0, 80+len(text)), "v=0\r\no=- "...)
	b = strconv.AppendUint(b, o.ID, 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, o.Version, 10)
	b = append(b, " IN "+family(o.Addr)+" "...)
	b = o.Addr.AppendTo(b)
	return append(append(b, "\r\n"...), text...)
}
