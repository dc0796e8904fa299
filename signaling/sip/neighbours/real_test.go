package neighbours

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
)

// neighbour is a zone with peers, as the node file has it.
func neighbour(name, transport string, at ...netip.AddrPort) string {
	var peers []string
	for _, a := range at {
		peers = append(peers, fmt.Sprintf("%q", a))
	}
	return fmt.Sprintf("  - {name: %s, protocol: sip, peers: [%s], sip: {transport: %s}}\n", name, strings.Join(peers, ", "), transport)
}

// RG-06, RG-08: nodes tell each other how many media sessions they have left and that
// they are in maintenance, over each transport. The peer with the most room comes first,
// the one in maintenance is left out.
func TestNodesTellEachOther(t *testing.T) {
	here := free(t, "127.0.0.1")
	for _, over := range []string{"udp", "tcp"} {
		t.Run(over, func(t *testing.T) {
			var at []netip.AddrPort
			var far []*end
			for _, l := range []Load{{100, 90, false}, {100, 10, false}, {500, 0, false}} {
				a := free(t, "127.0.0.1")
				at = append(at, a)
				far = append(far, launch(t, setup{udp: []netip.AddrPort{a}, tcp: []netip.AddrPort{a}, load: l, text: "zones:\n" + neighbour("edge", over, here)}))
			}
			near := launch(t, setup{udp: []netip.AddrPort{here}, tcp: []netip.AddrPort{here}, text: "zones:\n" + neighbour("far", over, at...)})
			order := func() (out []int) {
				o := zones.Choose(near.zone("far"), near, "bob@example.com")
				for i := range o.Len() {
					out = append(out, o.At(i))
				}
				return out
			}
			near.until(t, "all of them asked", func() bool { return zones.Status(near.zone("far"), near) == "Active (3 of 3)" })
			near.until(t, "most room first", func() bool { return cmp.Equal(order(), []int{2, 1, 0}) })
			far[2].carry(Load{500, 0, true})
			far[0].carry(Load{100, 5, false})
			near.until(t, "after maintenance began", func() bool { return cmp.Equal(order(), []int{0, 1}) })
			if s := zones.Status(near.zone("far"), near); s != "Active (3 of 3)" {
				t.Errorf("status %s, log %v", s, near.log.all())
			}
		})
	}
}

// A zone whose certificates are checked: the node shows its own, verifies the peer's and
// takes what comes over such a connection as the zone's. Who shows another name gets
// nowhere, and is nobody (RFC 5922).
func TestCertificatesOfZones(t *testing.T) {
	ca := newAuthority(t)
	at := map[string]netip.AddrPort{"near": free(t, "127.0.0.1"), "good": free(t, "127.0.0.1"), "evil": free(t, "127.0.0.1")}
	strict := func(name string, to netip.AddrPort, certificate string) string {
		return fmt.Sprintf("  - {name: %s, protocol: sip, peers: [%q], sip: {transport: tls, tls_verify: on, tls_verify_name: %s}}\n", name, to, certificate)
	}
	tell := Load{Maximum: 9}
	good := launch(t, setup{tls: []netip.AddrPort{at["good"]}, authority: ca, names: []string{"good.example"}, load: tell, text: "zones:\n" + strict("near", at["near"], "near.example")})
	evil := launch(t, setup{tls: []netip.AddrPort{at["evil"]}, authority: ca, names: []string{"evil.example"}, load: tell, text: "zones:\n" + strict("near", at["near"], "near.example")})
	near := launch(t, setup{
		tls: []netip.AddrPort{at["near"]}, authority: ca, names: []string{"near.example"}, load: tell,
		text: "zones:\n" + strict("good", at["good"], "good.example") + strict("claimed", at["evil"], "claimed.example"),
	})
	near.until(t, "the peer whose certificate fits", func() bool { return near.Peer(near.zone("good"), 0).Known })
	near.until(t, "the peer whose certificate does not", func() bool { return near.Peer(near.zone("claimed"), 0).Silent })
	// The other way: near is asked, and only tells whom it knows by certificate.
	good.until(t, "asked as a zone", func() bool { return good.Peer(good.zone("near"), 0).Known })
	evil.until(t, "asked as nobody", func() bool { s := evil.Peer(evil.zone("near"), 0); return !s.Checking && !s.Known && !s.Silent })
}

