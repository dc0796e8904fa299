package turn

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/stun/v3"
)

// pion's client does not go elsewhere: it reports what it was told, as it would a 508.
func TestPionClientReportsTryAlternate(t *testing.T) {
	cfg := realConfig(t, "127.0.0.1")
	cfg.Alternates = &directory{to: Alternate{Addr: otherServer, Domain: "tp2.example.test"}}
	s, _ := realServer(t, cfg)
	s.Drain(true)
	for _, transport := range []Transport{UDP, TCP, TLS} {
		_, err := dialClient(t, s, transport).Allocate()
		if err == nil || !strings.Contains(err.Error(), "300") {
			t.Errorf("%s: %v", transport, err)
		}
	}
	if got := s.Stats().Answers[int(stun.CodeTryAlternate)]; got != 3 {
		t.Errorf("%d answers with 300, want 3", got)
	}
}

// RFC 8489 section 10: a client over TLS hears the name that the other's certificate has.
func TestAlternateDomainOverTLS(t *testing.T) {
	cfg := realConfig(t, "127.0.0.1")
	d := &directory{to: Alternate{Addr: otherServer, Domain: "tp2.example.test"}}
	cfg.Alternates = d
	s, _ := realServer(t, cfg)
	s.Drain(true)
	for _, tt := range []struct{ name, domain, want string }{
		{"known", "tp2.example.test", "tp2.example.test"},
		{"unknown", "", ""},
		{"none", strings.Repeat("a", maxDomain+1), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.to.Domain = tt.domain
			conn, err := tls.Dial("tcp", s.cfg.TLSListen[0].String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // its own certificate
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			c := &tlsClient{t: t, conn: conn}
			answer := c.allocate()
			got, _ := answer.Get(stun.AttrAlternateDomain)
			if codeOf(answer) != 300 || string(got) != tt.want {
				t.Errorf("answered with %d and the domain %q, want %q", codeOf(answer), got, tt.want)
			}
			if diff := alternatesOf(t, answer); len(diff) != 1 || diff[0] != otherServer {
				t.Errorf("sent to %v", diff)
			}
			want := d.asked[len(d.asked)-1]
			if want.Transport != TLS || want.Server != netip.MustParseAddrPort(s.cfg.TLSListen[0].String()) {
				t.Errorf("it came by %+v", want)
			}
		})
	}
}

// tlsClient says what it is told to, and shows all that it hears.
type tlsClient struct {
	t    *testing.T
	conn *tls.Conn
}

func (c *tlsClient) ask(m *stun.Message) *stun.Message {
	c.t.Helper()
	if _, err := c.conn.Write(m.Raw); err != nil {
		c.t.Fatal(err)
	}
	answer := stun.New()
	if _, err := answer.ReadFrom(c.conn); err != nil { // the server sends each answer in a record
		c.t.Fatal(err)
	}
	return answer
}

// allocate asks for a relay with a password.
func (c *tlsClient) allocate() *stun.Message {
	c.t.Helper()
	nonce, err := c.ask(message(stun.MethodAllocate, stun.ClassRequest, udpTransport())).Get(stun.AttrNonce)
	if err != nil {
		c.t.Fatal(err)
	}
	m := message(stun.MethodAllocate, stun.ClassRequest, udpTransport(), raw(stun.AttrUsername, []byte("u")...),
		raw(stun.AttrRealm, []byte("test")...), raw(stun.AttrNonce, nonce...))
	key := stun.NewLongTermIntegrity("u", "test", "p")
	if err := key.AddTo(m); err != nil {
		c.t.Fatal(err)
	}
	answer := c.ask(m)
	if err := key.Check(answer); err != nil {
		c.t.Errorf("the answer is not signed: %v", err)
	}
	return answer
}
