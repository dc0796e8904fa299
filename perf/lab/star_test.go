package lab_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

// serveEcho answers on a host until the test ends.
func serveEcho(t *testing.T, h *lab.Host, at string) {
	t.Helper()
	err := h.Do(func() error {
		l, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				t.Cleanup(func() { _ = c.Close() }) // the other end may not tell
				go func() { _, _ = io.Copy(c, c) }()
			}
		}()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func dialFrom(h *lab.Host, at string, patience time.Duration) (c net.Conn, err error) {
	err = h.Do(func() error {
		c, err = net.DialTimeout("tcp", at, patience)
		return err
	})
	return c, err
}

// roundTrip is the shortest of a few.
func roundTrip(t *testing.T, c net.Conn) time.Duration {
	t.Helper()
	best, b := time.Hour, []byte("x")
	for range 5 {
		start := time.Now()
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	return best
}

// CL-09: two hosts are as far apart as they are said to be, and lose nothing between them.
func TestStarDelays(t *testing.T) {
	s := labtest.NewStar(t, lab.StarOptions{Hosts: []time.Duration{20 * time.Millisecond, 20 * time.Millisecond, 0}})
	for _, at := range []string{s.Addr(0).String() + ":7", "[" + s.Addr6(0).String() + "]:7"} {
		serveEcho(t, s.Hosts[0], at)
		for from, want := range map[int]time.Duration{1: 80 * time.Millisecond, 2: 40 * time.Millisecond} {
			c, err := dialFrom(s.Hosts[from], at, 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if got := roundTrip(t, c); got < want || got > want+20*time.Millisecond {
				t.Errorf("host %d is %v from %s, want %v", from+1, got, at, want)
			}
			_ = c.Close()
		}
	}
}

func TestStarCarriesBulk(t *testing.T) {
	s := labtest.NewStar(t, lab.StarOptions{Hosts: []time.Duration{20 * time.Millisecond, 20 * time.Millisecond}})
	at := s.Addr(0).String() + ":7"
	serveEcho(t, s.Hosts[0], at)
	c, err := dialFrom(s.Hosts[1], at, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB
	go func() { _, _ = c.Write(data) }()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	back := make([]byte, len(data))
	start := time.Now()
	if _, err := io.ReadFull(c, back); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, back) {
		t.Error("what came back is not what was sent")
	}
	t.Logf("2 MiB and back in %v; %d frames lost", time.Since(start), s.Switch.Lost())
}

func TestStarCutsOneWay(t *testing.T) {
	s := labtest.NewStar(t, lab.StarOptions{Hosts: make([]time.Duration, 2)})
	at := s.Addr(0).String() + ":7"
	serveEcho(t, s.Hosts[0], at)
	for _, cut := range [][2]int{{0, 1}, {1, 0}} {
		s.Switch.Cut(cut[0], cut[1], true)
		if c, err := dialFrom(s.Hosts[1], at, 300*time.Millisecond); err == nil {
			_ = c.Close()
			t.Errorf("reached with the line %v cut", cut)
		}
		s.Switch.Cut(cut[0], cut[1], false)
		c, err := dialFrom(s.Hosts[1], at, 5*time.Second)
		if err != nil {
			t.Fatal(fmt.Errorf("the line %v is whole again: %w", cut, err))
		}
		_ = c.Close()
	}
}
