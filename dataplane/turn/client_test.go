package turn

import (
	"context"
	"encoding/binary"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/dataplane/relay"
)

// The cast of the tests.
var (
	serverAddr  = netip.MustParseAddrPort("192.0.2.1:3478")
	server6Addr = netip.MustParseAddrPort("[2001:db8::1]:3478")
	relayAddr   = netip.MustParseAddr("198.51.100.1")
	relay6Addr  = netip.MustParseAddr("2001:db8:1::1")
	clientAddr  = netip.MustParseAddrPort("203.0.113.7:40000")
	peerAddr    = netip.MustParseAddrPort("198.51.100.99:5000")
	peer6Addr   = netip.MustParseAddrPort("[2001:db8:2::99]:5000")
)

type discard struct{}

func (discard) Event(string, ...any) {}

func testConfig() Config {
	return Config{
		Realm:      "test",
		Listen:     []netip.AddrPort{serverAddr, server6Addr},
		RelayAddrs: []RelayAddr{{Local: relayAddr}, {Local: relay6Addr}},
		PortMin:    24000, PortMax: 24099,
		Users:    map[string]string{"u": "p", "v": "q"},
		Secrets:  []string{"secret"},
		NonceKey: []byte("0123456789abcdef"),
	}
}

// world is a running server in a network.
type world struct {
	*network
	server *Server
	stop   func()

	restored int
	mono     func() int64 // CLOCK_MONOTONIC; nil: the real one
}

// newWorld starts a server; edit changes its configuration.
func newWorld(t *testing.T, edit func(*Config)) *world {
	t.Helper()
	w := &world{network: newNetwork(t)}
	w.start(edited(edit))
	t.Cleanup(func() { w.stop() })
	return w
}

func edited(edit func(*Config)) Config {
	cfg := testConfig()
	if edit != nil {
		edit(&cfg)
	}
	return cfg
}

func (w *world) start(cfg Config) {
	w.t.Helper()
	s, err := New(cfg, w.network, w.network, w.network, discard{})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.mono != nil {
		s.mono = w.mono
	}
	if w.restored, err = s.Restore(); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Listening():
	case err := <-done:
		w.t.Fatalf("run: %v", err)
	}
	stopped := false
	w.server = s
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	}
}

func withJournal(t *testing.T) func(*Config) {
	path := filepath.Join(t.TempDir(), "turn.journal")
	return func(c *Config) { c.JournalPath = path }
}

// testClient is a TURN client that says exactly what it is told to.
type testClient struct {
	w            *world
	addr, server netip.AddrPort
	user, pass   string
	nonce        []byte
}

func (w *world) client() *testClient {
	return &testClient{w: w, addr: clientAddr, server: serverAddr, user: "u", pass: "p"}
}

func (c *testClient) key() stun.MessageIntegrity {
	return stun.NewLongTermIntegrity(c.user, "test", c.pass)
}

// attr is an attribute of a request.
type attr func(*stun.Message)

func message(method stun.Method, class stun.MessageClass, attrs ...attr) *stun.Message {
	m := stun.New()
	m.Type = stun.NewType(method, class)
	m.TransactionID = stun.NewTransactionID()
	m.WriteHeader()
	for _, a := range attrs {
		a(m)
	}
	return m
}

func raw(t stun.AttrType, v ...byte) attr { return func(m *stun.Message) { m.Add(t, v) } }
func peer(a netip.AddrPort) attr {
	return func(m *stun.Message) { addXORAddress(m, stun.AttrXORPeerAddress, a) }
}

func channelNumber(n uint16) attr {
	return raw(stun.AttrChannelNumber, byte(n>>8), byte(n), 0, 0)
}

func lifetime(seconds uint32) attr {
	return raw(stun.AttrLifetime, binary.BigEndian.AppendUint32(nil, seconds)...)
}
func udpTransport() attr { return raw(stun.AttrRequestedTransport, protoUDP, 0, 0, 0) }
func wantFamily(b byte) attr {
	return raw(stun.AttrRequestedAddressFamily, b, 0, 0, 0)
}
func bothFamilies() attr { return raw(attrAdditionalAddressFamily, wireIPv6, 0, 0, 0) }
func data(p string) attr { return raw(stun.AttrData, []byte(p)...) }

