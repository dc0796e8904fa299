package endtoend_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"turnpike.dev/turnpike/cmd/turnpike/tryout"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// Where the peer sends everything back: RTP, and RTCP beside it.
const echoPort = 3480

// coturnRun is one way to call turnutils_uclient.
type coturnRun struct {
	name  string
	shape lab.Shape
	file  file
	tls   bool
	args  []string // besides user, count and server
	peer6 bool
	node6 bool
	// What the node's list must say: the path of all relays that have a channel, and
	// words of the reason. No path: no relay has a channel.
	path, reason, transport string
}

const (
	secret        = "shared"
	coturnClients = 4
)

var coturnRuns = []coturnRun{
	{name: "channels", args: []string{"-c"}, path: "xdp", transport: "udp"},
	{name: "channels, with RTCP", path: "xdp", transport: "udp"},
	{name: "one interface", shape: lab.SingleInterface, args: []string{"-c"}, path: "xdp", transport: "udp"},
	{name: "padded channel data", args: []string{"-c", "-D"}, path: "xdp", transport: "udp"},
	{name: "odd length", args: []string{"-c", "-l", "171"}, path: "xdp", transport: "udp"},
	{name: "extra requests", args: []string{"-c", "-G"}, path: "xdp", transport: "udp"},
	{name: "Send indications", args: []string{"-c", "-s"}, transport: "udp"},
	{name: "client to client", args: []string{"-c", "-y"}, path: "xdp", transport: "udp"},
	{name: "client to client, one interface", shape: lab.SingleInterface, args: []string{"-c", "-y"}, path: "xdp", transport: "udp"},
	{
		name: "client to client, static NAT", args: []string{"-c", "-y"}, path: "xdp", transport: "udp",
		file: file{interfaces: "internal: {name: s0}, external: {name: s1, static_nat: 203.0.113.7}"},
	},
	{name: "client to client, IPv6 relays", args: []string{"-c", "-y", "-x"}, path: "xdp", transport: "udp"},
	{name: "client to client, Send indications", args: []string{"-c", "-y", "-s"}, transport: "udp"},
	{name: "client to client over TCP", args: []string{"-c", "-y", "-t"}, path: "userspace", reason: "TCP", transport: "tcp"},
	{name: "IPv6 relays", args: []string{"-c", "-x"}, peer6: true, path: "xdp", transport: "udp"},
	{name: "IPv6 client and relays", args: []string{"-c", "-x"}, peer6: true, node6: true, path: "xdp", transport: "udp"},
	{name: "IPv6 client, IPv4 relays", args: []string{"-c", "-X"}, node6: true, path: "xdp", transport: "udp"},
	{name: "TCP", args: []string{"-c", "-t"}, path: "userspace", reason: "TCP", transport: "tcp"},
	{name: "TCP, Send indications", args: []string{"-c", "-t", "-s"}, transport: "tcp"},
	{name: "TLS", tls: true, args: []string{"-c", "-t", "-S", "-p", "5349"}, path: "userspace", reason: "TLS", transport: "tls"},
	{name: "TLS, IPv6 relays", tls: true, args: []string{"-c", "-t", "-S", "-p", "5349", "-x"}, peer6: true, path: "userspace", reason: "TLS", transport: "tls"},
	{name: "time-limited credentials", file: file{turn: "secrets: [" + secret + "]"}, args: []string{"-c", "-W", secret}, path: "xdp", transport: "udp"},
	{name: "in the process", file: file{more: "dataplane: {mode: userspace}"}, args: []string{"-c"}, path: "userspace", reason: "dataplane.mode", transport: "udp"},
}

// ME-01, ME-03, ME-04: coturn's client in all its ways. Nothing is lost, and the list says
// who relays, and why not XDP.
func TestCoturnClient(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	atATime := make(chan struct{}, 6)
	for _, r := range coturnRuns {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			atATime <- struct{}{}
			defer func() { <-atATime }()
			r.do(t)
		})
	}
}

