package report

import (
	"strings"
	"testing"
)

func TestSIPCostMiddle(t *testing.T) {
	for _, tt := range []struct {
		name                string
		rounds              []Micros
		median, least, most Micros
	}{
		{name: "none"},
		{"one", []Micros{7}, 7, 7, 7},
		{"odd", []Micros{9, 1, 5}, 5, 1, 9},
		{"even", []Micros{4, 2}, 3, 2, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c SIPCost
			c.Middle(tt.rounds)
			if c.Median != tt.median || c.Least != tt.least || c.Most != tt.most {
				t.Errorf("%+v, want %v (%v–%v)", c, tt.median, tt.least, tt.most)
			}
		})
	}
}

func TestSIPTable(t *testing.T) {
	r := &Report{SIP: &SIP{
		Costs:  []SIPCost{{What: "OPTIONS", Target: "turnpike", Rate: 2000, Median: 12.3, Least: 11, Most: 14, Done: 30000}},
		Memory: []SIPMemory{{What: "registration", Target: "kamailio", Number: 20000, Each: 921, System: 900, Total: 60 << 20}},
		Media:  []SIPMedia{{Target: "turnpike", Calls: 950, Offered: 95000, Sent: 475000, Process: 105, Program: 273, Cores: .036}},
	}, Problems: []string{"tls: no"}}
	var out strings.Builder
	if err := r.SIPTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"12.3", "11.0–14.0", "0.90", "20,000", "475,000", "0.036", "not measured: tls: no"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