// exchange sends a message and returns the answer, or nil.
func (c *testClient) exchange(m *stun.Message) *stun.Message {
	c.w.t.Helper()
	c.w.receive(c.addr)
	c.w.send(c.addr, c.server, m.Raw, relay.Meta{})
	for _, d := range c.w.receive(c.addr) {
		answer := stun.New()
		if d.src != c.server || stun.Decode(d.payload, answer) != nil {
			continue
		}
		if answer.TransactionID == m.TransactionID {
			return answer
		}
	}
	return nil
}

// sign adds the credential with the nonce the client has.
func (c *testClient) sign(m *stun.Message) *stun.Message {
	m.Add(stun.AttrUsername, []byte(c.user))
	m.Add(stun.AttrRealm, []byte("test"))
	m.Add(stun.AttrNonce, c.nonce)
	if err := c.key().AddTo(m); err != nil {
		c.w.t.Fatal(err)
	}
	return m
}

// do authenticates and sends a request and returns the answer. Its signature is
// checked, as is that it came from the address asked.
func (c *testClient) do(method stun.Method, attrs ...attr) *stun.Message {
	c.w.t.Helper()
	if c.nonce == nil {
		c.challenge()
	}
	answer := c.exchange(c.sign(message(method, stun.ClassRequest, attrs...)))
	if answer == nil {
		c.w.t.Fatalf("%s: no answer", method)
	}
	if code := codeOf(answer); code != 401 && code != 438 {
		if err := c.key().Check(answer); err != nil {
			c.w.t.Fatalf("%s: answer %d is not signed: %v", method, code, err)
		}
	}
	return answer
}

// challenge gets a nonce.
func (c *testClient) challenge() {
	c.w.t.Helper()
	answer := c.exchange(message(stun.MethodAllocate, stun.ClassRequest, udpTransport()))
	if codeOf(answer) != 401 {
		c.w.t.Fatalf("challenge answered with %d", codeOf(answer))
	}
	nonce, err := answer.Get(stun.AttrNonce)
	if err != nil {
		c.w.t.Fatal("401 has no nonce")
	}
	c.nonce = append([]byte(nil), nonce...)
}

// must is do for a request that has to succeed.
func (c *testClient) must(method stun.Method, attrs ...attr) *stun.Message {
	c.w.t.Helper()
	answer := c.do(method, attrs...)
	if code := codeOf(answer); code != 0 {
		c.w.t.Fatalf("%s: answered with %d", method, code)
	}
	return answer
}

// allocate makes an allocation and returns its relayed addresses.
func (c *testClient) allocate(attrs ...attr) []netip.AddrPort {
	c.w.t.Helper()
	return relayedOf(c.must(stun.MethodAllocate, append([]attr{udpTransport()}, attrs...)...))
}

func (c *testClient) permit(p netip.AddrPort) {
	c.w.t.Helper()
	c.must(stun.MethodCreatePermission, peer(p))
}

func (c *testClient) bind(n uint16, p netip.AddrPort) {
	c.w.t.Helper()
	c.must(stun.MethodChannelBind, channelNumber(n), peer(p))
}

func (c *testClient) channelData(n uint16, payload string) {
	c.w.send(c.addr, c.server, appendChannelData(nil, n, []byte(payload)), relay.Meta{})
}

func (c *testClient) indicate(p netip.AddrPort, payload string) {
	m := message(stun.MethodSend, stun.ClassIndication, peer(p), data(payload))
	c.w.send(c.addr, c.server, m.Raw, relay.Meta{})
}

// payloads returns what the host received, as text.
func (w *world) payloads(host netip.AddrPort) []string {
	var out []string
	for _, d := range w.receive(host) {
		out = append(out, string(d.payload))
	}
	return out
}

func codeOf(m *stun.Message) int {
	if m == nil {
		return -1
	}
	var e stun.ErrorCodeAttribute
	if m.Type.Class == stun.ClassSuccessResponse {
		return 0
	}
	if e.GetFrom(m) != nil {
		return -2
	}
	return int(e.Code)
}

func relayedOf(m *stun.Message) []netip.AddrPort {
	var out []netip.AddrPort
	for _, a := range m.Attributes {
		if a.Type == stun.AttrXORRelayedAddress {
			ap, _ := xorAddress(a.Value, m.TransactionID)
			out = append(out, ap)
		}
	}
	return out
}

func lifetimeOf(m *stun.Message) time.Duration {
	v, _, _ := uint32Attribute(m, stun.AttrLifetime)
	return time.Duration(v) * time.Second
}
