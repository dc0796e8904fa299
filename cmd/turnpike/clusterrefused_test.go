package main

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
)

// detail returns what an alarm that stands on a node says; empty: it does not stand.
func (p *pair) detail(n *pairNode, number int) string {
	p.t.Helper()
	all, err := api.NewClient(n.state).Alarms(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, a := range all {
		if a.Number == number && a.Stands() {
			return a.Detail
		}
	}
	return ""
}

// logged says whether the event log of a node has a record of a connection that was refused for a reason.
func (p *pair) logged(n *pairNode, reason, from string) bool {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(n.state, "event.log"))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, `Event="Cluster Connection Refused"`) && strings.Contains(line, `Reason="`+reason+`"`) && strings.Contains(line, `Src-ip="`+from+`"`) {
			return true
		}
	}
	return false
}

// knock connects to the cluster's port of the first node from another address of the second's machine.
func (p *pair) knock(from string) error {
	p.t.Helper()
	host := p.nodes[1].host
	link, err := host.Netlink().LinkByName(host.Links[0].Name)
	if err != nil {
		p.t.Fatal(err)
	}
	addr, err := netlink.ParseAddr(from + "/24")
	if err == nil {
		err = host.Netlink().AddrAdd(link, addr)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return host.Do(func() error {
		d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
		c, err := d.Dial("tcp", "198.18.0.1:4372")
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 1))
		return err
	})
}

// CL-05, AL-01, AL-02: who comes from an address that is not in the list, a peer with another key, and a rogue
// on a dead peer's address are refused; the alarm and the log say why, and each heals as it is documented.
func TestPeersThatAreRefused(t *testing.T) {
	p := newPair(t)
	one, two := p.nodes[0], p.nodes[1]
	p.formed()
	if err := p.knock("198.18.0.77"); err == nil || os.IsTimeout(err) {
		t.Errorf("an address that is not in the list: %v", err)
	}
	p.within(2*time.Second, "the record of it", func() bool { return p.logged(one, "unlisted", "198.18.0.77") })

	p.stop(two, unix.SIGKILL)
	kept := two.state + ".kept"
	if err := os.Rename(two.state, kept); err != nil {
		t.Fatal(err)
	}
	p.start(two) // another node, with a key of its own, on the address of the dead one
	p.within(10*time.Second, "20004 with the reason", func() bool { return strings.Contains(p.detail(one, 20004), "another key than the one that was pinned") })
	p.within(2*time.Second, "the record of it", func() bool { return p.logged(one, "key", "198.18.0.2") })
	if out := p.tried(one, "cluster", "status"); !strings.Contains(out, "Failed") {
		t.Errorf("the rogue is not shown as failed:\n%s", out)
	}
	p.stop(two, unix.SIGTERM)
	if err := os.RemoveAll(two.state); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(kept, two.state); err != nil {
		t.Fatal(err)
	}
	p.start(two)
	p.formed() // the true one needs nobody
	p.within(3*time.Second, "20004 lowered", func() bool { return !p.stands(one, 20004) })

	p.stop(two, unix.SIGTERM)
	keys, err := filepath.Glob(filepath.Join(two.state, "certificates", "*"))
	if err != nil || len(keys) == 0 {
		t.Fatalf("certificates %v, %v", keys, err)
	}
	for _, f := range keys {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	p.start(two) // with a new certificate of its own making
	p.within(10*time.Second, "20004 with the reason", func() bool { return strings.Contains(p.detail(one, 20004), "turnpike cluster trust") })
	p.run(one, "cluster", "trust", "198.18.0.2")
	p.formed()
	p.within(3*time.Second, "20004 lowered", func() bool { return !p.stands(one, 20004) })
}
