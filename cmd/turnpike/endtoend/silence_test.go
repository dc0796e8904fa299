package endtoend_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// ME-06: what arrives for a process that is not there gets no ICMP error, by which
// clients and peers would take the relay for dead.
func TestSilenceWithoutProcess(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	for name, signal := range map[string]unix.Signal{"killed": unix.SIGKILL, "terminated": unix.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, lab.Options{Peers: 2}, file{})
			s := newSite(t, n, 1)
			probes := []probe{
				n.probe(t, "request", n.Lab.Client, n.Lab.ClientAddrs.V4[0], n.server()),
				n.probe(t, "request on IPv6", n.Lab.Client, n.Lab.ClientAddrs.V6[0], netip.AddrPortFrom(n.Lab.Node.Link("s0").Prefixes[1].Addr(), port)),
				n.probe(t, "permitted peer from another port", n.Lab.Peer, n.Lab.PeerAddrs.V4[0], s.relays[0].Relayed),
				n.probe(t, "stranger", n.Lab.Peer, n.Lab.PeerAddrs.V4[1], s.relays[0].Relayed),
			}
			n.End(t, signal)
			for end := time.Now().Add(4 * time.Second); time.Now().Before(end); wait(t, 20*time.Millisecond) {
				for _, p := range probes {
					p.send(t)
				}
			}
			for _, h := range []*lab.Host{n.Lab.Client, n.Lab.Peer} {
				if got := unreachables(t, h); got != 0 {
					t.Errorf("%s got %d ICMP errors", h.Name, got)
				}
			}
			n.Start(t)
			probes[0].answered(t)
		})
	}
}

// probe is a socket that would be told of ICMP errors.
type probe struct {
	name string
	conn *net.UDPConn
}

func (n *node) probe(t *testing.T, name string, h *lab.Host, from netip.Addr, to netip.AddrPort) probe {
	t.Helper()
	p := probe{name: name}
	err := h.Do(func() (err error) {
		p.conn, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(to))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.conn.Close() })
	return p
}

// send sends a request; an ICMP error for an earlier one comes back now.
func (p probe) send(t *testing.T) {
	t.Helper()
	_, err := p.conn.Write(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw)
	if err != nil {
		t.Errorf("%s: %v", p.name, err)
	}
}

// answered waits for an answer to a request.
func (p probe) answered(t *testing.T) {
	t.Helper()
	buf := make([]byte, 1500)
	nodetest.Eventually(t, 5*time.Second, p.name, func() error {
		p.send(t)
		_ = p.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, err := p.conn.Read(buf)
		return err
	})
}

// unreachables is how many ICMP errors a host got because of closed ports.
func unreachables(t *testing.T, h *lab.Host) (n uint64) {
	t.Helper()
	err := h.Do(func() error {
		v4, err4 := counterIn("/proc/thread-self/net/snmp", "Icmp: InDestUnreachs")
		v6, err6 := counterIn("/proc/thread-self/net/snmp6", "Icmp6InDestUnreachs")
		n = v4 + v6
		return errors.Join(err4, err6)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var errNoCounter = errors.New("no such counter")

// counterIn reads "NAME VALUE" of snmp6, or "GROUP: NAME" of snmp, which has the names
// in one line and the values in the next.
func counterIn(file, name string) (uint64, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return parseCounter(string(data), name)
}
