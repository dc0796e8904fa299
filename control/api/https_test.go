package api

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/certificates"
)

// every returns the operations with a path that can be asked for.
func (s *Server) every() []operation {
	list := make([]operation, len(s.operations))
	fill := strings.NewReplacer("{id}", "99", "{name}", "heap", "{uuid}", "u", "{revision}", "99", "{sha256}", "ab")
	for i, o := range s.operations {
		o.route = fill.Replace(o.route)
		list[i] = o
	}
	return list
}

// Every operation for every role, and for nobody: who may not ask is told so before
// anything else is looked at.
func TestRoles(t *testing.T) {
	f := newFull(t)
	for _, o := range f.every() {
		method, path, _ := strings.Cut(o.route, " ")
		for _, role := range append([]Role{"", "guest"}, roles...) {
			got := f.ask(role, method, path, []byte("no JSON")).Code
			var right bool
			switch {
			case role == "" || role == "guest":
				right = got == http.StatusUnauthorized
			case role.May(o.role):
				right = got != http.StatusUnauthorized && got != http.StatusForbidden
			default:
				right = got == http.StatusForbidden
			}
			if !right {
				t.Errorf("%s as %q, needs %s: %d", o.id, role, o.role, got)
			}
		}
	}
}

// What a line of the second language needs is looked at line by line.
func TestRolesOfLines(t *testing.T) {
	tests := []struct {
		line  string
		needs Role
	}{
		{"xStatus SystemUnit", RoleRead},
		{"xConfiguration SystemUnit Name", RoleRead},
		{"xConfiguration SystemUnit Name ?", RoleRead},
		{"xConfiguration SystemUnit Name: x", RoleAdmin},
		{`xconfig SystemUnit Name:"x"`, RoleAdmin},
		{"xCommand", RoleRead},
		{"xCommand ZoneAdd ?", RoleRead},
		{"xCommand ZoneAdd ZoneName: out Type: Neighbor", RoleAdmin},
		{"xcom ForceSystemKeyUpdate", RoleAdmin},
		{`"xCommand" "ForceSystemKeyUpdate"`, RoleAdmin},
	}
	f := newFull(t)
	for _, test := range tests {
		t.Run(test.line, func(t *testing.T) {
			body, _ := json.Marshal(line{test.line})
			for _, role := range roles {
				got := f.ask(role, "POST", "/v1/x", body).Code
				if (got == http.StatusForbidden) == role.May(test.needs) {
					t.Errorf("as %s: %d", role, got)
				}
			}
		})
	}
}

// serveHTTPS returns where the server answers, and a client that knows its certificate.
func (f *full) serveHTTPS(t *testing.T) (string, *http.Client) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.ServeHTTPS(ctx, l, f.parts.certs.TLS(), f.guard) }()
	transport := &http.Transport{TLSClientConfig: pinned(certificates.Fingerprint(f.parts.certs.Server().Leaf)), ForceAttemptHTTP2: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String(), &http.Client{Transport: transport}
}

func request(t *testing.T, c *http.Client, method, url string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	change(r)
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestHTTPS(t *testing.T) {
	f := newFull(t)
	at, c := f.serveHTTPS(t)
	basic := func(name, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, password) }
	}
	resp, body := request(t, c, "GET", "https://"+at+"/v1/status", basic("read", horse))
	if resp.StatusCode != 200 || !strings.Contains(body, `"tp1"`) || resp.TLS.Version < tls.VersionTLS12 || resp.ProtoMajor != 1 {
		t.Errorf("%s %s", resp.Status, body)
	}
	for _, name := range []string{"Content-Security-Policy", "Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options"} {
		if resp.Header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	// Whether the name or the password is wrong, the answer is the same.
	wrong, said := request(t, c, "GET", "https://"+at+"/v1/status", basic("read", "wrong horse"))
	nobody, saidToo := request(t, c, "GET", "https://"+at+"/v1/status", basic("nobody", horse))
	if wrong.StatusCode != 401 || nobody.StatusCode != 401 {
		t.Errorf("%s, %s", wrong.Status, nobody.Status)
	}
	if diff := cmp.Diff(said, saidToo); diff != "" {
		t.Error(diff)
	}
	_, body = request(t, c, "POST", "https://"+at+"/v1/session", basic("operate", horse))
	var s Session
	if err := json.Unmarshal([]byte(body), &s); err != nil || s.Token == "" || s.Role != RoleOperate {
		t.Fatalf("%s: %v", body, err)
	}
	token := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+s.Token) }
	if resp, body := request(t, c, "PUT", "https://"+at+"/v1/drain", token); resp.StatusCode != 204 {
		t.Errorf("%s %s", resp.Status, body)
	}
	if resp, body := request(t, c, "POST", "https://"+at+"/v1/session", token); resp.StatusCode != 422 {
		t.Errorf("a token for a token: %s %s", resp.Status, body)
	}
	request(t, c, "DELETE", "https://"+at+"/v1/session", token)
	if resp, _ := request(t, c, "GET", "https://"+at+"/v1/status", token); resp.StatusCode != 401 {
		t.Errorf("after the log-out: %s", resp.Status)
	}
	told := f.log.all()
	for _, secret := range []string{s.Token, horse, "wrong horse", "nobody"} {
		if strings.Contains(told, secret) {
			t.Errorf("%q is in the event log:\n%s", secret, told)
		}
	}
	for _, want := range []string{"Admin Login Failed", "Admin Login", "drain", "operate", "127.0.0.1"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not in the event log:\n%s", want, told)
		}
	}
}

