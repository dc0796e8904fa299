package main

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/dataplane/userspace"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// phonesOn runs SIP on loopback, put together as serve does it, without the rest of a node. text is the node file without
// system, interfaces and sip; the port is the one that SIP listens on at 127.0.0.1.
func phonesOn(t *testing.T, timers transaction.Timers, text string) (*phones, netip.AddrPort) {
	t.Helper()
	dir := t.TempDir()
	at := labtest.FreePort(t, "127.0.0.1")
	file := filepath.Join(dir, "node.yaml")
	text = "system: {name: tp1, state: " + dir + "}\ninterfaces: {external: {name: lo}}\nsip: {mode: on, udp: " + portText(at) + ", tcp: off, tls: off}\n" +
		"media: {ports: {start: 20000, end: 23999}}\n" + text // below the ports that the system gives away
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	run, ctx := newGroup(ctx)
	p := newPhonesFor(ctx, t, n, file, timers, run)
	p.run(ctx, run)
	t.Cleanup(func() {
		cancel()
		if err := run.wait(); err != nil {
			t.Error(err)
		}
	})
	<-p.stack.Transport().Listening()
	return p, at
}

func newPhonesFor(ctx context.Context, t *testing.T, n *config.Node, file string, timers transaction.Timers, run *group) *phones {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	all, err := sides(ctx, n.Interfaces)
	must(err)
	state, err := openState(n.System.State)
	must(err)
	t.Cleanup(func() { _ = state.close() })
	log, err := eventlog.New(eventlog.Config{Out: io.Discard, Node: n.System.Name, Level: "error"})
	must(err)
	t.Cleanup(func() { _ = log.Close() })
	told, err := openAlarms(state, log)
	must(err)
	t.Cleanup(func() { _ = told.Close() })
	certs, err := openCertificates(state, n)
	must(err)
	stored, err := openStore(state, told, log)
	must(err)
	_, err = settle(stored, file, n)
	must(err)
	node := newNode(n, file, state, all, log)
	node.board, node.certificates = told, certs
	must(node.follow(stored))
	must(node.route(stored))
	records, err := node.carry(n, state, log)
	must(err)
	run.Go(func() error { return records.Run(ctx) })
	process, err := userspace.New(userspace.Config{MaxFlows: 65536})
	must(err)
	t.Cleanup(func() { _ = process.Close() })
	node.attach(newEngine(nil, "the test has none", process), nil, "the test has none", process)
	run.Go(func() error { return node.engine.Run(ctx) })
	p, err := newPhones(ctx, n, all, node, process, state.nonce, timers, log)
	must(err)
	return p
}

func portText(at netip.AddrPort) string { return at.String()[len(at.Addr().String())+1:] }

func listenUDP(t *testing.T, at string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
