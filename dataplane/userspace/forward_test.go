package userspace

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

const channel = 0x4001

// ME-01, ME-03: both directions, every pair of address families.
func TestRelaysBothWays(t *testing.T) {
	families := []struct {
		name         string
		client, peer netip.Addr
	}{
		{"IPv4", loopback4, loopback4},
		{"IPv6", loopback6, loopback6},
		{"IPv4 to IPv6", loopback4, loopback6},
		{"IPv6 to IPv4", loopback6, loopback4},
	}
	for _, tt := range families {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, tt.client, tt.peer, Config{})
			up, down := b.install(b.up(channel)), b.install(b.down(channel))
			if up != 0 || down != 1 {
				t.Errorf("flow ids %d, %d, want the lowest free ones", up, down)
			}
			b.client.send(b.listen.Local(), "\x40\x01\x00\x05hello\x00\x00\x00")
			b.peer.receive(b.out.Local(), "hello")
			b.peer.send(b.out.Local(), "good day")
			b.client.receive(b.listen.Local(), "\x40\x01\x00\x08good day")
			b.left(bpf.ReasonForwarded, 2)

			c := b.relay.Remove(up)
			if c.Packets != 1 || c.Bytes != 5 || c.LastSeen.IsZero() {
				t.Errorf("counters of the removed flow: %+v", c)
			}
			b.client.send(b.listen.Local(), "\x40\x01\x00\x05hello")
			if d := b.hear(); string(d.Payload) != "\x40\x01\x00\x05hello" || d.Remote != b.client.addr {
				t.Errorf("handler got %q from %s", d.Payload, d.Remote)
			}
			b.left(bpf.ReasonControl, 1)
			if again := b.install(b.up(channel)); again != up {
				t.Errorf("flow id %d, want %d again", again, up)
			}
		})
	}
}

func TestInstallTwice(t *testing.T) {
	b := start(t, loopback4, loopback4, Config{})
	b.install(b.up(channel))
	if _, err := b.relay.Install(b.up(channel)); !errors.Is(err, relay.ErrExists) {
		t.Errorf("same key: %v, want %v", err, relay.ErrExists)
	}
	b.install(b.up(channel + 1))
}

func TestPortInUse(t *testing.T) {
	b := start(t, loopback4, loopback4, Config{})
	if _, err := b.relay.Open(b.out.Local(), b.handle); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("open a port twice: %v, want %v", err, syscall.EADDRINUSE)
	}
	if err := b.out.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := b.relay.Open(b.out.Local(), b.handle)
	if err != nil {
		t.Fatalf("open a port that was closed: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
