package turn

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"
)

func TestCredentials(t *testing.T) {
	restName, restPassword, err := turn.GenerateLongTermTURNRESTCredentials("secret", "alice", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	otherName, otherPassword, _ := turn.GenerateLongTermTURNRESTCredentials("no secret", "alice", time.Hour)
	plainName, plainPassword, _ := turn.GenerateLongTermCredentials("secret", time.Hour)
	oldName, oldPassword, _ := turn.GenerateLongTermTURNRESTCredentials("secret", "alice", -time.Second)
	for _, tt := range []struct {
		name, user, pass string
		want             int
	}{
		{"long-term", "u", "p", 0},
		{"wrong password", "u", "q", 401},
		{"unknown user", "nobody", "p", 401},
		{"time-limited", restName, restPassword, 0},
		{"time-limited without id", plainName, plainPassword, 0},
		{"time-limited, another secret", otherName, otherPassword, 401},
		{"time-limited, over", oldName, oldPassword, 401},
		{"time-limited, no number", "soon:alice", restPassword, 401},
		{"name that is no UTF-8", "u\xff", "p", 400},
		{"name of 513 bytes", strings.Repeat("n", 513), "p", 401},
		{"name of 514 bytes", strings.Repeat("n", 514), "p", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			c := w.client()
			c.challenge()
			c.user, c.pass = tt.user, tt.pass
			answer := c.exchange(c.sign(message(stun.MethodAllocate, stun.ClassRequest, udpTransport())))
			if got := codeOf(answer); got != tt.want {
				t.Errorf("answered with %d, want %d", got, tt.want)
			}
			if tt.want == 401 && !(answer.Contains(stun.AttrRealm) && answer.Contains(stun.AttrNonce)) {
				t.Error("401 without realm or nonce")
			}
		})
	}
}

func TestIncompleteCredentials(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	c.challenge()
	for _, left := range []stun.AttrType{stun.AttrUsername, stun.AttrRealm, stun.AttrNonce} {
		m := message(stun.MethodAllocate, stun.ClassRequest, udpTransport())
		for a, v := range map[stun.AttrType][]byte{
			stun.AttrUsername: []byte("u"), stun.AttrRealm: []byte("test"), stun.AttrNonce: c.nonce,
		} {
			if a != left {
				m.Add(a, v)
			}
		}
		_ = c.key().AddTo(m)
		if got := codeOf(c.exchange(m)); got != 400 {
			t.Errorf("without %s answered with %d, want 400", left, got)
		}
	}
}

func TestNonceIsBoundToTheClient(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	c.challenge()
	thief := w.client()
	thief.addr, thief.nonce = withPort(clientAddr, 40001), c.nonce
	answer := thief.do(stun.MethodAllocate, udpTransport())
	if codeOf(answer) != 438 {
		t.Fatalf("another client's nonce answered with %d, want 438", codeOf(answer))
	}
	thief.nonce, _ = answer.Get(stun.AttrNonce)
	thief.allocate()
}

func TestNonceEndsAfterAnHour(t *testing.T) {
	n := newNonces([]byte("key"))
	now := time.Unix(1_800_000_000, 0)
	nonce := n.issue(clientAddr, now)
	for _, tt := range []struct {
		age  time.Duration
		want bool
	}{
		{0, true}, {59 * time.Minute, true}, {time.Hour, false}, {-30 * time.Second, true}, {-2 * time.Minute, false},
	} {
		if got := n.valid(nonce, clientAddr, now.Add(tt.age)); got != tt.want {
			t.Errorf("valid at age %s: %t, want %t", tt.age, got, tt.want)
		}
	}
	for name, bad := range map[string]string{
		"empty": "", "text": "f//499k954d6OL34oL9FSTvy64sA", "not hex": strings.Repeat("x", len(nonce)),
		"one digit off": string(nonce[:len(nonce)-1]) + "-", "longer": string(nonce) + "00",
	} {
		if n.valid([]byte(bad), clientAddr, now) {
			t.Errorf("%s nonce is valid", name)
		}
	}
}

