package loop

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestRudeStreamsAreClosed(t *testing.T) {
	quick := Limits{Message: 1000, Complete: 300 * time.Millisecond, Handshake: 300 * time.Millisecond, Idle: 600 * time.Millisecond, Outbound: 100_000}
	l, h := start(t, quick, nil)
	tcp := func() net.Conn { return dial(t, "tcp", l.cfg.TCP[0]) }
	secure := func() net.Conn {
		return tls.Client(dial(t, "tcp", l.cfg.TLS[0]), &tls.Config{InsecureSkipVerify: true})
	}
	for name, open := range map[string]func() net.Conn{"tcp": tcp, "tls": secure} {
		t.Run(name+" message that is never whole", func(t *testing.T) {
			c := open()
			send(t, c, "a\nb")
			expect(t, c, "a\n")
			expectClosed(t, c, h, ErrSlowMessage)
		})
		t.Run(name+" message that is too large", func(t *testing.T) {
			c := open()
			send(t, c, strings.Repeat("x", 1001))
			expectClosed(t, c, h, ErrTooLarge)
		})
		t.Run(name+" what no framer takes", func(t *testing.T) {
			c := open()
			send(t, c, "a\n\x00\n")
			expect(t, c, "a\n")
			expectClosed(t, c, h, errForbidden)
		})
		t.Run(name+" nothing for long", func(t *testing.T) {
			c := open()
			send(t, c, "a\n")
			expect(t, c, "a\n")
			expectClosed(t, c, h, ErrIdle)
		})
		t.Run(name+" does not read", func(t *testing.T) {
			c := open()
			send(t, c, "a\n")
			expect(t, c, "a\n") // the node's side of the handshake is done: before, so much at once is refused
			line := strings.Repeat("x", 900) + "\n"
			for range 100_000 { // until the echoes fill every buffer between here and there
				if _, err := c.Write([]byte(line)); err != nil {
					break
				}
				for len(h.came) > 0 {
					<-h.came
				}
			}
			expectClosed(t, c, h, ErrSlowReader)
		})
	}
	t.Run("handshake that is never done", func(t *testing.T) {
		before := l.Stats().ClosedSlow
		c := dial(t, "tcp", l.cfg.TLS[0])
		b := make([]byte, 1)
		if _, err := c.Read(b); err == nil || os.IsTimeout(err) {
			t.Errorf("got %v", err)
		}
		if s := l.Stats(); s.ClosedSlow+s.Handshakes <= before {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("kept although idle", func(t *testing.T) {
		c := tcp()
		send(t, c, "a\n")
		for wait(t, h.came, "a message").text != "a\n" {
		}
		l.mu.Lock()
		for conn := range l.conns {
			conn.Keep(true)
		}
		l.mu.Unlock()
		expect(t, c, "a\n")
		_ = c.SetReadDeadline(time.Now().Add(2 * quick.Idle))
		if _, err := c.Read(make([]byte, 1)); !os.IsTimeout(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestConnectionsAreCounted(t *testing.T) {
	l, h := start(t, Limits{Connections: 5, PerSource: 3}, nil)
	from := func(local string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
		c, err := d.Dial("tcp", l.cfg.TCP[0].String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		return c
	}
	works := func(c net.Conn) bool {
		_, err := c.Write([]byte("a\n"))
		if err == nil {
			_, err = c.Read(make([]byte, 2))
		}
		return err == nil
	}
	var open []net.Conn
	for i, want := range []struct {
		from string
		ok   bool
	}{{"127.0.0.2", true}, {"127.0.0.2", true}, {"127.0.0.2", true}, {"127.0.0.2", false}, {"127.0.0.3", true}, {"127.0.0.3", true}, {"127.0.0.4", false}} {
		c := from(want.from)
		if got := works(c); got != want.ok {
			t.Errorf("connection %d from %s: %v", i, want.from, got)
		}
		open = append(open, c)
	}
	if s := l.Stats(); s.Open != 5 || s.RefusedFull != 2 {
		t.Errorf("got %+v", s)
	}
	_ = open[0].Close()
	wait(t, h.closed, "the end of one")
	if !works(from("127.0.0.4")) {
		t.Error("a place was not given back")
	}
}

func TestRates(t *testing.T) {
	l, h := start(t, Limits{Rate: 1, Burst: 20}, func(c *Config) {
		c.Loops = 1 // so that what is sent first comes first
		c.Handler.(*sink).echo = false
	})
	u := dial(t, "udp", l.cfg.UDP[0])
	for i := range 200 {
		send(t, u, fmt.Sprint(i, "\n"))
	}
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	other, err := d.Dial("udp", l.cfg.UDP[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	send(t, other, "other\n")
	count := 0
	for wait(t, h.came, "another source").text != "other\n" {
		count++
	}
	if s := l.Stats(); count > 25 || s.RefusedRate < 100 {
		t.Errorf("%d came of one source, %+v", count, s)
	}
	c := dial(t, "tcp", l.cfg.TCP[0])
	send(t, c, "stream\n")
	m := wait(t, h.came, "a stream's message")
	for m.from.Transport == UDP {
		m = wait(t, h.came, "a stream's message")
	}
	if !m.from.OverRate {
		t.Error("a stream over its rate was not marked")
	}
}

func TestRateTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRates(Limits{Rate: 10, Burst: 20, RatedSources: shards}.withDefaults())
		taken := func(a string, n int) int {
			ok := 0
			for range n {
				if r.allow(netip.MustParseAddr(a), time.Now()) {
					ok++
				}
			}
			return ok
		}
		if got := taken("192.0.2.1", 100); got != 20 {
			t.Errorf("at once: %d", got)
		}
		time.Sleep(time.Second)
		if got := taken("192.0.2.1", 100); got != 10 {
			t.Errorf("after a second: %d", got)
		}
		if got := taken("2001:db8::1", 15) + taken("2001:db8::ffff", 15); got != 20 {
			t.Errorf("one site of IPv6: %d", got)
		}
		for i := range 100_000 { // spoofed sources
			r.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), time.Now())
		}
		held := 0
		for i := range r.shard {
			held += len(r.shard[i].source)
		}
		if held > shards {
			t.Errorf("%d sources are held", held)
		}
		time.Sleep(time.Minute)
		r.forget(time.Now())
		for i := range r.shard {
			if n := len(r.shard[i].source); n != 0 {
				t.Errorf("%d full buckets are kept", n)
			}
		}
	})
}

// fewDescriptors makes the test binary serve, with so many descriptors.
const fewDescriptors = "TURNPIKE_LOOP_TEST_DESCRIPTORS"

// A process without descriptors must go on when it has some again, and its calls must
// not suffer meanwhile.
func TestRunningOutOfDescriptors(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fewDescriptors+"=64")
	cmd.Stderr = os.Stderr
	stop, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stop.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	said := bufio.NewScanner(out)
	if !said.Scan() {
		t.Fatal("the server said nothing")
	}
	at, err := netip.ParseAddrPort(said.Text())
	if err != nil {
		t.Fatal(err)
	}
	first := dial(t, "tcp", at)
	send(t, first, "a\n")
	expect(t, first, "a\n")
	var more []net.Conn
	for range 200 { // the kernel takes them, the process cannot
		more = append(more, dial(t, "tcp", at))
	}
	for !strings.HasPrefix(said.Text(), "out of descriptors") {
		if !said.Scan() {
			t.Fatal("the server ended")
		}
	}
	send(t, first, "b\n")
	expect(t, first, "b\n")
	for _, c := range more {
		_ = c.Close()
	}
	for end := time.Now().Add(patience); ; { // it may still be closing them
		late := dial(t, "tcp", at)
		send(t, late, "c\n")
		if _, err := late.Read(make([]byte, 2)); err == nil {
			return
		} else if time.Now().After(end) {
			t.Fatalf("nobody is taken any more: %v", err)
		}
	}
}

func serveWithFewDescriptors() int {
	var n uint64
	if _, err := fmt.Sscan(os.Getenv(fewDescriptors), &n); err != nil {
		return 1
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // until the test closes our input
		_, _ = os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	h := &sink{echo: true, came: make(chan message, 10_000), closed: make(chan *Conn, 10_000)}
	at, l := netip.AddrPort{}, (*Loop)(nil)
	for l == nil { // another may take the port in between
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		at = addrPort(ln.Addr())
		_ = ln.Close()
		l, _ = New(Config{TCP: []netip.AddrPort{at}, NewFramer: func() Framer { return lines{} }, Handler: h, Loops: 1})
	}
	go func() {
		<-l.Listening()
		fmt.Println(at)
		for tick := time.NewTicker(10 * time.Millisecond); l.Stats().NoDescriptors == 0; <-tick.C {
		}
		fmt.Println("out of descriptors")
	}()
	if err := l.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
