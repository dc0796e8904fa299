package metrics

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/occupancy"
)

func object(kind, name string, total int) occupancy.Object {
	o := occupancy.Object{Kind: kind, Name: name, Calls: 3, GrantedKbps: 2000, MeasuredKbps: 1500, MeasuredCalls: 2}
	if total >= 0 {
		o.TotalKbps = &total
	}
	return o
}

func bandwidthOf() []occupancy.Object {
	return []occupancy.Object{
		object("subzone", "free", -1), object("subzone", "half", 4000), object("link", "free", -1), object("pipe", "full", 2000), object("pipe", "closed", 0),
	}
}

// Only what is limited is shown, and only so much of it.
func TestBandwidth(t *testing.T) {
	text := func(objects []occupancy.Object) string {
		w := httptest.NewRecorder()
		Handler(snapshot{Bandwidth: objects}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	got := text(bandwidthOf())
	for _, want := range []string{
		`turnpike_bandwidth_granted_bytes_per_second{object="subzone half"} 250000`,
		`turnpike_bandwidth_measured_bytes_per_second{object="pipe full"} 187500`,
		`turnpike_bandwidth_limit_bytes_per_second{object="pipe full"} 250000`,
		`turnpike_bandwidth_limit_bytes_per_second{object="pipe closed"} 0`,
		`turnpike_bandwidth_calls{object="pipe full"} 3`,
		"turnpike_bandwidth_objects_full 1\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(got, " free\"") {
		t.Error("what is not limited is shown")
	}
	var many []occupancy.Object
	for i := range 1000 {
		many = append(many, object("pipe", fmt.Sprint(i), 2000))
	}
	got = text(many)
	if n := strings.Count(got, "turnpike_bandwidth_calls{"); n != maxObjects {
		t.Errorf("%d objects are shown", n)
	}
	if !strings.Contains(got, "turnpike_bandwidth_objects_full 1000\n") {
		t.Error("what is full is not counted beyond what is shown")
	}
}
