package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/accounts"
)

// next reads the next status of a stream.
func next(t *testing.T, in *bufio.Scanner) Status {
	t.Helper()
	for in.Scan() {
		if data, ok := strings.CutPrefix(in.Text(), "data: "); ok {
			var st Status
			if err := json.Unmarshal([]byte(data), &st); err != nil {
				t.Fatal(err)
			}
			return st
		}
	}
	t.Fatalf("the stream ended: %v", in.Err())
	return Status{}
}

func TestEvents(t *testing.T) {
	f := newFake()
	c := NewClient(f.serve(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch := func() *http.Response {
		resp, err := c.do(ctx, "GET", "/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	resp := watch()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("got %q", got)
	}
	in := bufio.NewScanner(resp.Body)
	if st := next(t, in); st.State != Starting {
		t.Errorf("at first %s", st.State)
	}
	f.become(Ready)
	if st := next(t, in); st.State != Ready {
		t.Errorf("then %s", st.State)
	}
	for range maxWatchers - 1 {
		next(t, bufio.NewScanner(watch().Body))
	}
	if resp := watch(); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %s", resp.Status)
	}
}

// What somebody may is looked at again while they watch.
func TestStillMay(t *testing.T) {
	f := newFull(t)
	read, _ := f.guard.Find("read")
	token, _ := f.guard.Issue(read)
	ended, _ := f.guard.Issue(read)
	f.guard.End(ended)
	tests := []struct {
		name   string
		caller Caller
		want   bool
	}{
		{"at the socket", Caller{Role: RoleAdmin}, true},
		{"nobody", Caller{}, false},
		{"a token", Caller{guard: f.guard, token: token}, true},
		{"a token that ended", Caller{guard: f.guard, token: ended}, false},
		{"a password", Caller{guard: f.guard, Name: "read", account: read}, true},
		{"another password", Caller{guard: f.guard, Name: "read", account: accounts.Account{Name: "read", Hash: "other"}}, false},
		{"an account that is gone", Caller{guard: f.guard, Name: "gone", account: accounts.Account{Name: "gone"}}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := stillMay(withCaller(t.Context(), test.caller), RoleRead); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// RFC 9110 sections 13.1.1 and 13.1.2
func TestPreconditions(t *testing.T) {
	f := newFull(t)
	shown := f.ask(RoleRead, "GET", "/v1/config", nil)
	tag := shown.Header().Get("ETag")
	if tag != `"1"` {
		t.Fatalf("the tag is %s", tag)
	}
	change := `{"operations": [{"verb": "set", "path": "turn.realm", "text": "REALM"}]}`
	tests := []struct {
		name, method, path, header, value, body string
		status                                  int
	}{
		{"what the asker has", "GET", "/v1/config", "If-None-Match", tag, "", 304},
		{"what it has not", "GET", "/v1/config", "If-None-Match", `"9"`, "", 200},
		{"the revision in force", "POST", "/v1/config/propose", "If-Match", tag, strings.Replace(change, "REALM", "a", 1), 200},
		{"an earlier one", "POST", "/v1/config/propose", "If-Match", tag, strings.Replace(change, "REALM", "b", 1), 412},
		{"whatever is in force", "POST", "/v1/config/propose", "If-Match", "*", strings.Replace(change, "REALM", "c", 1), 200},
		{"no tag", "POST", "/v1/config/propose", "If-Match", "seven", strings.Replace(change, "REALM", "d", 1), 412},
		{"rolled back by somebody who saw less", "POST", "/v1/config/rollback/1", "If-Match", tag, "", 412},
		{"rolled back", "POST", "/v1/config/rollback/1", "If-Match", `"3"`, "", 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := f.askWith(RoleAdmin, test.method, test.path, http.Header{test.header: {test.value}}, []byte(test.body))
			if w.Code != test.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if w.Code == 200 && w.Header().Get("ETag") == "" {
				t.Error("no tag of what is in force now")
			}
		})
	}
}
