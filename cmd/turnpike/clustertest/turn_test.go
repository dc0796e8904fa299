package clustertest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/cmd/turnpike/tryout"
)

// relaysOfEach is how many relays a node has ports for.
const relaysOfEach = 12

// turnOn is for nodes with few relays.
const turnOn = "cluster_tls: permissive\nturn: {mode: on, realm: test, tls: {port: 5349}, users: [{name: u, password: p}], media_ports: {start: 24000, end: 24011}}\n"

// CA-04: of two real nodes the full one, and the one in maintenance, send TURN clients to the
// other, and nobody to one that is full too. coturn's client goes there by itself.
func TestFullNodeSendsRelaysElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, 1)
	must(t, r.Form(t.Context(), turnOn))
	h := household{r}
	r.part("Full", func(t *testing.T, _ *rig) {
		h.fill(t, 0)
		h.sends(t, 0, 1)
	})
	r.part("Coturn", func(t *testing.T, _ *rig) { h.coturn(t, 0) })
	r.part("BothFull", func(t *testing.T, _ *rig) {
		h.fill(t, 1)
		h.refuses(t, 0)
		h.refuses(t, 1)
	})
	r.part("Maintenance", func(t *testing.T, r *rig) {
		h.empty(t, 0)
		h.empty(t, 1)
		r.run(1, "maintenance", "on")
		h.sends(t, 1, 0)
		r.run(0, "maintenance", "on")
		h.refuses(t, 0)
		r.run(1, "maintenance", "off")
		h.sends(t, 0, 1)
	})
	r.part("BlockedUDP", blockedUDP) // on the same two: they are there
}

// CL-19: the check names UDP 1719 where it is blocked, on either side, and nothing of it where it is open.
func blockedUDP(t *testing.T, r *rig) {
	says := func(want ...string) {
		t.Helper()
		out, err := r.Nodes[0].Run("cluster", "check") // something is missing in a lab: no NTP
		if got := strings.Count(out, "UDP port 1719"); got != len(want) {
			t.Errorf("UDP is named %d times, want %d: %v\n%s", got, len(want), err, out)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("it does not say %q\n%s", w, out)
			}
		}
	}
	says()
	must(t, r.Nodes[1].Filter("input udp dport 1719 drop"))
	says("UDP port 1719 of " + r.Addresses(1)[0] + " cannot be reached from here")
	must(t, r.Nodes[1].Filter())
	must(t, r.Nodes[0].Filter("input udp dport 1719 reject"))
	says("UDP port 1719 of this node cannot be reached from " + r.Addresses(1)[0])
	must(t, r.Nodes[0].Filter())
	says()
}

// household is TURN clients on the extra host.
type household struct{ rig *rig }

func (h household) server(i int) netip.AddrPort {
	return netip.AddrPortFrom(h.rig.Star.Addr(i), 3478)
}

func (h household) socket(t *testing.T, port uint16) net.PacketConn {
	t.Helper()
	var conn net.PacketConn
	must(t, h.rig.Star.Hosts[2].Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.rig.Star.Addr(2), port)))
		return err
	}))
	return conn
}

// fill takes all relays of a node; nobody refreshes them, but they last longer than the test.
func (h household) fill(t *testing.T, i int) {
	t.Helper()
	var running sync.WaitGroup
	defer running.Wait()
	for range relaysOfEach {
		conn := h.socket(t, 0)
		running.Go(func() {
			defer func() { _ = conn.Close() }()
			if code, _, err := ask(conn, h.server(i)); err != nil || code != 0 {
				t.Errorf("tp%d answers %d: %v", i+1, code, err)
			}
		})
	}
}

// empty ends the relays of a node.
func (h household) empty(t *testing.T, i int) {
	t.Helper()
	list, err := h.rig.Nodes[i].API.Relays(t.Context())
	must(t, err)
	for _, x := range list {
		must(t, h.rig.Nodes[i].API.Kill(t.Context(), x.ID))
	}
}

