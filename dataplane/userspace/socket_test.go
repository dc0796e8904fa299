package userspace

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/dataplane/relay"
)

func TestOpen(t *testing.T) {
	s := newSite(t, loopback4, loopback6)
	ignore := func(relay.Socket, relay.Datagram) {}
	tests := []struct {
		name  string
		local netip.AddrPort
		want  error
	}{
		{"IPv4 port in use", s.listen.Local(), syscall.EADDRINUSE},
		{"IPv6 port in use", s.out.Local(), syscall.EADDRINUSE},
		{"an address of another machine", netip.MustParseAddrPort("192.0.2.1:4000"), syscall.EADDRNOTAVAIL},
		{"all addresses", netip.MustParseAddrPort("0.0.0.0:4000"), errWildcard},
		{"all IPv6 addresses", netip.MustParseAddrPort("[::]:4000"), errWildcard},
		{"none", netip.AddrPort{}, errWildcard},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := s.relay.Open(tt.local, ignore); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
	t.Run("an IPv4 port beside the same IPv6 port", func(t *testing.T) {
		so, err := s.relay.Open(netip.AddrPortFrom(loopback4, s.out.Local().Port()), ignore)
		if err != nil {
			t.Fatal(err)
		}
		if err := so.Close(); err != nil {
			t.Error(err)
		}
	})
}

// CA-04: running out of descriptors refuses one socket and disturbs no other.
func TestOpenWithoutDescriptors(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	s.install(s.up())
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := was
	few.Cur = descriptors(t)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &was) }()
	_, err := s.relay.Open(netip.AddrPortFrom(loopback4, 0), nil)
	if !errors.Is(err, syscall.EMFILE) {
		t.Errorf("error %v, want %v", err, syscall.EMFILE)
	}
	s.client.send(s.listen.Local(), message("still here"))
	s.turn()
	s.peer.receive(s.out.Local(), "still here")
}

// descriptors is the lowest limit that forbids another one.
func descriptors(t *testing.T) uint64 {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	return uint64(f.Fd())
}

func TestSend(t *testing.T) {
	for _, at := range []netip.Addr{loopback4, loopback6} {
		t.Run(at.String(), func(t *testing.T) {
			s := newSite(t, at, at)
			for _, m := range []relay.Meta{
				{TrafficClass: 46 << 2, HopLimit: 3},
				{HopLimit: 255, DontFragment: true},
			} {
				if err := s.out.Send([]byte("hi"), s.peer.addr, m); err != nil {
					t.Fatal(err)
				}
				d := s.peer.next()
				m.DontFragment = false
				if string(d.Payload) != "hi" || d.Meta != m || d.Remote != s.out.Local() {
					t.Errorf("got %q with %+v from %s, want %+v", d.Payload, d.Meta, d.Remote, m)
				}
			}
			if err := s.out.Send(nil, s.peer.addr, relay.Meta{}); err != nil {
				t.Fatal(err)
			}
			if d := s.peer.next(); len(d.Payload) != 0 || d.Meta.HopLimit < 32 {
				t.Errorf("empty datagram: got %q with %+v", d.Payload, d.Meta)
			}
		})
	}
	s := newSite(t, loopback4, loopback6)
	if err := s.out.Send(nil, s.client.addr, relay.Meta{}); err == nil {
		t.Error("sending from IPv6 to IPv4: no error")
	}
	if err := s.out.Send(make([]byte, 1<<16), s.peer.addr, relay.Meta{}); !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("sending more than UDP can carry: %v", err)
	}
}

// RFC 8656 section 15: larger than the MTU goes out in fragments, or with DF not at all.
func TestFragments(t *testing.T) {
	const mtu = 1400
	for _, at := range []netip.Addr{loopback4, loopback6} {
		t.Run(at.String(), func(t *testing.T) {
			enterNamespace(t, mtu)
			s := newSite(t, at, at)
			s.install(s.up())
			large := strings.Repeat("x", 4000)
			s.client.send(s.listen.Local(), message(large))
			s.turn()
			s.peer.receive(s.out.Local(), large)
			if !at.Is4() {
				return
			}
			err := s.out.Send([]byte(large), s.peer.addr, relay.Meta{DontFragment: true})
			if !errors.Is(err, syscall.EMSGSIZE) {
				t.Errorf("with DF: %v, want %v", err, syscall.EMSGSIZE)
			}
			if err := s.out.Send([]byte(large), s.peer.addr, relay.Meta{}); err != nil {
				t.Errorf("without DF after that: %v", err)
			}
		})
	}
}

