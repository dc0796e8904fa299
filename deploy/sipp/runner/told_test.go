package runner

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseTold(t *testing.T) {
	at := netip.MustParseAddrPort
	for _, tt := range []struct {
		name, log string
		want      []Told
		fails     bool
	}{
		{name: "empty"},
		{
			name: "answered", log: "callee 1 addr=198.18.0.1 audio=36000 video=36002 b=AS:384\ncaller 2 addr=fd00::1 audio=36004 video=0 \n",
			want: []Told{
				{Call: 1, Audio: at("198.18.0.1:36000"), Video: at("198.18.0.1:36002"), Bandwidth: "AS:384"},
				{Call: 2, Audio: at("[fd00::1]:36004"), Video: at("[fd00::1]:0")},
			},
		},
		{
			name: "refused", log: "refused 7 480 retry=30 warning=370\nrefused 8 503 retry= warning=\nrefused 9 404\n",
			want: []Told{{Call: 7, Status: 480, RetryAfter: 30, Warning: 370}, {Call: 8, Status: 503}, {Call: 9, Status: 404}},
		},
		{name: "cut off while it was written", log: "refused 8 503 retry= warning=\nrefused 9 4", want: []Told{{Call: 8, Status: 503}}},
		{name: "not of these scenarios", log: "callee x\n", fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseTold(tt.log)
			if (err != nil) != tt.fails {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" && !tt.fails {
				t.Error(diff)
			}
		})
	}
}

func TestToldKbps(t *testing.T) {
	for line, want := range map[string]int{"AS:384": 384, "CT:2048": 2048, "TIAS:384000": 384, "": 0} {
		if got, is := (Told{Bandwidth: line}).Kbps(); got != want || is != (want != 0) {
			t.Errorf("%q: %d, %t, want %d", line, got, is, want)
		}
	}
}