// sends waits until a node sends a client to another one, which has a relay for it.
func (h household) sends(t *testing.T, from, to int) {
	t.Helper()
	h.rig.within(5*time.Second, fmt.Sprintf("tp%d sends to tp%d", from+1, to+1), func() error {
		conn := h.socket(t, 0)
		defer func() { _ = conn.Close() }()
		code, at, err := ask(conn, h.server(from))
		if err == nil && (code != stun.CodeTryAlternate || at != h.server(to)) {
			err = fmt.Errorf("it answers %d %s", code, at)
		}
		if err != nil {
			return err
		}
		if code, _, err = ask(conn, at); err == nil && code != 0 {
			err = fmt.Errorf("the other one answers %d", code)
		}
		return err
	})
	h.empty(t, to)
}

// refuses waits until a node says that there is no relay.
func (h household) refuses(t *testing.T, i int) {
	t.Helper()
	h.rig.within(5*time.Second, fmt.Sprintf("tp%d refuses", i+1), func() error {
		conn := h.socket(t, 0)
		defer func() { _ = conn.Close() }()
		code, at, err := ask(conn, h.server(i))
		if err == nil && code != stun.CodeInsufficientCapacity {
			err = fmt.Errorf("it answers %d %s", code, at)
		}
		return err
	})
}

// ask asks a server for a relay, and returns the code of the answer (0: it got one) and where it
// is to try instead.
func ask(conn net.PacketConn, server netip.AddrPort) (code stun.ErrorCode, instead netip.AddrPort, err error) {
	wants := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}
	answer, err := exchange(conn, server, wants)
	if err != nil {
		return 0, instead, err
	}
	var realm stun.Realm
	var nonce stun.Nonce
	if err := errors.Join(realm.GetFrom(answer), nonce.GetFrom(answer)); err != nil {
		return 0, instead, err
	}
	key := stun.NewLongTermIntegrity("u", realm.String(), "p")
	answer, err = exchange(conn, server, wants, stun.NewUsername("u"), realm, nonce, key)
	if err != nil || answer.Type.Class == stun.ClassSuccessResponse {
		return 0, instead, err
	}
	var refused stun.ErrorCodeAttribute
	if err := errors.Join(refused.GetFrom(answer), key.Check(answer)); err != nil {
		return 0, instead, err
	}
	var at stun.AlternateServer
	if at.GetFrom(answer) == nil {
		addr, _ := netip.AddrFromSlice(at.IP)
		instead = netip.AddrPortFrom(addr.Unmap(), uint16(at.Port))
	}
	return refused.Code, instead, nil
}

func exchange(conn net.PacketConn, server netip.AddrPort, with ...stun.Setter) (*stun.Message, error) {
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest)}, with...)...)
	if err != nil {
		return nil, err
	}
	if _, err := conn.WriteTo(m.Raw, net.UDPAddrFromAddrPort(server)); err != nil {
		return nil, err
	}
	must := conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	buf := make([]byte, 2048)
	n, _, err := conn.ReadFrom(buf)
	if err := errors.Join(must, err); err != nil {
		return nil, err
	}
	answer := &stun.Message{Raw: buf[:n]}
	return answer, answer.Decode()
}

// coturn has coturn's client ask a full node: its packets go through the other one, none is lost.
func (h household) coturn(t *testing.T, full int) {
	t.Helper()
	echo, done := h.socket(t, 3480), make(chan struct{})
	go func() { defer close(done); tryout.Echo(echo) }()
	defer func() { _ = echo.Close(); <-done }()
	var running sync.WaitGroup
	defer running.Wait()
	for transport, way := range map[string][]string{"UDP": nil, "TCP": {"-t"}, "TLS": {"-t", "-S", "-p", "5349"}} {
		args := append(way, "-u", "u", "-w", "p", "-c", "-m", "1", "-n", "20", "-z", "20",
			"-e", h.rig.Star.Addr(2).String(), "-r", "3480", h.server(full).Addr().String())
		running.Go(func() {
			said, err := h.rig.Star.Hosts[2].Command(t.Context(), "turnutils_uclient", args...).CombinedOutput()
			text := string(said)
			if err != nil || !strings.Contains(text, "Try Alternate") || !strings.Contains(text, "tot_recv_msgs=20") || !strings.Contains(text, "Total lost packets 0 ") {
				t.Errorf("over %s: %v\n%s", transport, err, text)
			}
		})
	}
}
