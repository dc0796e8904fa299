package digest

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	client = netip.MustParseAddr("192.0.2.7")
	start  = time.Unix(1_800_000_000, 0)
)

// The example of RFC 7616 section 3.9.1.
const example = `Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=%s, ` +
	`nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", ` +
	`qop=auth, response="%s", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`

func TestVectors(t *testing.T) {
	key := NewKey("Mufasa", "http-auth@example.org", "Circle of Life")
	for algorithm, want := range map[Algorithm]string{
		MD5:    "8ca523f5e9506fed4657c9700eebdbec",
		SHA256: "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		c, err := ParseCredentials(fmt.Sprintf(example, algorithm, want))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(key.response(nil, &c, "GET")); got != want {
			t.Errorf("%s: got %s, want %s", algorithm, got, want)
		}
	}
}

// login answers a challenge as an endpoint does.
func login(t *testing.T, c *Client, challenges []string) Credentials {
	t.Helper()
	value, ok := c.Answer(challenges, "REGISTER", "sip:example.test")
	if !ok {
		t.Fatal("the challenge is not answered:", challenges)
	}
	return read(t, value)
}

func read(t *testing.T, value string) Credentials {
	t.Helper()
	c, err := ParseCredentials(value)
	if err != nil {
		t.Fatal(value, err)
	}
	return c
}