func (r coturnRun) do(t *testing.T) {
	f := r.file
	if r.tls {
		certificate, key := selfSigned(t)
		f.turn = fmt.Sprintf("tls: {certificate: %q, key: %q}", certificate, key)
	}
	n := newNode(t, lab.Options{Shape: r.shape}, f)
	n.echo(t)
	watch := n.watch(t)
	said, err := n.Lab.Client.Command(t.Context(), "turnutils_uclient", r.arguments(n)...).CombinedOutput()
	relays := watch()
	if err != nil {
		t.Fatalf("turnutils_uclient %v: %v\n%s", r.arguments(n), err, last(said))
	}
	sent, lost := totals(t, said)
	if sent == 0 || lost != 0 {
		t.Errorf("%d of %d packets lost\n%s", lost, sent, last(said))
	}
	flows := 0 // that carried something
	for _, x := range relays {
		if x.Transport != r.transport {
			t.Errorf("relay %d is over %s, want %s", x.ID, x.Transport, r.transport)
		}
		for _, c := range x.Channels { // the client binds some that it does not use
			for _, f := range []relay.FlowStats{c.Up, c.Down} {
				if f.Packets == 0 {
					continue
				}
				flows++
				if string(f.Path) != r.path || !strings.Contains(f.Reason, r.reason) {
					t.Errorf("relay %d to %s: path=%s (%s), want path=%s (%s)", x.ID, c.Peer, f.Path, f.Reason, r.path, r.reason)
				}
			}
		}
	}
	if (flows > 0) != (r.path != "") || len(relays) < coturnClients {
		t.Errorf("%d relays were seen, with %d flows that carried something", len(relays), flows)
	}
}

func (r coturnRun) arguments(n *node) []string {
	args := append([]string{"-u", user, "-m", strconv.Itoa(coturnClients), "-n", "100", "-z", "20"}, r.args...)
	if !strings.Contains(strings.Join(r.args, " "), "-W") {
		args = append(args, "-w", password)
	}
	peers := n.Lab.PeerAddrs.V4
	if r.peer6 {
		peers = n.Lab.PeerAddrs.V6
	}
	server := n.Lab.Node.Links[0].Prefixes[0].Addr()
	if r.node6 {
		server = n.Lab.Node.Links[0].Prefixes[1].Addr()
	}
	return append(args, "-e", peers[0].String(), "-r", strconv.Itoa(echoPort), server.String())
}

// echo has the peers send back what they get.
func (n *node) echo(t *testing.T) {
	t.Helper()
	var running sync.WaitGroup
	t.Cleanup(running.Wait) // after the sockets are closed
	for _, a := range []netip.Addr{n.Lab.PeerAddrs.V4[0], n.Lab.PeerAddrs.V6[0]} {
		for _, p := range []uint16{echoPort, echoPort + 1} {
			var conn net.PacketConn
			err := n.Lab.Peer.Do(func() (err error) {
				conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, p)))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			running.Go(func() { tryout.Echo(conn) })
		}
	}
}

// watch looks at the relays while clients come and go; what it returns ends that and
// gives each relay as it was when there were most of them.
func (n *node) watch(t *testing.T) func() map[uint64]api.Relay {
	ctx, cancel := context.WithCancel(t.Context())
	seen, most, done := map[uint64]api.Relay{}, 0, make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			relays, _ := n.API.Relays(ctx) // the next look brings it
			// Who talks to a client that has gone does so by the process.
			if channels := channelsOf(relays); channels >= most {
				most = channels
				for _, r := range relays {
					seen[r.ID] = r
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(30 * time.Millisecond):
			}
		}
	}()
	return func() map[uint64]api.Relay {
		cancel()
		<-done
		return seen
	}
}

func channelsOf(relays []api.Relay) (n int) {
	for _, r := range relays {
		n += len(r.Channels)
	}
	return n
}

var (
	totalSent = regexp.MustCompile(`tot_send_msgs=(\d+)`)
	totalLost = regexp.MustCompile(`Total lost packets (\d+)`)
)

// totals reads what turnutils_uclient says at its end.
func totals(t *testing.T, said []byte) (sent, lost int) {
	t.Helper()
	all, missing := totalSent.FindAllSubmatch(said, -1), totalLost.FindSubmatch(said)
	if len(all) == 0 || missing == nil {
		t.Fatalf("turnutils_uclient gave no totals\n%s", last(said))
	}
	sent, _ = strconv.Atoi(string(all[len(all)-1][1]))
	lost, _ = strconv.Atoi(string(missing[1]))
	return sent, lost
}

func last(text []byte) string { return string(text[max(0, len(text)-1500):]) }

// selfSigned makes a certificate and its key, and returns the files.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	certPEM, keyPEM := newCertificate(t)
	for file, text := range map[string][]byte{certificate: certPEM, key: keyPEM} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}
