package peers_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/load"
	"turnpike.dev/turnpike/perf/peers"
)

// TestMain lets the test program be pion's server, as the benchmark is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == peers.PionCommand {
		if err := peers.ServePion(context.Background(), os.Args[2:]); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestServersServe(t *testing.T) {
	for _, tt := range []struct {
		name, program string
		start         func(context.Context, *lab.Lab) (*peers.Server, error)
	}{
		{"coturn", "turnserver", peers.Coturn},
		{"pion", "nsenter", peers.Pion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := exec.LookPath(tt.program); err != nil {
				t.Skip(err)
			}
			l := labtest.New(t, lab.Options{})
			s, err := tt.start(context.Background(), l)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Stop() })
			setUp(t, l, s)
			checkUsage(t, s)
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
			if err := unix.Kill(s.PID, 0); !errors.Is(err, unix.ESRCH) {
				t.Errorf("process %d after its end: %v", s.PID, err)
			}
		})
	}
}

func setUp(t *testing.T, l *lab.Lab, s *peers.Server) {
	t.Helper()
	f, err := load.New(load.Config{
		Host: l.Client, Clients: l.ClientAddrs.V4, Servers: s.Listen, User: peers.User, Password: peers.Password,
		Peers: func(int) []netip.AddrPort { return []netip.AddrPort{netip.AddrPortFrom(l.PeerAddrs.V4[0], 4000)} },
	}, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Setup(context.Background(), load.Pace{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range f.Relays() {
		if r.Relayed.Addr().String() != "198.18.1.1" {
			t.Errorf("relay at %s, want the node's far address", r.Relayed)
		}
	}
}

func checkUsage(t *testing.T, s *peers.Server) {
	t.Helper()
	if rss, err := s.RSS(); err != nil || rss < 1<<20 {
		t.Errorf("RSS %d, %v", rss, err)
	}
	if _, err := s.CPUTime(); err != nil {
		t.Error(err)
	}
	if used, err := s.SystemMemory(); err != nil || used == 0 {
		t.Errorf("system memory %d, %v", used, err)
	}
	if err := s.Pin(0); err != nil {
		t.Error(err)
	}
}

func TestFailedStartTellsWhy(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	if s, err := peers.Turnpike(context.Background(), l, "/nonexistent", peers.XDP); err == nil {
		_ = s.Stop()
		t.Error("no error")
	}
}
