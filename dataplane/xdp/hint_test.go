package xdp

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// drawKey makes any key of a flow.
func drawKey(t *rapid.T) relay.Key {
	address := func(name string, six bool) netip.Addr {
		b := [16]byte{0x20, 0x01}
		binary.BigEndian.PutUint64(b[2:], rapid.Uint64().Draw(t, name))
		binary.BigEndian.PutUint64(b[8:], rapid.Uint64().Draw(t, name))
		if six {
			return netip.AddrFrom16(b)
		}
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	six := rapid.Bool().Draw(t, "IPv6")
	k := relay.Key{
		Local:  netip.AddrPortFrom(address("local", six), rapid.Uint16Min(1).Draw(t, "local port")),
		Remote: netip.AddrPortFrom(address("remote", six), rapid.Uint16Min(1).Draw(t, "remote port")),
	}
	if rapid.Bool().Draw(t, "channel") {
		k.Channel = rapid.Uint16Range(0x4000, 0x7fff).Draw(t, "channel number")
	}
	return k
}

// A flow is found by its hint without the hash, and by the hash without its hint: the
// two sides work out the same tag and the same place for it.
func TestHintsOfRandomKeys(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	rapid.Check(t, func(rt *rapid.T) {
		f := relay.Flow{Key: drawKey(rt), Out: up(4, 4).Out}
		id, err := r.Install(f, time.Now().Add(time.Minute))
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Remove(id)
		kind := relay.PortRelay
		if f.Key.Channel != 0 {
			kind = relay.PortListener
		}
		if err := r.OpenPort(f.Key.Local, kind); err != nil {
			rt.Fatal(err)
		}
		defer r.ClosePort(f.Key.Local) //nolint:errcheck // as below
		frame := packet(f, pattern(20)).frame(t)

		clear(r.memory.hints)
		if verdict, _ := r.run(t, r.s0, frame); verdict != xdpRedirect {
			rt.Errorf("%+v is not in the hash: verdict %d", f.Key, verdict)
		}
		r.setHint(r.flows[uint32(id)].slot)
		key := encodeKey(f.Key)
		if err := r.maps.Flows.Delete(&key); err != nil {
			rt.Fatal(err)
		}
		if verdict, _ := r.run(t, r.s0, frame); verdict != xdpRedirect {
			rt.Errorf("%+v has no hint: verdict %d", f.Key, verdict)
		}
	})
}

// Flows that want the same hints, and IPv6 flows with the same tag, are all found.
func TestHintsCollide(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{MaxFlows: 1024})
	var flows []relay.Flow
	want, _ := hintOf(tagOf(keyOf(up(4, 4)), false))
	for port := uint16(1); port < 65535 && len(flows) < 4; port++ {
		f := up(4, 4)
		for channel := uint16(0x4000); channel < 0x4010; channel++ {
			f.Key.Remote, f.Key.Channel = netip.AddrPortFrom(client4.Addr(), port), channel
			f.Out.Src = netip.AddrPortFrom(relay4.Addr(), 20000+port)
			if set, _ := hintOf(tagOf(keyOf(f), false)); set == want {
				flows = append(flows, f)
			}
		}
	}
	// The halves of an address change places: the tag stays.
	for i, remote := range []string{"fd00:0:0:9:1:2:3:4", "1:2:3:4:fd00:0:0:9"} {
		f := up(6, 6)
		f.Key.Remote = netip.AddrPortFrom(netip.MustParseAddr(remote), 9)
		f.Out.Src = netip.AddrPortFrom(relay6.Addr(), 30000+uint16(i))
		flows = append(flows, f)
	}
	if a, b := tagOf(keyOf(flows[len(flows)-1]), true), tagOf(keyOf(flows[len(flows)-2]), true); a != b {
		t.Fatalf("tags %x and %x", a, b)
	}
	if len(flows) < 5 {
		t.Fatalf("only %d flows with the same hints", len(flows))
	}
	for _, f := range flows {
		r.mustInstall(t, f)
	}
	for _, f := range flows {
		_, out := r.run(t, r.s0, packet(f, pattern(20)).frame(t))
		at := udp4
		if f.Out.Src.Addr().Is6() {
			at = udp6
		}
		if got := binary.BigEndian.Uint16(out[at:]); got != f.Out.Src.Port() {
			t.Errorf("a packet of %v left as another's: from port %d, want %d", f.Key, got, f.Out.Src.Port())
		}
	}
}

func keyOf(f relay.Flow) *bpf.RelayFlowKey {
	k := encodeKey(f.Key)
	return &k
}

// The first flow has number 0 and slot 0, which is what a hint says that was never
// written: the others must get theirs all the same.
func TestEveryFlowHasItsHint(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	for i := range uint16(100) {
		f := up(4, 4)
		f.Key.Remote = netip.AddrPortFrom(client4.Addr(), 1000+i)
		id := r.mustInstall(t, f)
		key := encodeKey(f.Key)
		if err := r.maps.Flows.Delete(&key); err != nil {
			t.Fatal(err)
		}
		if verdict, _ := r.run(t, r.s0, packet(f, nil).frame(t)); verdict != xdpRedirect {
			t.Errorf("flow %d is not found by its hint", id)
		}
	}
}
