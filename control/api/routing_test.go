package api

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/routing"
)

func (f *fakeNode) Locate(q routing.Question) (routing.Answer, error) {
	if q.Alias == "" {
		return routing.Answer{}, errors.New("an alias cannot be empty")
	}
	return routing.Answer{Found: true, Reason: "found", Targets: []routing.Target{{Alias: q.Alias, Zone: q.Source}}}, nil
}

func (f *fakeNode) Zones() []routing.ZoneSummary { return []routing.ZoneSummary{{Name: "local"}} }

func TestRouting(t *testing.T) {
	f := newFake()
	c := NewClient(f.serve(t))
	got, err := c.Locate(t.Context(), routing.Question{Alias: "a", Source: "z"})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := f.Locate(routing.Question{Alias: "a", Source: "z"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	zones, err := c.Zones(t.Context())
	if diff := cmp.Diff(f.Zones(), zones); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := c.Locate(t.Context(), routing.Question{}); err == nil || !strings.Contains(err.Error(), "cannot be empty") {
		t.Errorf("got %v", err)
	}
}

func TestQuestionsAreBounded(t *testing.T) {
	s := New(newFake(), nil)
	tests := []struct {
		name, body string
		status     int
	}{
		{"no JSON", "x", http.StatusBadRequest},
		{"nothing", "", http.StatusBadRequest},
		{"unknown key", `{"aliass": "a"}`, http.StatusUnprocessableEntity},
		{"endless", `{"alias": "` + strings.Repeat("a", maxQuestion) + `"}`, http.StatusRequestEntityTooLarge},
	}
	for _, test := range tests {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/v1/locate", strings.NewReader(test.body))
		s.mux.ServeHTTP(w, r.WithContext(withCaller(r.Context(), Caller{Name: "u", Role: RoleRead})))
		if w.Code != test.status || w.Header().Get("Content-Type") != problemType {
			t.Errorf("%s: %d %s", test.name, w.Code, w.Body)
		}
	}
}

func (f *fakeNode) Alarms() []alarms.Alarm { return []alarms.Alarm{{Number: 1, UUID: "u"}} }

func (f *fakeNode) AcknowledgeAlarm(uuid, by string) error {
	if uuid != "u" || by == "" {
		return alarms.ErrNoAlarm
	}
	return nil
}

func TestAlarms(t *testing.T) {
	f := newFake()
	c := NewClient(f.serve(t))
	list, err := c.Alarms(t.Context())
	if diff := cmp.Diff(f.Alarms(), list); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if err := c.AcknowledgeAlarm(t.Context(), "u"); err != nil {
		t.Error(err)
	}
	if err := c.AcknowledgeAlarm(t.Context(), "../x"); err == nil || !strings.Contains(err.Error(), "turnpike alarm list") {
		t.Errorf("got %v", err)
	}
}
