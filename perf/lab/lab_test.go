package lab_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRoundTrip(t *testing.T) {
	three := labtest.New(t, lab.Options{Clients: 3, Peers: 2, Queues: 2})
	single := labtest.New(t, lab.Options{Shape: lab.SingleInterface, Clients: 2, Peers: 2})
	for _, tt := range []struct {
		name     string
		from, to *lab.Host
		src, dst string
	}{
		{"client to node", three.Client, three.Node, "198.18.0.2", "198.18.0.1"},
		{"third client to node", three.Client, three.Node, "198.18.0.4", "198.18.0.1"},
		{"client to node IPv6", three.Client, three.Node, "fd00:0:0:1::2", "fd00:0:0:1::1"},
		{"node to peer", three.Node, three.Peer, "198.18.1.1", "198.18.1.2"},
		{"node to second peer IPv6", three.Node, three.Peer, "fd00:0:0:2::1", "fd00:0:0:2::3"},
		{"client to the node's far side", three.Client, three.Node, "198.18.0.2", "198.18.1.1"},
		{"single: node to client", single.Node, single.Client, "198.18.0.1", "198.18.0.3"},
		{"single: peer to node", single.Peer, single.Node, "198.18.0.130", "198.18.0.1"},
		{"single: peer to node IPv6", single.Peer, single.Node, "fd00:0:0:1::131", "fd00:0:0:1::1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			here := listen(t, tt.from, tt.src)
			there := listen(t, tt.to, tt.dst)
			ping(t, here, there)
			ping(t, there, here)
		})
	}
}

func TestClientDoesNotReachPeer(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	from, to := listen(t, l.Client, "198.18.0.2"), listen(t, l.Peer, "198.18.1.2")
	if _, err := from.WriteTo([]byte("routed"), to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	// What comes through the node afterwards shows that the first did not.
	relayed := listen(t, l.Node, "198.18.1.1")
	if _, err := relayed.WriteTo([]byte("relayed"), to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, to); got != "relayed" {
		t.Errorf("peer got %q", got)
	}
}

func TestUnplugAndPlug(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	before := l.Node.Link("s1")
	if err := l.Unplug("s1"); err != nil {
		t.Fatal(err)
	}
	if link, err := l.Peer.Netlink().LinkByName("p0"); err == nil {
		t.Errorf("the far end is left: %v", link)
	}
	if err := l.Plug("s1"); err != nil {
		t.Fatal(err)
	}
	if after := l.Node.Link("s1"); after.Index == before.Index || len(l.Node.Links) != 2 || len(l.Peer.Links) != 1 {
		t.Errorf("before %+v, after %+v of %d links", before, after, len(l.Node.Links))
	}
	ping(t, listen(t, l.Node, "198.18.1.1"), listen(t, l.Peer, "198.18.1.2"))
}

func TestCommandRunsInsideWithMachinesFiles(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	out, err := l.Node.Command(context.Background(), "sh", "-c", "readlink /proc/$$/ns/mnt; ls /sys/class/net >/dev/null; cat /proc/net/dev").Output()
	if err != nil {
		t.Fatal(err)
	}
	mnt, _ := os.Readlink("/proc/self/ns/mnt")
	if !strings.HasPrefix(string(out), mnt+"\n") {
		t.Errorf("command has another mount namespace than %s: %s", mnt, out)
	}
	for _, link := range []string{"s0:", "s1:", "lo:"} {
		if !strings.Contains(string(out), link) {
			t.Errorf("command does not see %s: %s", link, out)
		}
	}
}

func TestDoLeavesTheThreadsAtHome(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	before, _ := os.Readlink("/proc/thread-self/ns/net")
	wrong := errors.New("wrong")
	err := l.Node.Do(func() error {
		if inside, _ := os.Readlink("/proc/thread-self/ns/net"); inside == before {
			t.Error("not inside the namespace")
		}
		return wrong
	})
	if !errors.Is(err, wrong) {
		t.Errorf("got error %v", err)
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if ns, err := os.Readlink("/proc/self/task/" + task.Name() + "/ns/net"); err == nil && ns != before {
			t.Errorf("thread %s stayed in %s", task.Name(), ns)
		}
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	before := names(t)
	l := labtest.New(t, lab.Options{})
	if cmp.Equal(before, names(t)) {
		t.Error("the lab has no named namespaces")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, n := range names(t) {
		if strings.HasPrefix(n, l.Name) {
			t.Errorf("%s is left", n)
		}
	}
	if err := l.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestNameIsTakenOverFromCrashedRun(t *testing.T) {
	opts := lab.Options{Name: "lab-test-stale"}
	stale := labtest.New(t, opts)
	fresh := labtest.New(t, opts)
	if len(fresh.Node.Links) != 2 {
		t.Errorf("links: %+v", fresh.Node.Links)
	}
	_ = stale
}

func TestNewRefusesBadOptions(t *testing.T) {
	for _, opts := range []lab.Options{{Name: "../x"}, {Name: "Lab"}, {Clients: 101}, {Peers: 101}} {
		if l, err := lab.New(opts); err == nil {
			_ = l.Close()
			t.Errorf("%+v: no error", opts)
		}
	}
}

// names lists the named namespaces of the machine.
func names(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/run/netns")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var ns []string
	for _, e := range entries {
		ns = append(ns, e.Name())
	}
	return ns
}

func listen(t *testing.T, h *lab.Host, addr string) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	err := h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func ping(t *testing.T, from, to *net.UDPConn) {
	t.Helper()
	if _, err := from.WriteTo([]byte("ping"), to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, to); got != "ping" {
		t.Errorf("got %q", got)
	}
}

func read(t *testing.T, conn *net.UDPConn) string {
	t.Helper()
	buf := make([]byte, 100)
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, _, err := conn.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}