// A new certificate is shown in the next handshake.
func TestCertificateIsReloaded(t *testing.T) {
	f := newFull(t)
	at, _ := f.serveHTTPS(t)
	shown := func() string {
		c, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return certificates.Fingerprint(c.ConnectionState().PeerCertificates[0])
	}
	before := shown()
	if err := f.parts.certs.Reset(); err != nil {
		t.Fatal(err)
	}
	if after := shown(); after == before {
		t.Error("the old certificate is shown")
	}
	if _, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
}

func TestGuessingIsShutOut(t *testing.T) {
	f := newFull(t)
	try := func(password string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/v1/status", nil)
		r.SetBasicAuth("admin", password)
		w := httptest.NewRecorder()
		f.remote.ServeHTTP(w, r)
		return w
	}
	for range 10 {
		try("guess")
	}
	if w := try(horse); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A page of another site must not act with what a browser remembers.
func TestCrossOrigin(t *testing.T) {
	f := newFull(t)
	tests := []struct {
		name, method, header, value string
		status                      int
	}{
		{"cross-site", "PUT", "Sec-Fetch-Site", "cross-site", 403},
		{"another origin", "PUT", "Origin", "https://evil.example", 403},
		{"the same origin", "PUT", "Origin", "https://example.com", 204},
		{"no browser", "PUT", "X-Other", "x", 204},
		{"looking", "GET", "Sec-Fetch-Site", "cross-site", 405},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, "https://example.com/v1/drain", nil)
			r.SetBasicAuth("admin", horse)
			r.Header.Set(test.header, test.value)
			w := httptest.NewRecorder()
			f.remote.ServeHTTP(w, r)
			if w.Code != test.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestRedirect(t *testing.T) {
	tests := []struct {
		name, method, host, to string
		port                   uint16
	}{
		{"usual", "GET", "tp1.example.org", "https://tp1.example.org/v1/status?x=1", 443},
		{"with a port", "GET", "tp1.example.org:80", "https://tp1.example.org:8443/v1/status?x=1", 8443},
		{"IPv6", "GET", "[2001:db8::1]:80", "https://[2001:db8::1]:8443/v1/status?x=1", 8443},
		{"IPv6 without a port", "GET", "[2001:db8::1]", "https://[2001:db8::1]/v1/status?x=1", 443},
		{"what changes something", "POST", "tp1.example.org", "", 443},
		{"no host", "GET", "a/b", "", 443},
		{"user in the host", "GET", "u@evil.example", "", 443},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, "/v1/status?x=1", nil)
			r.Host = test.host
			w := httptest.NewRecorder()
			redirect(test.port).ServeHTTP(w, r)
			if got := w.Header().Get("Location"); got != test.to || (w.Code == 308) != (test.to != "") {
				t.Errorf("%d to %q", w.Code, got)
			}
		})
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := bounded(inner)
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	var kept []net.Conn
	for range maxConnectionsOfAddress {
		dial()
		kept = append(kept, <-accepted)
	}
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("one too many was let in")
	}
	for range 2 {
		_ = kept[0].Close() // counted once
	}
	dial()
	kept = append(kept, <-accepted)
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("one too many was let in after one went")
	}
	_ = inner.Close()
	for c := range accepted {
		kept = append(kept, c)
	}
	for _, c := range kept {
		_ = c.Close()
	}
}
