package main

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/userspace"
)

func TestSummary(t *testing.T) {
	some := api.Usage{Used: 7, Limit: 6000}
	tests := []struct {
		name string
		st   api.Status
		want string
	}{
		{"well", api.Status{TURN: api.TURN{Mode: "on"}, Relays: some, Path: "xdp"}, "TURN on, 7 of 6000 relays, path=xdp"},
		{"draining", api.Status{TURN: api.TURN{Mode: "on"}, Relays: some, Path: "xdp", Draining: true}, "TURN on, 7 of 6000 relays, path=xdp, draining"},
		{"closed", api.Status{TURN: api.TURN{Mode: "off"}, Degraded: []string{"closed"}}, "TURN off, 0 of 0 relays; closed"},
		{
			"several things",
			api.Status{TURN: api.TURN{Mode: "on"}, Path: "mixed", Degraded: []string{"a", "b", "c"}},
			"TURN on, 0 of 0 relays, path=mixed; a (and 2 more: see `turnpike status`)",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := summary(test.st); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// The watchdog is fed by the data path: a node whose leases nobody renews says how it is,
// and not that it lives.
func TestWatchdogIsFedByTheDataPath(t *testing.T) {
	said := serviceManager(t)
	t.Setenv("WATCHDOG_USEC", "10000000")
	log, err := eventlog.New(eventlog.Config{Out: io.Discard, Level: "info"})
	if err != nil {
		t.Fatal(err)
	}
	process, err := userspace.New(userspace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = process.Close() }()
	n := &node{log: log.Module("x")}
	n.attach(relay.NewEngine(nil, "", process), nil, "", process)

	st := api.Status{TURN: api.TURN{Mode: "on"}}
	n.tellManager(t.Context(), st)
	st.Relays.Used = 1
	n.tellManager(t.Context(), st)

	ctx, cancel := context.WithCancel(t.Context())
	cancel() // it renews once
	if err := n.engine.Run(ctx); err != nil {
		t.Fatal(err)
	}
	n.tellManager(t.Context(), st)
	for _, want := range []string{
		"STATUS=TURN on, 0 of 0 relays", "STATUS=TURN on, 1 of 0 relays", "WATCHDOG=1",
	} {
		if got := said(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// serviceManager is told what the node says, one message at a time.
func serviceManager(t *testing.T) func() string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return func() string {
		buf := make([]byte, 4096)
		n, err := l.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}
