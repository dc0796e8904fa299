package userspace

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// ME-01: clients on TCP and TLS. Their data comes by Forward and leaves by a sink.
func TestStreams(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	up := s.up()
	up.Stream = true
	key := up.Key
	if s.relay.Forward(key, []byte("too early")) {
		t.Error("forwarded without a flow")
	}
	id := s.install(up)
	if !s.relay.Forward(key, []byte("hello")) {
		t.Error("not forwarded")
	}
	s.peer.receive(s.out.Local(), "hello")

	up.Out.Channel = channel + 1 // the receiver is a client as well
	if err := s.relay.Replace(id, up); err != nil {
		t.Fatal(err)
	}
	s.relay.Forward(key, []byte("hello"))
	s.peer.receive(s.out.Local(), "\x40\x02\x00\x05hello")

	var got []string
	up.Sink = func(b []byte) { got = append(got, string(b)) }
	if err := s.relay.Replace(id, up); err != nil {
		t.Fatal(err)
	}
	s.relay.Forward(key, []byte("hello"))
	up.Out = relay.Out{}
	if err := s.relay.Replace(id, up); err != nil {
		t.Fatal(err)
	}
	s.relay.Forward(key, []byte("hello"))
	if d := cmp.Diff([]string{"\x40\x02\x00\x05hello", "hello"}, got); d != "" {
		t.Errorf("the sink got, want(-) got(+):\n%s", d)
	}

	s.left(bpf.ReasonForwarded, 4)
	if c := s.relay.Remove(id); c.Packets != 4 || c.Bytes != 20 {
		t.Errorf("counters %+v", c)
	}
	if s.relay.Forward(key, []byte("too late")) {
		t.Error("forwarded after the flow was removed")
	}
}

// A sink gets what comes from the peer, unpadded, whatever its hop limit.
func TestSink(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	var got []string
	down := s.down()
	down.Out.Src, down.Out.Dst = s.listen.Local(), s.client.addr
	down.Sink = func(b []byte) { got = append(got, string(b)) }
	s.install(down)
	s.peer.send(s.out.Local(), "one")
	s.peer.sendWith(s.out.Local(), "last hop", relay.Meta{HopLimit: 1})
	s.turn()
	if d := cmp.Diff([]string{message("one"), message("last hop")}, got); d != "" {
		t.Errorf("the sink got, want(-) got(+):\n%s", d)
	}
	s.left(bpf.ReasonForwarded, 2)
	s.client.nothing()
}

func TestForwardFails(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	up := s.up()
	up.Stream, up.RateKbps = true, 8
	s.install(up)
	if err := s.out.Close(); err != nil {
		t.Fatal(err)
	}
	s.relay.Forward(up.Key, make([]byte, 1000))
	s.left(bpf.ReasonNoDevice, 1)
	s.relay.Forward(up.Key, make([]byte, 1000))
	s.left(bpf.ReasonPoliced, 1)
}