func TestServer(t *testing.T) {
	s := NewServer([]byte("key"))
	alice := NewKey("alice", "example.test", `s"ecret\`)
	fresh := func() Credentials {
		return login(t, &Client{User: "alice", Password: `s"ecret\`}, s.Challenge("example.test", client, false, start, SHA256, MD5))
	}
	change := func(f func(*Credentials)) Credentials {
		c := fresh()
		f(&c)
		return c
	}
	old := NewServer([]byte("another key"))
	tests := []struct {
		name string
		c    Credentials
		key  *Key
		from netip.Addr
		at   time.Duration
		want Verdict
	}{
		{"right", fresh(), &alice, client, 0, Good},
		{"near the end of its life", fresh(), &alice, client, Lifetime - time.Second, Good},
		{"too old", fresh(), &alice, client, Lifetime, Stale},
		{"clock set back a little", fresh(), &alice, client, -time.Second, Good},
		{"from the future", fresh(), &alice, client, -nonceSkew, Stale},
		{"of another client", fresh(), &alice, netip.MustParseAddr("192.0.2.8"), 0, Stale},
		{"no such user", fresh(), nil, client, 0, Wrong},
		{"another password", login(t, &Client{User: "alice", Password: "x"}, s.Challenge("example.test", client, false, start, MD5)), &alice, client, 0, Wrong},
		{"another password with an old nonce", login(t, &Client{User: "alice", Password: "x"}, s.Challenge("example.test", client, false, start, MD5)), &alice, client, time.Hour, Stale},
		{"nonce of another node", login(t, &Client{User: "alice", Password: `s"ecret\`}, old.Challenge("example.test", client, false, start, MD5)), &alice, client, 0, Stale},
		{"nonce that was changed", change(func(c *Credentials) { c.Nonce = "A" + c.Nonce[1:] }), &alice, client, 0, Stale},
		{"another URI", change(func(c *Credentials) { c.URI = "sip:other.test" }), &alice, client, 0, Wrong},
		{"another count", change(func(c *Credentials) { c.count = "00000002" }), &alice, client, 0, Wrong},
		{"the other algorithm", change(func(c *Credentials) { c.Algorithm = MD5 }), &alice, client, 0, Wrong},
		{"no response", change(func(c *Credentials) { c.Response = "" }), &alice, client, 0, Wrong},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := s.Check(&test.c, test.key, "REGISTER", test.from, start.Add(test.at)); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
	again := fresh()
	for i, want := range []Verdict{Good, Stale} {
		if got := s.Check(&again, &alice, "REGISTER", client, start); got != want {
			t.Errorf("the same credentials, time %d: %d, want %d", i+1, got, want)
		}
	}
	if got := s.Check(&again, &alice, "INVITE", client, start); got != Wrong {
		t.Errorf("for another method: %d", got)
	}
}

func TestChallengeOfTheSameSecondDiffers(t *testing.T) {
	s := NewServer([]byte("key"))
	a, b := s.Challenge("r", client, true, start, SHA256, MD5), s.Challenge("r", client, true, start, MD5)
	if a[1] == b[0] {
		t.Error("two clients have one nonce")
	}
	if !strings.Contains(a[0], "algorithm=SHA-256") || !strings.Contains(a[1], "algorithm=MD5") || !strings.Contains(a[0], "stale=true") {
		t.Error(a)
	}
}

func TestNonceIsOfANetwork(t *testing.T) {
	n := newNonces([]byte("key"), Lifetime)
	for name, test := range map[string]struct {
		to, from string
		want     bool
	}{
		"same":               {"192.0.2.1", "192.0.2.1", true},
		"other":              {"192.0.2.1", "192.0.2.2", false},
		"mapped":             {"192.0.2.1", "::ffff:192.0.2.1", true},
		"IPv6 of one /64":    {"2001:db8::1", "2001:db8::2", true},
		"IPv6 of another":    {"2001:db8::1", "2001:db8:0:1::1", false},
		"another family":     {"192.0.2.1", "2001:db8::1", false},
		"IPv6 and then IPv4": {"2001:db8::1", "192.0.2.1", false},
	} {
		if _, ok := n.read(n.issue(netip.MustParseAddr(test.to), start), netip.MustParseAddr(test.from), start); ok != test.want {
			t.Errorf("%s: %v", name, ok)
		}
	}
}

func TestClient(t *testing.T) {
	s := NewServer([]byte("key"))
	alice := NewKey("alice", "example.test", "secret")
	c := &Client{User: "alice", Password: "secret"}
	if _, ok := c.Next("INVITE", "sip:x"); ok {
		t.Error("nobody has challenged yet")
	}
	first := login(t, c, []string{`Digest realm="r", nonce="n", algorithm=SHA-512-256, qop="auth"`, `Basic realm="x"`, s.Challenge("example.test", client, false, start, SHA256)[0]})
	if got := s.Check(&first, &alice, "REGISTER", client, start); got != Good || first.Algorithm != SHA256 {
		t.Errorf("%d by %s", got, first.Algorithm)
	}
	if _, ok := c.Answer(s.Challenge("example.test", client, false, start, MD5), "REGISTER", "sip:example.test"); ok {
		t.Error("a password that was refused is sent again")
	}
	second := login(t, c, s.Challenge("example.test", client, true, start, MD5))
	if got := s.Check(&second, &alice, "REGISTER", client, start); got != Good {
		t.Errorf("after stale: %d", got)
	}
	c.Accepted()
	value, _ := c.Next("REGISTER", "sip:example.test")
	third := read(t, value)
	if got := s.Check(&third, &alice, "REGISTER", client, start); got != Good || third.Count != 2 {
		t.Errorf("the next request: %d, count %d", got, third.Count)
	}
	if _, ok := c.Answer(s.Challenge("example.test", client, false, start, MD5), "REGISTER", "sip:example.test"); !ok {
		t.Error("a challenge after a success is not answered")
	}
	for _, challenges := range [][]string{nil, {`Digest realm="r"`}, {`Digest realm="r", nonce="n", qop="auth-int"`}, {"Digest realm=\"r\r\n\", nonce=\"n\", qop=\"auth\""}} {
		if value, ok := new(Client).Answer(challenges, "INVITE", "sip:x"); ok {
			t.Errorf("%q is answered: %s", challenges, value)
		}
	}
}

func TestParseCredentialsRefuses(t *testing.T) {
	good := fmt.Sprintf(example, MD5, "8ca523f5e9506fed4657c9700eebdbec")
	if _, err := ParseCredentials(good); err != nil {
		t.Fatal(err)
	}
	cut := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for name, value := range map[string]string{
		"nothing":               "",
		"scheme alone":          "Digest",
		"another scheme":        cut("Digest", "Basic"),
		"no qop":                cut("qop=auth, ", ""),
		"another qop":           cut("qop=auth", "qop=auth-int"),
		"unknown algorithm":     cut("algorithm=MD5", "algorithm=MD5-sess"),
		"no count":              cut("nc=00000001, ", ""),
		"count 0":               cut("nc=00000001", "nc=00000000"),
		"count of seven digits": cut("nc=00000001", "nc=0000001"),
		"count of letters":      cut("nc=00000001", "nc=0000000g"),
		"no nonce":              cut("nonce=", "nothing="),
		"twice":                 cut("qop=auth", "qop=auth, qop=auth"),
		"open quote":            good + `, x="`,
		"escape at the end":     good + `, x="\`,
		"no comma":              cut("nc=00000001,", "nc=00000001"),
		"comma at the end":      good + ",",
		"text behind":           good + " x",
		"line end":              cut("qop=auth", "qop=auth\r\n"),
		"too long":              cut("Mufasa", strings.Repeat("x", MaxHeader)),
		"too many":              good + strings.Repeat(", x=y", 30),
	} {
		if _, err := ParseCredentials(value); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestWindowModel: no count of a nonce is taken twice, whatever had to be forgotten; and
// of a nonce that is remembered each new count near the highest is taken.
func TestWindowModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWindows(1)
		taken := map[stamp]map[uint32]bool{}
		for range rapid.IntRange(1, 200).Draw(t, "requests") {
			s := stamp{at: uint32(rapid.IntRange(1, 4).Draw(t, "second")), id: uint64(rapid.IntRange(0, 4).Draw(t, "nonce"))}
			count := uint32(rapid.IntRange(1, 80).Draw(t, "count"))
			got := w.use(s, count)
			if got && taken[s][count] {
				t.Fatalf("count %d of %v is taken twice", count, s)
			}
			if got {
				if taken[s] == nil {
					taken[s] = map[uint32]bool{}
				}
				taken[s][count] = true
			}
		}
	})
}

func TestWindow(t *testing.T) {
	w := newWindows(1)
	s := stamp{at: 1, id: 1}
	for _, step := range []struct {
		count uint32
		want  bool
	}{{1, true}, {1, false}, {3, true}, {2, true}, {2, false}, {3, false}, {100, true}, {36, true}, {35, false}, {99, true}, {1 << 31, true}, {1<<31 - 1, true}, {100, false}} {
		if got := w.use(s, step.count); got != step.want {
			t.Errorf("count %d: %v", step.count, got)
		}
	}
	for i := range uint64(2 * windowWays) { // newer ones push it out
		w.use(stamp{at: 2, id: 100 + i}, 1)
	}
	if w.use(s, 1<<31+1) {
		t.Error("a nonce that was forgotten is taken")
	}
	if !w.use(stamp{at: 3, id: 7}, 1) {
		t.Error("a new one is not")
	}
}

func TestUnknownUserTakesTheSameWay(t *testing.T) {
	s := NewServer([]byte("key"))
	c := login(t, &Client{User: "mallory", Password: "x"}, s.Challenge("r", client, false, start, MD5))
	alice := NewKey("alice", "r", "y")
	got := []Verdict{s.Check(&c, nil, "REGISTER", client, start), s.Check(&c, &alice, "REGISTER", client, start)}
	if diff := cmp.Diff([]Verdict{Wrong, Wrong}, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzParse gives any header field to the server and to the client: nothing panics, and
// what the client writes can be read.
func FuzzParse(f *testing.F) {
	f.Add(fmt.Sprintf(example, MD5, "8ca523f5e9506fed4657c9700eebdbec"))
	f.Add(`Digest realm="a\"b", nonce="n\\", qop="auth,auth-int", algorithm=SHA-256, opaque="", stale=TRUE`)
	f.Fuzz(func(t *testing.T, value string) {
		s := NewServer([]byte("key"))
		if c, err := ParseCredentials(value); err == nil && s.Check(&c, nil, "INVITE", client, start) == Good {
			t.Error("no user, and good")
		}
		c := Client{User: `a"b`, Password: "p"}
		answer, ok := c.Answer([]string{value}, "INVITE", "sip:b@example.test")
		if !ok {
			return
		}
		if len(answer) > MaxHeader {
			return
		}
		got, err := ParseCredentials(answer)
		if err != nil || got.User != c.User || got.Nonce != c.answered.nonce || got.Realm != c.answered.realm {
			t.Errorf("%q is answered %q: %v", value, answer, err)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	s := NewServer([]byte("key"))
	alice := NewKey("alice", "example.test", "secret")
	for _, algorithm := range []Algorithm{MD5, SHA256} {
		b.Run(string(algorithm), func(b *testing.B) {
			c := Client{User: "alice", Password: "secret"}
			value, _ := c.Answer(s.Challenge("example.test", client, false, start, algorithm), "REGISTER", "sip:example.test")
			b.ReportAllocs()
			for b.Loop() {
				creds, _ := ParseCredentials(value)
				if s.Check(&creds, &alice, "REGISTER", client, start) == Wrong { // Stale after the first
					b.Fatal("wrong")
				}
			}
		})
	}
}