// A traversal client opens a connection to its zone's port, logs in and keeps it. The
// server's requests for the zone go over it, and what comes over it is the zone's.
func TestTraversal(t *testing.T) {
	ca := newAuthority(t)
	port, inner := free(t, "127.0.0.1"), free(t, "127.0.0.2")
	server := func() *end {
		return launch(t, setup{
			tls: []netip.AddrPort{port}, authority: ca, names: []string{"server.example"}, load: Load{Maximum: 7},
			text: fmt.Sprintf("accounts: [{name: inner, password: secret}, {name: other, password: secret}]\nzones:\n  - {name: clients, type: traversal_server, protocol: sip, sip: {tls_verify: on, tls_verify_name: inner.example}, traversal: {username: inner, sip_port: %d}}\n", port.Port()),
		})
	}
	client := func(t *testing.T, name, account, password string) *end {
		return launch(t, setup{
			tls: []netip.AddrPort{inner}, authority: ca, names: []string{name}, load: Load{Maximum: 5, Current: 2},
			text: fmt.Sprintf("zones:\n  - {name: outer, type: traversal_client, protocol: sip, peers: [%q], sip: {tls_verify: on, tls_verify_name: server.example}, traversal: {username: %s, password: %s}}\n", port, account, password),
		})
	}
	outer := server()
	clients := outer.zone("clients")
	for _, wrong := range []struct{ name, certificate, account, password string }{
		{"another password", "inner.example", "inner", "guess"},
		{"another account", "inner.example", "other", "secret"},
		{"another certificate", "evil.example", "inner", "secret"},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			c := client(t, wrong.certificate, wrong.account, wrong.password)
			c.until(t, "refused", func() bool { return c.Peer(c.zone("outer"), 0).Silent })
			if outer.Hops(clients, 0) != nil || zones.Status(clients, outer) != "Failed" {
				t.Error("it is in")
			}
		})
	}
	t.Run("the right one", func(t *testing.T) {
		in := client(t, "inner.example", "inner", "secret")
		outer.until(t, "connected", func() bool { return outer.Peer(clients, 0) == zones.PeerState{Known: true, Free: 3} })
		in.until(t, "the server lives", func() bool { return in.Peer(in.zone("outer"), 0).Known })
		h := outer.Hops(clients, 0)[0]
		if h.Conn == nil || !h.Only || h.Transport != loop.TLS {
			t.Errorf("hop %+v", h)
		}
		if z := outer.Source(loop.Source{Transport: loop.TLS, Local: port, Remote: h.Remote, Conn: h.Conn}); z != clients {
			t.Errorf("what comes over it is of %s", z.Name)
		}
		if s := zones.Status(clients, outer); s != "Active (1 of 6)" {
			t.Errorf("status %s, log %v", s, outer.log.all())
		}
		// A request of the server over it reaches the client as the zone's: it is told.
		asked := ask(t, outer, h)
		if got := asked.Get(Header); got != "maximum=5;current=2" {
			t.Errorf("the client says %q", got)
		}
		h.Conn.Close()
		outer.until(t, "connected anew", func() bool {
			again := outer.Hops(clients, 0)
			return again != nil && again[0].Conn != h.Conn
		})
	})
	outer.until(t, "gone with the client", func() bool { return outer.Hops(clients, 0) == nil })
}

// Real peers of other makes: SIPp and Kamailio answer OPTIONS.
func TestRealPeers(t *testing.T) {
	sippAt, kamailioAt := free(t, "127.0.0.1"), free(t, "127.0.0.1")
	here := free(t, "127.0.0.1")
	near := launch(t, setup{udp: []netip.AddrPort{here}, text: "zones:\n" + neighbour("sipp", "udp", sippAt) + neighbour("kamailio", "udp", kamailioAt)})
	near.until(t, "nobody there yet", func() bool {
		return near.Peer(near.zone("sipp"), 0).Silent && near.Peer(near.zone("kamailio"), 0).Silent
	})
	sipp := begin(t, "sipp", "-sf", absolute(t, "testdata/options.xml"), "-i", sippAt.Addr().String(), "-p", fmt.Sprint(sippAt.Port()), "-nostdin", "-timeout", "60")
	begin(t, "kamailio", "-f", kamailioConfig(t, kamailioAt), "-DD", "-E", "-m", "32", "-M", "4", "-w", t.TempDir(), "-Y", t.TempDir())
	near.until(t, "SIPp answers", func() bool { return !near.Peer(near.zone("sipp"), 0).Silent })
	near.until(t, "Kamailio answers", func() bool { return !near.Peer(near.zone("kamailio"), 0).Silent })
	if s := zones.Status(near.zone("kamailio"), near); s != "Active (1 of 1)" {
		t.Errorf("status %s, log %v", s, near.log.all())
	}
	_ = sipp.Process.Signal(unix.SIGKILL)
	near.until(t, "SIPp has gone", func() bool { return zones.Status(near.zone("sipp"), near) == "Failed" })
}

// begin starts a program that ends with the test, and all that it has started with it.
func begin(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: run `make deps`", name)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL); _ = cmd.Wait() })
	return cmd
}

func absolute(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func kamailioConfig(t *testing.T, at netip.AddrPort) string {
	t.Helper()
	text, err := os.ReadFile("testdata/options.cfg")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kamailio.cfg")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "ADDRESS", at.String())), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
