package api

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/accounts"
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/certificates"
	"turnpike.dev/turnpike/control/cli"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/durable"
	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/control/preflight"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/registrations/peers"
)

// parts are everything that a server asks besides the node: the real configuration store,
// certificates and second language, and what is fake remembers that it was called.
type parts struct {
	store *store.Store
	certs *certificates.Store
	mu    sync.Mutex
	did   []string // what would have changed the node
}

func (p *parts) note(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.did = append(p.did, what)
}

func (p *parts) Store() *store.Store                     { return p.store }
func (p *parts) NeedsRestart() []config.Change           { return []config.Change{} }
func (p *parts) Certificates() *certificates.Store       { return p.certs }
func (p *parts) CertificatesChanged()                    { p.note("certificates") }
func (p *parts) Backup(string) ([]byte, error)           { return []byte("backup"), nil }
func (p *parts) Calls(bool) []calls.Call                 { return []calls.Call{} }
func (p *parts) Call(string) (calls.Call, error)         { return calls.Call{}, calls.ErrNoCall }
func (p *parts) Disconnect(string, string) error         { return calls.ErrNoCall }
func (p *parts) RemoveRegistration(string, string) error { return registrations.ErrUnknown }
func (p *parts) Restart()                                { p.note("restart") }
func (p *parts) Bandwidth() occupancy.Report             { return occupancy.Report{} }

func (p *parts) Restore(store.Author, Restore) (Restored, error) {
	return Restored{}, fmt.Errorf("this is no backup")
}

func (p *parts) Ladder(string, bool) (calls.Ladder, error) { return calls.Ladder{}, calls.ErrNoCall }

func (p *parts) Registrations(string) ([]*registrations.Binding, error) {
	return []*registrations.Binding{}, nil
}

func (p *parts) ClusterRegistrations(string) ([]peers.Registration, error) {
	return []peers.Registration{}, nil
}

func (p *parts) FactoryReset(name string) error {
	if name != "tp1" {
		return fmt.Errorf("this node is tp1")
	}
	p.note("reset")
	return nil
}

func (p *parts) Clustering() clustering.Status        { return clustering.Status{Mode: clustering.Standalone} }
func (p *parts) TrustPeer(string) error               { p.note("trust"); return nil }
func (p *parts) ForceUpdate(context.Context) error    { p.note("force"); return nil }
func (p *parts) ClusterDNS() clustering.Resolver      { return noNames{} }
func (p *parts) SuggestMapping() []clustering.Mapping { return nil }

func (p *parts) PreflightPeers(context.Context, []string) ([]preflight.Finding, error) {
	return []preflight.Finding{}, nil
}

func (p *parts) RestartPeer(context.Context, store.Author, string) error {
	p.note("restart")
	return nil
}

func (p *parts) ChangeMapping(_ context.Context, by store.Author, remove bool, m clustering.Mapping) error {
	_, err := p.store.Propose(store.Proposal{Author: by, Operations: clustering.ChangeMapping(remove, m)})
	return err
}

// noNames is a DNS that has nothing.
type noNames struct{}

func (noNames) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, &net.DNSError{IsNotFound: true}
}

func (noNames) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, &net.DNSError{IsNotFound: true}
}

func (p *parts) Preflight() ([]preflight.Finding, error) { return []preflight.Finding{}, nil }

func (p *parts) CheckBandwidth(occupancy.Question) (occupancy.Answer, error) {
	return occupancy.Answer{}, fmt.Errorf("no such zone")
}

func (p *parts) Licences() Licences { return Licences{} }

func (p *parts) InstallKey(store.Author, string) error { return ErrOptionKey }
func (p *parts) RemoveKey(store.Author, string) error  { return ErrOptionKey }

// onDisk are files as the node keeps them.
type onDisk struct{}

func (onDisk) ReadFile(name string) ([]byte, error)       { return os.ReadFile(name) }
func (onDisk) ReplaceFile(name string, data []byte) error { return durable.ReplaceFile(name, data) }
func (onDisk) RemoveFile(name string) error               { return os.Remove(name) }
func (*parts) Raise(int, string, string)                  {}
func (*parts) Lower(int, string)                          {}
func (*parts) Event(string, ...any)                       {}
func (*parts) Error(string, ...any)                       {}
func (*parts) Warn(string, ...any)                        {}

// records are what the server writes to the event log.
type records struct {
	mu   sync.Mutex
	text []string
}

func (r *records) Event(name string, pairs ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, name+" "+fmt.Sprint(pairs...))
}

func (r *records) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.text, "\n")
}

// cheapHash is of "correct horse" and costs a test next to nothing.
const (
	cheapHash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$H9YweMwoZaKj+u6urw6adAxV6iLhNwQ/DYbynE6J72M"
	horse     = "correct horse"
)

// full is a server with every operation on parts that work, the guard of three accounts,
// and what it recorded.
type full struct {
	*Server
	parts  *parts
	guard  *accounts.Guard
	log    *records
	remote http.Handler
}

func newFull(t testing.TB) *full {
	t.Helper()
	dir := t.TempDir()
	p := &parts{}
	files, err := store.OpenDir(filepath.Join(dir, "config"))
	if err != nil {
		t.Fatal(err)
	}
	if p.store, err = store.Open(store.Config{Files: files, Alarms: p, Log: p, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	n, err := config.Parse("node.yaml", []byte("system: {name: tp1}\ninterfaces: {internal: {name: s0}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.store.Propose(store.Proposal{Author: store.Author{User: "test"}, Document: n}); err != nil {
		t.Fatal(err)
	}
	if p.certs, err = certificates.Open(certificates.Config{Dir: dir, Files: onDisk{}, Host: "tp1.example.org"}); err != nil {
		t.Fatal(err)
	}
	f := &full{parts: p, log: &records{}}
	running := newFake()
	running.become(Ready)
	f.Server = New(running, http.NotFoundHandler()).Record(f.log)
	f.Configure(p).Speak(cli.New(p.store, p.NeedsRestart)).Keep(p).Carry(p).Live(p).Examine(p).Join(p).Measure(p).License(p)
	f.guard = accounts.New(accounts.Config{
		Find: func(name string) (accounts.Account, bool) {
			return accounts.Account{Name: name, Role: name, Hash: cheapHash}, Role(name).May(RoleRead)
		},
		ShutOut: func() bool { return true },
		Now:     time.Now,
	})
	f.remote = f.Remote(f.guard)
	return f
}

// ask sends a request as a role's account; none for the empty role.
func (f *full) ask(role Role, method, path string, body []byte) *httptest.ResponseRecorder {
	return f.askWith(role, method, path, nil, body)
}

func (f *full) askWith(role Role, method, path string, header http.Header, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	for name, values := range header {
		r.Header[name] = values
	}
	if role != "" {
		a, _ := f.guard.Find(string(role))
		token, _ := f.guard.Issue(a)
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	f.remote.ServeHTTP(w, r)
	return w
}
