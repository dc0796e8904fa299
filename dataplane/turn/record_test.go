package turn

import (
	"encoding/json"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// A record is written by hand and read by encoding/json.
func TestRecordIsWrittenAsJSONWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.appendJSON(nil)); got != string(want) {
			t.Fatalf("written\n%s\nwant\n%s", got, want)
		}
	})
}

func drawRecord(t *rapid.T) record {
	r := record{
		Boot: rapid.SampledFrom([]string{"", "b00t"}).Draw(t, "boot"),
		ID:   rapid.Uint64().Draw(t, "id"), Gone: rapid.Bool().Draw(t, "gone"),
		User: rapid.String().Draw(t, "user"), Secret: rapid.StringN(0, 8, 8).Draw(t, "secret"),
		Transaction: rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "transaction"),
		Granted:     rapid.Int64().Draw(t, "granted"), Created: rapid.Int64().Draw(t, "created"),
	}
	if rapid.Bool().Draw(t, "addressed") {
		r.Client, r.Server = drawAddrPort(t), drawAddrPort(t)
	}
	for range rapid.IntRange(0, 2).Draw(t, "relays") {
		r.Relays = append(r.Relays, drawRelayRecord(t))
	}
	return r
}

func drawRelayRecord(t *rapid.T) relayRecord {
	r := relayRecord{Local: drawAddrPort(t), Expires: rapid.Int64().Draw(t, "expires")}
	for range rapid.IntRange(0, 3).Draw(t, "permissions") {
		r.Permissions = append(r.Permissions, permissionRecord{drawAddrPort(t).Addr(), rapid.Int64().Draw(t, "until")})
	}
	for range rapid.IntRange(0, 3).Draw(t, "channels") {
		r.Channels = append(r.Channels, channelRecord{rapid.Uint16().Draw(t, "number"), drawAddrPort(t), rapid.Int64().Draw(t, "until")})
	}
	return r
}

func drawAddrPort(t *rapid.T) netip.AddrPort {
	port := rapid.Uint16().Draw(t, "port")
	if rapid.Bool().Draw(t, "ipv6") {
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip"))), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip"))), port)
}
