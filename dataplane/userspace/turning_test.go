package userspace

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

func TestTurning(t *testing.T) {
	r, err := New(Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	s, err := r.Open(netip.MustParseAddrPort("127.0.0.1:0"), func(relay.Socket, relay.Datagram) {
		close(entered)
		<-leave
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := r.Turning(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Local()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	<-entered
	late := errors.New("too late")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, late)
	defer cancel()
	if err := r.Turning(ctx); !errors.Is(err, late) || !strings.Contains(err.Error(), "of 2 does not turn") {
		t.Errorf("with a loop that hangs: %v", err)
	}
	close(leave)
	if err := r.Turning(t.Context()); err != nil {
		t.Errorf("when it goes on: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}
