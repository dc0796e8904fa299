package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"turnpike.dev/turnpike/control/accounts"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/certificates"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/eventlog"
)

// newServer returns what answers at the socket and over HTTPS. Who has more to tell or to
// do over the API adds it here.
func newServer(n *node, metrics http.Handler, log *eventlog.Log) *api.Server {
	return api.New(n, metrics).Record(log).Configure(n).Speak(newShell(n)).Keep(n).Carry(n).Live(n).Examine(n).Join(n).License(n).Measure(n).Inspect(n)
}

// remote is the node's API over HTTPS, as admin.https says at the moment.
type remote struct {
	node    *node
	server  *api.Server
	guard   *accounts.Guard
	changed chan struct{}
}

func newRemote(n *node, server *api.Server) *remote {
	return &remote{node: n, server: server, changed: make(chan struct{}, 1), guard: accounts.New(accounts.Config{
		Find:    n.account,
		ShutOut: func() bool { return bool(n.running().Admin.Protection) },
		Now:     time.Now,
	})}
}

// account returns who may administer over the network under a name.
func (n *node) account(name string) (accounts.Account, bool) {
	list := n.running().Admin.Accounts
	at := slices.IndexFunc(list, func(a config.AdminAccount) bool { return a.Name == name })
	if at < 0 {
		return accounts.Account{}, false
	}
	return accounts.Account{Name: name, Role: string(list[at].Role), Hash: string(list[at].Password)}, true
}

// change has the listeners opened anew.
func (r *remote) change(store.Update) {
	select {
	case r.changed <- struct{}{}:
	default: // it is known already
	}
}

// listenAgain is how soon a port that another process has is tried again.
const listenAgain = 5 * time.Second

// run keeps the listeners as configured until ctx ends. A port that cannot be had makes
// the node degraded, and does not end it: calls go on.
func (r *remote) run(ctx context.Context) error {
	again := time.NewTicker(listenAgain)
	defer again.Stop()
	for ctx.Err() == nil {
		run, inner := newGroup(ctx)
		failed := r.open(inner, run, r.node.running())
		wait := again.C
		if failed == nil {
			wait = nil
		}
		select {
		case <-inner.Done(): // or one of them failed
		case <-r.changed:
		case <-wait:
		}
		run.end()
	}
	return nil
}

// open starts the listeners, all of them or none, and tells the node what became of it.
func (r *remote) open(ctx context.Context, run *group, c *config.Node) error {
	h := c.Admin.HTTPS
	if !h.Mode {
		r.node.reachable(nil, nil)
		return nil
	}
	var secure, plain []net.Listener
	at := listenOn(adminSides(r.node.sides, h.Interfaces), uint16(h.Port))
	secure, err := listenAll(ctx, at)
	if err == nil && h.Redirect {
		plain, err = listenAll(ctx, listenOn(adminSides(r.node.sides, h.Interfaces), 80))
	}
	if err != nil {
		closeAll(append(secure, plain...))
		r.node.reachable(nil, fmt.Errorf("admin.https: %w: end who has the port, or change admin.https", err))
		return err
	}
	for _, l := range secure {
		run.Go(func() error { return r.server.ServeHTTPS(ctx, l, adminTLS(r.node), r.guard) })
	}
	for _, l := range plain {
		run.Go(func() error { return api.Redirect(ctx, l, uint16(h.Port)) })
	}
	r.node.reachable(at, nil)
	return nil
}

// adminSides returns the sides that administration is on.
func adminSides(all []side, which config.AdminSides) []side {
	internal := slices.DeleteFunc(slices.Clone(all), func(s side) bool { return !s.internal })
	if which == config.AdminAllSides || len(internal) == 0 && len(all) == 1 {
		return all
	}
	return internal
}

// listenAll opens a listener at each address, or none.
func listenAll(ctx context.Context, at []netip.AddrPort) ([]net.Listener, error) {
	if len(at) == 0 {
		return nil, errors.New("no interface to listen on: name interfaces.internal, or set admin.https.interfaces to all")
	}
	var open []net.Listener
	for _, a := range at {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.String())
		if err != nil {
			closeAll(open)
			return nil, fmt.Errorf("listen on %s: %w", a, err)
		}
		open = append(open, l)
	}
	return open, nil
}

func closeAll(list []net.Listener) {
	for _, l := range list {
		_ = l.Close() // it was not used
	}
}

// adminTLS shows the node's certificate of the moment, and where that is configured wants
// one that a trusted authority signed.
func adminTLS(n *node) *tls.Config {
	usual := n.certificates.TLS()
	strict := strictTLS(n.certificates)
	usual.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if n.running().Certificates.ClientCheck == config.CertValidate {
			return strict, nil
		}
		return nil, nil
	}
	return usual
}

// strictTLS asks for a certificate before anybody is asked who they are.
func strictTLS(c *certificates.Store) *tls.Config {
	t := c.TLS()
	t.ClientAuth = tls.RequireAnyClientCert
	t.VerifyConnection = func(s tls.ConnectionState) error { return c.Verify(s.PeerCertificates, "") }
	return t
}

// reachable keeps where the node is administered over HTTPS, or why it is not.
func (n *node) reachable(at []netip.AddrPort, failed error) {
	n.mu.Lock()
	before := n.httpsFailed
	n.https, n.httpsFailed = nil, ""
	for _, a := range at {
		n.https = append(n.https, "https://"+a.String())
	}
	if failed != nil {
		n.httpsFailed = failed.Error()
	}
	again := failed != nil && before == n.httpsFailed
	n.mu.Unlock()
	switch {
	case again:
	case failed != nil:
		n.log.Error("Admin HTTPS Not Listening", "Detail", failed)
	case len(at) > 0:
		n.log.Event("Admin HTTPS Listening", "Detail", fmt.Sprint(at))
	}
}