// ME-06: a restart makes no nonce stale.
func TestNonceOutlivesTheProcess(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	c.challenge()
	w.stop()
	w.start(testConfig())
	c.allocate()
}

// A call that lasts longer than its credential is not cut.
func TestLapsedCredentialKeepsItsAllocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		c := w.client()
		c.user = strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10) + ":alice"
		c.pass = timeLimitedPassword("secret", c.user)
		c.allocate()
		time.Sleep(2 * time.Minute)
		c.must(stun.MethodRefresh)
		c.must(stun.MethodRefresh, lifetime(0))
		if got := codeOf(c.do(stun.MethodAllocate, udpTransport())); got != 401 {
			t.Errorf("allocate with a lapsed credential answered with %d, want 401", got)
		}
	})
}

// RFC 5769 section 2.4: a request with long-term credentials.
func TestRFC5769(t *testing.T) {
	packet := []byte("\x00\x01\x00\x60\x21\x12\xa4\x42" +
		"\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e" +
		"\x00\x06\x00\x12\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9\x00\x00" +
		"\x00\x15\x00\x1c\x66\x2f\x2f\x34\x39\x39\x6b\x39\x35\x34\x64\x36" +
		"\x4f\x4c\x33\x34\x6f\x4c\x39\x46\x53\x54\x76\x79\x36\x34\x73\x41" +
		"\x00\x14\x00\x0b\x65\x78\x61\x6d\x70\x6c\x65\x2e\x6f\x72\x67\x00" +
		"\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71\x2e\x85\xc9\xa2\x8c\xa8\x96\x66")
	r := newRequest()
	if !r.decode(packet) {
		t.Fatal("not decoded")
	}
	name := "\u30DE\u30C8\u30EA\u30C3\u30AF\u30B9"
	creds := newCredentials("example.org", map[string]string{name: "TheMatrIX"}, nil, nil)
	user, _ := r.msg.Get(stun.AttrUsername)
	if got, _, right := creds.check(&r.msg, string(user), time.Now()); !right || got.name != name {
		t.Errorf("credential not accepted: %+v", got)
	}
	packet[50] ^= 1
	if !r.decode(packet) {
		t.Fatal("not decoded")
	}
	if _, _, right := creds.check(&r.msg, name, time.Now()); right {
		t.Error("changed message accepted")
	}
}

// RFC 5769 sections 2.1 to 2.3: fingerprints and XOR-ed addresses.
func TestRFC5769Addresses(t *testing.T) {
	head := "\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
	software := "\x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20"
	for _, tt := range []struct{ name, packet, want string }{
		{"request", "\x00\x01\x00\x58" + head + "\x80\x22\x00\x10STUN test client" +
			"\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36" +
			"\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20" +
			"\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2" +
			"\x80\x28\x00\x04\xe5\x7a\x3b\xcf", ""},
		{"IPv4 response", "\x01\x01\x00\x3c" + head + software +
			"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43" +
			"\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7" +
			"\x80\x28\x00\x04\xc0\x7d\x4c\x96", "192.0.2.1:32853"},
		{"IPv6 response", "\x01\x01\x00\x48" + head + software +
			"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9" +
			"\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3\xed\x41" +
			"\x80\x28\x00\x04\xc8\xfb\x0b\x4c", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRequest()
			if !r.decode([]byte(tt.packet)) {
				t.Fatal("not decoded, or the fingerprint does not fit")
			}
			if err := stun.NewShortTermIntegrity("VOkJxbRl1RmTxUk/WvJxBt").Check(&r.msg); err != nil {
				t.Errorf("integrity: %v", err)
			}
			if tt.want == "" {
				return
			}
			v, _ := r.msg.Get(stun.AttrXORMappedAddress)
			want := netip.MustParseAddrPort(tt.want)
			if got, _ := xorAddress(v, r.msg.TransactionID); got != want {
				t.Errorf("address %s, want %s", got, want)
			}
			if got := appendXORAddress(nil, want, r.msg.TransactionID); string(got) != string(v) {
				t.Errorf("encoded as %x, want %x", got, v)
			}
		})
	}
}
