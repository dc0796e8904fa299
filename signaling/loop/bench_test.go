package loop

import (
	"crypto/tls"
	"net"
	"runtime"
	"strings"
	"testing"
)

// Each benchmark sends a message of 1000 bytes to a loop and waits for the echo, on
// loopback: client, kernel and loop are in the figure, parsing is not. Compare with
// BenchmarkGoroutinePerConnection, which is the same with the standard library alone.
var text = strings.Repeat("x", 999) + "\n"

func echo(b *testing.B, c net.Conn) {
	b.Helper()
	buffer := make([]byte, len(text))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write([]byte(text)); err != nil {
			b.Fatal(err)
		}
		for n := 0; n < len(buffer); {
			m, err := c.Read(buffer[n:])
			if err != nil {
				b.Fatal(err)
			}
			n += m
		}
	}
}

func quietly(c *Config) {
	h := c.Handler.(*sink)
	c.Handler = &echoer{h}
	c.Limits.Rate = 1 << 30
}

// echoer sends back without telling the test.
type echoer struct{ *sink }

func (e *echoer) Message(from Source, data []byte) {
	if from.Conn != nil {
		_ = from.Conn.Send(data)
		return
	}
	_ = e.loop.SendUDP(from.Local, from.Remote, data)
}

func (*echoer) Closed(*Conn) {}

func BenchmarkUDP(b *testing.B) {
	l, _ := start(b, Limits{Rate: 1 << 30}, quietly)
	c, err := net.Dial("udp", l.cfg.UDP[0].String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	echo(b, c)
}

func BenchmarkTCP(b *testing.B) {
	l, _ := start(b, Limits{Rate: 1 << 30}, quietly)
	c, err := net.Dial("tcp", l.cfg.TCP[0].String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	echo(b, c)
}

func BenchmarkTLS(b *testing.B) {
	l, _ := start(b, Limits{Rate: 1 << 30}, quietly)
	c, err := tls.Dial("tcp", l.cfg.TLS[0].String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	echo(b, c)
}

func BenchmarkGoroutinePerConnection(b *testing.B) {
	server, _ := certificate(b)
	for name, secure := range map[string]bool{"TCP": false, "TLS": true} {
		b.Run(name, func(b *testing.B) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer ln.Close()
			go func() {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				if secure {
					c = tls.Server(c, server)
				}
				defer c.Close()
				for buffer := make([]byte, 4096); ; {
					n, err := c.Read(buffer)
					if err != nil {
						return
					}
					if _, err := c.Write(buffer[:n]); err != nil {
						return
					}
				}
			}()
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			if secure {
				c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			}
			defer c.Close()
			echo(b, c)
		})
	}
}

// BenchmarkIdleTLS reports what an idle TLS connection keeps on this side's heap and
// stacks after one message. The client is in the same process: both ends are in the
// figure.
func BenchmarkIdleTLS(b *testing.B) {
	const many = 500
	l, _ := start(b, Limits{Rate: 1 << 30, PerSource: many, Idle: 1 << 40}, quietly)
	before := heapAndStacks()
	conns := make([]net.Conn, many)
	for i := range conns {
		c, err := tls.Dial("tcp", l.cfg.TLS[0].String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("a\n")); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 2)); err != nil {
			b.Fatal(err)
		}
		conns[i] = c
	}
	kept := float64(heapAndStacks()-before) / many / 1024
	runtime.KeepAlive(conns)
	for b.Loop() { // the time is nothing; the figure is the memory
	}
	b.ReportMetric(kept, "KiB/connection-both-ends")
}

func heapAndStacks() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
