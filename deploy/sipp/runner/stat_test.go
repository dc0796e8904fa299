package runner

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	const names = "StartTime;CallRate(C);TotalCallCreated;SuccessfulCall(P);SuccessfulCall(C);FailedCall(C);FailedMaxUDPRetrans(C);FailedTcpClosed(C);Retransmissions(C);OutOfCallMsgs(C);ResponseTime1(C);\n"
	for _, tt := range []struct {
		name, text string
		want       Result
		fails      bool
	}{
		{name: "empty", fails: true},
		{name: "names only", text: names, fails: true},
		{
			name: "the last line counts", text: names + "2026-11-22;9.9;3;3;3;0;0;0;0;0;00:00:00;\n2026-11-22;9.9;12;4;7;5;5;0;2;1;00:00:00;\n",
			want: Result{Created: 12, Successful: 7, Failed: 5, Reasons: map[string]int{"MaxUDPRetrans": 5}, Retransmissions: 2, OutOfCall: 1},
		},
		{name: "cut off while it was written", text: names + "2026-11-22;9.9;3;", want: Result{Created: 3, Reasons: map[string]int{}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStat(tt.text)
			if (err != nil) != tt.fails {
				t.Fatal(err)
			}
			if !tt.fails {
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestParseCounters(t *testing.T) {
	sent, received, err := parseCounters([]byte(`{"nftables": [{"metainfo": {"version": "1.0.6"}},
		{"counter": {"family": "inet", "name": "sent", "table": "media", "handle": 1, "packets": 12, "bytes": 900}},
		{"counter": {"family": "inet", "name": "received", "table": "media", "handle": 2, "packets": 11, "bytes": 900}}]}`))
	if err != nil || sent != 12 || received != 11 {
		t.Errorf("%d, %d, %v, want 12 and 11", sent, received, err)
	}
	if _, _, err := parseCounters([]byte(`{"nftables": []}`)); err == nil {
		t.Error("no error without counters")
	}
}
