package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/clustering"
)

// fakeDatabase counts who gets through to it.
type fakeDatabase struct{ asked int }

func (f *fakeDatabase) Database(context.Context) (clustering.Database, error) {
	f.asked++
	return clustering.Database{State: "Active"}, nil
}

func (f *fakeDatabase) DatabaseRows(context.Context, string, string, int) (clustering.Rows, error) {
	f.asked++
	return clustering.Rows{}, nil
}

func (f *fakeDatabase) DatabaseLedger() (clustering.Ledger, error) {
	f.asked++
	return clustering.Ledger{}, nil
}

func (f *fakeDatabase) ResyncPeer(context.Context, string) error         { f.asked++; return nil }
func (f *fakeDatabase) ForgetPeer(context.Context, string, string) error { f.asked++; return nil }
func (f *fakeDatabase) PurgeDatabase(string) error                       { f.asked++; return nil }

// OP-05, OP-06: root of the machine at the socket alone, whatever role an account has.
func TestDatabaseIsForRootAlone(t *testing.T) {
	callers := []struct {
		name   string
		caller Caller
		let    bool
	}{
		{"root at the socket", Caller{Name: "root", From: SocketName, Role: RoleAdmin, root: true}, true},
		{"the node's own user at the socket", Caller{Name: "turnpike", From: SocketName, Role: RoleAdmin}, false},
		{"an administrator over HTTPS", Caller{Name: "root", From: "192.0.2.1", Role: RoleAdmin}, false},
		{"an account called root that calls itself the socket", Caller{Name: "root", From: SocketName, Role: "root"}, false},
		{"who only reads", Caller{Name: "anna", From: "192.0.2.1", Role: RoleRead}, false},
		{"nobody", Caller{}, false},
	}
	for _, c := range callers {
		t.Run(c.name, func(t *testing.T) {
			f := &fakeDatabase{}
			s := New(newFake(), nil).Inspect(f)
			tried := 0
			for _, o := range s.operations {
				if o.area != "Database" {
					continue
				}
				tried++
				method, path, _ := strings.Cut(o.route, " ")
				body := ""
				if method == http.MethodPost && !strings.HasSuffix(path, "/resync") {
					body = `{"name":"tp1"}`
				}
				r := httptest.NewRequest(method, strings.ReplaceAll(path, "{peer}", "2"), strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				s.mux.ServeHTTP(w, r.WithContext(withCaller(r.Context(), c.caller)))
				if got := w.Code != http.StatusForbidden; got != c.let || c.let && w.Code >= 300 {
					t.Errorf("%s: %d %s", o.route, w.Code, w.Body)
				}
			}
			if want := map[bool]int{true: tried}[c.let]; f.asked != want || tried != 6 {
				t.Errorf("%d of %d operations got through, want %d", f.asked, tried, want)
			}
		})
	}
}
