package userspace

import (
	"errors"
	"net/netip"
	"testing"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

func TestInstallRefuses(t *testing.T) {
	a4, a6 := netip.MustParseAddrPort("192.0.2.1:1000"), netip.MustParseAddrPort("[2001:db8::1]:1000")
	mapped := netip.MustParseAddrPort("[::ffff:192.0.2.1]:1000")
	good := relay.Flow{Key: relay.Key{Local: a4, Remote: a4}, Out: relay.Out{Src: a6, Dst: a6}}
	tests := []struct {
		name   string
		change func(*relay.Flow)
		ok     bool
	}{
		{"a good one", func(*relay.Flow) {}, true},
		{"no local address", func(f *relay.Flow) { f.Key.Local = netip.AddrPort{} }, false},
		{"no remote address", func(f *relay.Flow) { f.Key.Remote = netip.AddrPort{} }, false},
		{"two families in the key", func(f *relay.Flow) { f.Key.Remote = a6 }, false},
		{"two families to send", func(f *relay.Flow) { f.Out.Dst = a4 }, false},
		{"nowhere to send", func(f *relay.Flow) { f.Out = relay.Out{} }, false},
		{"a sink instead", func(f *relay.Flow) { f.Out, f.Sink = relay.Out{}, func([]byte) {} }, true},
		{"mapped address", func(f *relay.Flow) { f.Key.Local, f.Key.Remote = mapped, mapped }, false},
		{"no channel number", func(f *relay.Flow) { f.Key.Channel = 0x3fff }, false},
		{"no channel number to add", func(f *relay.Flow) { f.Out.Channel = 0x8000 }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newSite(t, loopback4, loopback4).relay
			ports := len(r.ports)
			f := good
			tt.change(&f)
			id, err := r.Install(f)
			if (err == nil) != tt.ok {
				t.Fatalf("error %v, want one: %v", err, !tt.ok)
			}
			r.Remove(id)
			if len(r.ports) != ports {
				t.Error("something is left of the flow's ports")
			}
		})
	}
}

func TestKeysAndNumbers(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	s.relay.maxFlows = 4
	first, second := s.install(s.up()), s.install(s.down())
	if _, err := s.relay.Install(s.up()); !errors.Is(err, relay.ErrExists) {
		t.Errorf("same key: %v, want %v", err, relay.ErrExists)
	}
	other := s.up()
	other.Key.Channel++
	third := s.install(other)
	stream := s.up()
	stream.Stream = true
	fourth := s.install(stream) // a TCP client's address may be that of a UDP client
	if _, err := s.relay.Install(stream); !errors.Is(err, relay.ErrFull) {
		t.Errorf("fifth of four: %v, want %v", err, relay.ErrFull)
	}
	s.relay.Remove(third)
	if _, err := s.relay.Install(stream); !errors.Is(err, relay.ErrExists) {
		t.Errorf("same key of a stream: %v, want %v", err, relay.ErrExists)
	}
	s.relay.Remove(second)
	if again := s.install(s.down()); again != second || first != 0 || fourth != 3 {
		t.Errorf("flow numbers %d, %d, %d, %d; want the lowest free", first, again, third, fourth)
	}
	if c := s.relay.Remove(77); c.Packets != 0 {
		t.Errorf("counters of no flow: %+v", c)
	}
}

func TestReplace(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	id := s.install(s.up())
	s.client.send(s.listen.Local(), message("one"))
	s.turn()
	s.peer.receive(s.out.Local(), "one")

	there := newEnd(t, loopback6)
	from := s.open(loopback6, relay.PortRelay)
	f := s.up()
	f.Out = relay.Out{Src: from.Local(), Dst: there.addr, Channel: channel + 1}
	if err := s.relay.Replace(id, f); err != nil {
		t.Fatal(err)
	}
	s.client.send(s.listen.Local(), message("two"))
	s.turn()
	there.receive(from.Local(), "\x40\x02\x00\x03two")
	if c := s.relay.Counters(id); c.Packets != 2 || c.Bytes != 6 {
		t.Errorf("counters do not go on: %+v", c)
	}

	if err := s.relay.Replace(id, s.down()); !errors.Is(err, errKey) {
		t.Errorf("another key: %v, want %v", err, errKey)
	}
	if err := s.relay.Replace(99, f); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("no such flow: %v, want %v", err, relay.ErrNotFound)
	}
}

// A handler that removes a flow sees the rest of its batch unrelayed.
func TestRemoveFromTheHandler(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	id := s.install(s.up())
	var heard []string
	listener := s.listen.(*socket)
	listener.handler = func(_ relay.Socket, d relay.Datagram) {
		heard = append(heard, string(d.Payload))
		s.relay.Remove(id)
	}
	s.client.send(s.listen.Local(), message("before"))
	s.client.send(s.listen.Local(), request)
	s.client.send(s.listen.Local(), message("after"))
	s.turn()
	s.peer.receive(s.out.Local(), "before")
	s.peer.nothing()
	s.left(bpf.ReasonForwarded, 1)
	s.left(bpf.ReasonControl, 2)
	if len(heard) != 2 || heard[1] != message("after") {
		t.Errorf("the handler got %q", heard)
	}
}
