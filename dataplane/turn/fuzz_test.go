package turn

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// FuzzPacket sends anything to a server with an allocation, as it is and signed. It
// must neither panic nor relay to a peer without permission, and what it answers
// must be a STUN message no longer than it has to be.
func FuzzPacket(f *testing.F) {
	for _, m := range []*stun.Message{
		message(stun.MethodBinding, stun.ClassRequest),
		message(stun.MethodAllocate, stun.ClassRequest, udpTransport(), bothFamilies(), lifetime(1)),
		message(stun.MethodRefresh, stun.ClassRequest, wantFamily(wireIPv6)),
		message(stun.MethodCreatePermission, stun.ClassRequest, peer(peerAddr), peer(peer6Addr)),
		message(stun.MethodChannelBind, stun.ClassRequest, channelNumber(0x4000), peer(peerAddr)),
		message(stun.MethodSend, stun.ClassIndication, peer(peerAddr), data("x"), raw(stun.AttrDontFragment)),
	} {
		f.Add(m.Raw)
	}
	f.Add(appendChannelData(nil, 0x4000, []byte("data")))
	f.Add([]byte("\x40\x00\xff\xff"))
	f.Fuzz(func(t *testing.T, packet []byte) {
		w := newWorld(t, nil)
		c := w.client()
		c.allocate()
		w.send(clientAddr, serverAddr, packet, metaNone)
		w.send(clientAddr, server6Addr, packet, metaNone)
		m := stun.New()
		if stun.Decode(packet, m) == nil && len(packet) == 20+int(m.Length) && !m.Contains(stun.AttrFingerprint) {
			w.send(clientAddr, serverAddr, c.sign(m).Raw, metaNone)
		}
		for _, d := range w.receive(clientAddr) {
			if !stun.IsMessage(d.payload) || len(d.payload) > 1000 {
				t.Errorf("answered with %q", d.payload)
			}
		}
		for at := range w.hosts {
			x := w.server.Allocations()
			if len(x) == 0 || len(x[0].Relays) == 0 || len(x[0].Relays[0].Permissions) == 0 {
				t.Errorf("relayed to %s without permission", at)
			}
		}
	})
}

// FuzzFrame reads anything as a stream.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x40\x00\x00\x01a\x00\x00\x00"))
	f.Add(message(stun.MethodBinding, stun.ClassRequest).Raw)
	f.Fuzz(func(t *testing.T, stream []byte) {
		var whole []byte
		in := newReader(stream)
		for {
			frame, _, err := readFrame(in, nil)
			if err != nil {
				break
			}
			whole = appendFrame(whole, frame)
		}
		if len(whole) > len(stream) {
			t.Errorf("%d bytes out of %d", len(whole), len(stream))
		}
		for i := range whole {
			if whole[i] != stream[i] && whole[i] != 0 { // padding is ours
				t.Fatalf("byte %d changed", i)
			}
		}
	})
}

// FuzzJournal reads anything as a journal, and anything behind a good one.
func FuzzJournal(f *testing.F) {
	good := appendLine(appendLine(nil, record{Boot: "boot"}), sample(1))
	f.Add(good)
	f.Add([]byte("00000000 {}\n"))
	f.Add([]byte(strings.Repeat("x", 1000)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := readJournal(bytes.NewReader(text), "boot"); err != nil && len(text) < maxLine {
			t.Errorf("read: %v", err)
		}
		c, err := readJournal(bytes.NewReader(append(bytes.Clone(good), text...)), "boot")
		if err == nil && len(c.records) == 0 && !bytes.Contains(text, []byte(`"gone"`)) && !bytes.Contains(text, []byte(`"boot"`)) {
			t.Error("a good record was lost")
		}
	})
}

// FuzzAddress: what is refused stays refused in every encoding, and none panics.
func FuzzAddress(f *testing.F) {
	cfg := edited(policyConfig)
	if err := cfg.prepare(); err != nil {
		f.Fatal(err)
	}
	policy := newPeerPolicy(&cfg, cfg.Deny)
	f.Add([]byte{0, 1, 0, 0, 127, 0, 0, 1})
	f.Add(append([]byte{0, 2, 0, 0}, make([]byte, 16)...))
	f.Fuzz(func(t *testing.T, value []byte) {
		a, valid := xorAddress(value, [12]byte{})
		if !valid {
			return
		}
		if got := appendXORAddress(nil, a, [12]byte{}); !bytes.Equal(got[1:], value[1:]) {
			t.Errorf("%x encoded as %x", value, got)
		}
		if !a.Addr().Is4() || policy.mayPermit(a) {
			return
		}
		for form, v6 := range encodings(a.Addr()) {
			if policy.judge(v6, a.Port()) {
				t.Errorf("%s is refused, but allowed as %s (%s)", a.Addr(), v6, form)
			}
		}
	})
}

// FuzzNonce: no nonce but ours is valid.
func FuzzNonce(f *testing.F) {
	n := newNonces([]byte("key"))
	now := time.Unix(1_800_000_000, 0)
	f.Add(n.issue(serverAddr, now))
	f.Fuzz(func(t *testing.T, nonce []byte) {
		if n.valid(nonce, clientAddr, now) {
			t.Errorf("%q is valid", nonce)
		}
	})
}

func newReader(b []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(b)) }
