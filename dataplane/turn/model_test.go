package turn

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"
	"pgregory.net/rapid"
)

// model is what the clients were told, which is what must be true.
type model struct {
	w       *world
	cfg     Config
	places  *places
	clients []*modelClient
	failure string
}

func (m *model) fatalf(rt *rapid.T, format string, v ...any) {
	m.failure = fmt.Sprintf(format, v...)
	rt.Fatal(m.failure)
}

type modelClient struct {
	*testClient
	relay    netip.AddrPort
	expires  time.Time // zero: no allocation
	permits  map[netip.Addr]time.Time
	channels map[uint16]modelChannel
}

type modelChannel struct {
	peer    netip.AddrPort
	expires time.Time
}

// ME-06: whatever happens in whatever order, with kills in between, an acknowledged
// allocation is there until its time is over, and none rises from the dead.
func TestModelWithKills(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		file, err := os.CreateTemp(dir, "journal")
		if err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
		// A panic, which is how rapid ends a run, must not leave the bubble; and a
		// failure has to come from another line than the end of rapid's data.
		var m *model
		var end any
		synctest.Test(t, func(t *testing.T) {
			m = newModel(t, file.Name())
			defer func() { m.w.stop() }()
			defer func() { end = recover() }()
			rt.Repeat(rapid.StateMachineActions(m))
		})
		if m.failure != "" {
			rt.Fatal(m.failure)
		}
		if end != nil {
			panic(end)
		}
	})
}

func newModel(t *testing.T, journal string) *model {
	m := &model{cfg: testConfig(), places: &places{limit: 100}}
	m.cfg.JournalPath, m.cfg.PortMax, m.cfg.Capacity = journal, 24007, m.places
	m.w = &world{network: newNetwork(t), mono: func() int64 { return time.Now().UnixNano() }}
	m.w.start(m.cfg)
	for i := range uint16(4) {
		c := &modelClient{testClient: m.w.client()}
		c.addr = withPort(clientAddr, 40000+i)
		m.clients = append(m.clients, c)
	}
	return m
}

func (m *model) any(rt *rapid.T) *modelClient {
	return m.clients[rapid.IntRange(0, len(m.clients)-1).Draw(rt, "client")]
}

func anyPeer(rt *rapid.T) netip.AddrPort {
	host := rapid.SampledFrom([]string{"198.51.100.50", "198.51.100.51"}).Draw(rt, "host")
	return netip.AddrPortFrom(netip.MustParseAddr(host), rapid.Uint16Range(7000, 7001).Draw(rt, "port"))
}

// request is do, with a new nonce when the old one is an hour old.
func (c *modelClient) request(method stun.Method, attrs ...attr) *stun.Message {
	answer := c.do(method, attrs...)
	if codeOf(answer) == 438 {
		c.nonce = nil
		answer = c.do(method, attrs...)
	}
	return answer
}

func (c *modelClient) alive() bool { return time.Now().Before(c.expires) }

func (m *model) expect(rt *rapid.T, what string, answer *stun.Message, want int) bool {
	if got := codeOf(answer); got != want {
		m.fatalf(rt, "%s answered with %d, want %d", what, got, want)
	}
	return want == 0
}

func (m *model) Allocate(rt *rapid.T) {
	c := m.any(rt)
	want, seconds := 0, rapid.SampledFrom([]uint32{600, 1200}).Draw(rt, "lifetime")
	if c.alive() {
		want = 437
	}
	answer := c.request(stun.MethodAllocate, udpTransport(), lifetime(seconds))
	if m.expect(rt, "allocate", answer, want) {
		c.relay, c.expires = relayedOf(answer)[0], time.Now().Add(time.Duration(seconds)*time.Second)
		c.permits, c.channels = map[netip.Addr]time.Time{}, map[uint16]modelChannel{}
	}
}

func (m *model) Refresh(rt *rapid.T) {
	c := m.any(rt)
	seconds := rapid.SampledFrom([]uint32{0, 600, 1200}).Draw(rt, "lifetime")
	want := 437
	if c.alive() {
		want = 0
	}
	if m.expect(rt, "refresh", c.request(stun.MethodRefresh, lifetime(seconds)), want) {
		c.expires = time.Now().Add(time.Duration(seconds) * time.Second)
	}
}

