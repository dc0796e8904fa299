package endtoend_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/count"
)

type countFlow = count.Flow

// aged is a line of the journal of a node's allocations, as far as it has times.
type aged struct {
	Boot        string          `json:"boot,omitempty"`
	ID          uint64          `json:"id"`
	User        string          `json:"user,omitempty"`
	Client      netip.AddrPort  `json:"client,omitzero"`
	Server      json.RawMessage `json:"server,omitempty"`
	Transaction json.RawMessage `json:"tx,omitempty"`
	Granted     int64           `json:"granted,omitempty"`
	Created     int64           `json:"created,omitempty"`
	Relays      []struct {
		Local       json.RawMessage `json:"local"`
		Expires     int64           `json:"exp"`
		Permissions []struct {
			Peer    json.RawMessage `json:"p"`
			Expires int64           `json:"e"`
		} `json:"perm,omitempty"`
		Channels []struct {
			Number  uint16          `json:"n"`
			Peer    json.RawMessage `json:"p"`
			Expires int64           `json:"e"`
		} `json:"chan,omitempty"`
	} `json:"relays,omitempty"`
}

// age changes the times in the journal of a node that is not running. RFC 8656 fixes
// lifetimes at minutes; a test has seconds. change is called with the number of each
// relay and what the journal says of it when its channel is bound.
func (s *site) age(t *testing.T, change func(relay int, r *aged)) {
	t.Helper()
	number := map[netip.AddrPort]int{}
	for i, r := range s.relays {
		number[r.Client] = i
	}
	file := filepath.Join(s.State, "turn.journal")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		_, body, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		var r aged
		if err := json.Unmarshal(body, &r); err != nil {
			t.Fatalf("journal line %s: %v", line, err)
		}
		if len(r.Relays) > 0 && len(r.Relays[0].Channels) > 0 {
			change(number[r.Client], &r)
		}
		if body, err = json.Marshal(r); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%08x %s\n", crc32.ChecksumIEEE(body), body)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// monotonic is the clock of the journal and of the kernel's leases.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano()
}
