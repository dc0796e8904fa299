package peers

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/registrations"
)

func full() *registrations.Binding {
	return &registrations.Binding{
		ID: 7, Serial: registrations.Serial{1, 2}, Protocol: dialplan.SIP, AOR: alice, Also: []string{"one", "two"}, Contact: "sip:a@192.0.2.1",
		Instance: "<urn:uuid:1>", RegID: 3, Q: 500, Source: netip.MustParseAddrPort("[2001:db8::1]:5060"), Transport: "tls", Outbound: true,
		Since: time.Unix(1000, 0), Renewed: time.UnixMicro(2000_000001), Expires: time.UnixMicro(2000_000001).Add(time.Minute),
		UserAgent: "test/1", Subzone: "Branch", Account: "alice", Proxied: true, Zone: "Far",
	}
}

func TestRowsComeBackAsTheyWere(t *testing.T) {
	b := full()
	r := rowOf(b, b.Renewed)
	got, err := decode(r.encode())
	if err != nil {
		t.Fatal(err)
	}
	want := *b
	now := time.Unix(5000, 0)
	want.Expires = now.Add(time.Minute)
	if d := cmp.Diff(want, got.binding(now), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestRowsOfALaterVersionAreRead(t *testing.T) {
	r := rowOf(full(), time.Unix(1, 0))
	if _, err := decode(r.encode() + "something new"); err != nil {
		t.Error(err)
	}
}

// The largest binding that endpoints can make fits into a row.
func TestRowsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 60_000)
	b := full()
	b.AOR, b.Contact, b.Instance, b.UserAgent, b.Subzone, b.Account, b.Zone = long[:maxName], long, long, long, long, long, long
	for range 100 {
		b.Also = append(b.Also, long[:300])
	}
	r := rowOf(b, b.Renewed)
	value := r.encode()
	if k := keyOf(b); len(k) > rows.MaxKey || len(value) > rows.MaxValue {
		t.Errorf("a key of %d and a value of %d bytes", len(k), len(value))
	}
	if _, err := decode(value); err != nil {
		t.Error(err)
	}
	other := *b
	other.Instance += "y"
	if keyOf(b) == keyOf(&other) {
		t.Error("two endpoints have one key")
	}
}

func TestBrokenRowsAreRefused(t *testing.T) {
	r := rowOf(full(), time.Unix(1, 0))
	whole := r.encode()
	for n := range len(whole) {
		if _, err := decode(whole[:n]); err == nil {
			t.Errorf("a row of %d of %d bytes was taken", n, len(whole))
		}
	}
	if _, err := decode("\x02" + whole[1:]); err == nil {
		t.Error("a row of another version was taken")
	}
}

func FuzzDecode(f *testing.F) {
	r := rowOf(full(), time.Unix(1, 0))
	f.Add(r.encode())
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		r, err := decode(value)
		if err != nil {
			return
		}
		again, err := decode(r.encode())
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if r.Expiry == 0 {
			again.Expiry = 0 // a second at least is written
		}
		if r.encode() != again.encode() {
			t.Errorf("%+v\nbecame\n%+v", r, again)
		}
	})
}