func (m *model) Permit(rt *rapid.T) {
	c, p := m.any(rt), anyPeer(rt)
	want := 437
	if c.alive() {
		want = 0
	}
	if m.expect(rt, "permission", c.request(stun.MethodCreatePermission, peer(p)), want) {
		c.permits[p.Addr()] = time.Now().Add(permissionLifetime)
	}
}

func (m *model) Bind(rt *rapid.T) {
	c, p := m.any(rt), anyPeer(rt)
	number := rapid.Uint16Range(0x4000, 0x4002).Draw(rt, "number")
	want := 437
	if c.alive() {
		want = c.bindingCode(number, p)
	}
	if m.expect(rt, "bind", c.request(stun.MethodChannelBind, channelNumber(number), peer(p)), want) {
		c.channels[number] = modelChannel{p, time.Now().Add(channelLifetime)}
		c.permits[p.Addr()] = time.Now().Add(permissionLifetime)
	}
}

// bindingCode is 400 when number or peer is another's, or was until just now.
func (c *modelClient) bindingCode(number uint16, p netip.AddrPort) int {
	for n, ch := range c.channels {
		if time.Now().Before(ch.expires.Add(channelQuiet)) && (n == number) != (ch.peer == p) {
			return 400
		}
	}
	return 0
}

func (m *model) Time(rt *rapid.T) {
	later(time.Duration(rapid.IntRange(1, 400).Draw(rt, "seconds")) * time.Second)
}

func (m *model) Kill(rt *rapid.T) {
	m.places.taken = 0 // another process counts anew
	m.w.restarted(m.cfg)
	for _, c := range m.clients {
		c.w = m.w
	}
}

func (m *model) Stop(*rapid.T) {
	m.w.stop()
	m.w.crash()
	m.places.taken = 0
	m.w.start(m.cfg)
}

// Check compares the server with what the clients know, and tries every way through.
func (m *model) Check(rt *rapid.T) {
	synctest.Wait()
	alive := 0
	for _, c := range m.clients {
		if c.alive() {
			alive++
		}
		for _, host := range []string{"198.51.100.50", "198.51.100.51"} {
			for port := uint16(7000); port <= 7001; port++ {
				m.checkPeer(rt, c, netip.AddrPortFrom(netip.MustParseAddr(host), port))
			}
		}
	}
	if got := len(m.w.server.Allocations()); got != alive {
		m.fatalf(rt, "%d allocations, clients know of %d", got, alive)
	}
	if m.places.taken != alive {
		m.fatalf(rt, "%d places are taken for %d relays", m.places.taken, alive)
	}
	if h := m.w.holds(); h.Ports != 2+alive || h.Sockets != 2+alive {
		m.fatalf(rt, "%d allocations, but the node holds %+v", alive, h)
	}
}

func (m *model) checkPeer(rt *rapid.T, c *modelClient, p netip.AddrPort) {
	permitted := c.alive() && time.Now().Before(c.permits[p.Addr()])
	m.w.receive(p)
	c.indicate(p, "indication")
	if got := len(m.w.receive(p)); (got == 1) != permitted {
		m.fatalf(rt, "%s to %s: %d indications relayed, permitted %t", c.addr, p, got, permitted)
	}
	for n, ch := range c.channels {
		if ch.peer != p {
			continue
		}
		want := permitted && time.Now().Before(ch.expires)
		c.channelData(n, "data")
		if got := len(m.w.receive(p)); (got == 1) != want {
			m.fatalf(rt, "%s to %s: %d on channel %#x relayed, want %t", c.addr, p, got, n, want)
		}
	}
	m.w.receive(c.addr)
	m.w.send(p, c.relay, []byte("down"), metaNone)
	if got := len(m.w.receive(c.addr)); (got == 1) != permitted {
		m.fatalf(rt, "%s from %s: %d relayed, permitted %t", c.addr, p, got, permitted)
	}
}