// enterNamespace gives the test a network of its own. Its thread ends with it.
func enterNamespace(t *testing.T, mtu uint32) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		if errors.Is(err, syscall.EPERM) {
			t.Skip("needs root")
		}
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	lo.SetUint32(mtu)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFMTU, lo); err != nil {
		t.Fatal(err)
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(err)
	}
}

// An ICMP error about one peer is no concern of the others.
func TestPortUnreachable(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	s.install(s.up())
	gone := newEnd(t, loopback4)
	if err := unix.Close(gone.fd); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.out.Send([]byte("anybody?"), gone.addr, relay.Meta{}); err != nil {
			t.Errorf("send: %v", err)
		}
		s.client.send(s.listen.Local(), message("hi"))
		s.turn()
		s.peer.receive(s.out.Local(), "hi")
	}
}

// running is a relay whose loops run.
func running(t testing.TB, loops int) *Relay {
	t.Helper()
	r, err := New(Config{Loops: loops})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestCloseWaitsForTheHandler(t *testing.T) {
	r := running(t, 2)
	entered := make(chan struct{})
	var finished atomic.Bool
	s := openPort(t, r, loopback4, relay.PortLearning, func(relay.Socket, relay.Datagram) {
		close(entered)
		for range 10000 {
			runtime.Gosched()
		}
		finished.Store(true)
	})
	newEnd(t, loopback4).send(s.Local(), request)
	<-entered
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !finished.Load() {
		t.Error("the handler was still running")
	}
}

// A handler may close its own socket and any other, on its loop or another.
func TestCloseFromTheHandler(t *testing.T) {
	r := running(t, 2)
	done := make(chan error, 10)
	others := []relay.Socket{
		openPort(t, r, loopback4, relay.PortListener, func(relay.Socket, relay.Datagram) {}),
		openPort(t, r, loopback4, relay.PortRelay, func(relay.Socket, relay.Datagram) {}),
	}
	s := openPort(t, r, loopback4, relay.PortLearning, func(s relay.Socket, _ relay.Datagram) {
		for _, o := range others {
			done <- o.Close()
		}
		done <- s.Close()
		_, err := r.Open(s.Local(), nil)
		done <- err
	})
	from := newEnd(t, loopback4)
	from.send(s.Local(), request)
	for range len(others) + 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := s.Send(nil, from.addr, relay.Meta{}); !errors.Is(err, errClosed) {
		t.Errorf("send by a closed socket: %v, want %v", err, errClosed)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close twice: %v", err)
	}
}

// What was received before the handler closed the socket is not given to it any more.
func TestClosedSocketHearsNothing(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	calls := 0
	so := openPort(t, s.relay, loopback4, relay.PortLearning, func(so relay.Socket, _ relay.Datagram) {
		calls++
		if err := so.Close(); err != nil {
			t.Error(err)
		}
	})
	s.client.send(so.Local(), request)
	s.client.send(so.Local(), request)
	s.turn()
	if calls != 1 {
		t.Errorf("the handler was called %d times, want once", calls)
	}
}

func TestOpenAfterClose(t *testing.T) {
	r := running(t, 1)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(netip.AddrPortFrom(loopback4, 0), nil); !errors.Is(err, errClosed) {
		t.Errorf("error %v, want %v", err, errClosed)
	}
}

// A listener that was opened before it was known to be one goes to the listeners' loop.
func TestPlacement(t *testing.T) {
	r := running(t, 4)
	loopOf := func(kind relay.PortKind) int {
		s := openPort(t, r, loopback4, kind, nil).(*socket)
		for i, l := range r.loops {
			if s.loop == l {
				return i
			}
		}
		return -1
	}
	for i, want := range []int{0, 1, 0, 1} {
		if got := loopOf(relay.PortListener); got != want {
			t.Errorf("listener %d is on loop %d, want %d", i, got, want)
		}
	}
	for i, want := range []int{2, 3, 2, 3} {
		if got := loopOf(relay.PortRelay); got != want {
			t.Errorf("relay %d is on loop %d, want %d", i, got, want)
		}
	}
}
