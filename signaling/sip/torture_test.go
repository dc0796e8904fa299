package sip_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/message/torture"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// taker is each part of a stack: it answers with its own name.
type taker string

func (p taker) take(t *transaction.Server) { t.Reply(200, string(p)) }

func (p taker) Invite(t *transaction.Server)      { p.take(t) }
func (p taker) Register(t *transaction.Server)    { p.take(t) }
func (p taker) Request(t *transaction.Server)     { p.take(t) }
func (p taker) Within(t *transaction.Server) bool { p.take(t); return true }
func (p taker) Ack(loop.Source, *message.Message) {}

// tortured starts a stack whose parts say who they are, and returns a socket to it.
func tortured(t *testing.T) net.Conn {
	t.Helper()
	at := labtest.FreePort(t, "127.0.0.1")
	s, err := sip.New(sip.Config{
		Transport: transport.Config{UDP: []netip.AddrPort{at}}, Own: func(message.URI) bool { return false },
		Panicked: func(reason any) { t.Errorf("panic: %v", reason) },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Use(sip.Parts{Calls: taker("calls"), Registrar: taker("registrar"), Proxy: taker("proxy")})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-s.Transport().Listening()
	c, err := net.Dial("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// wanted is the beginning of the answer that the stack gives by itself, or the part that
// it hands a message to; empty for silence.
func wanted(c torture.Case) string {
	request, _, _ := strings.Cut(string(c.Data), " ")
	switch {
	case c.Layer == torture.Nobody, c.Layer == torture.Response:
		return ""
	case c.Layer == torture.Message, c.Layer == torture.Core, c.Status == 483:
		return fmt.Sprintf("SIP/2.0 %d ", c.Status)
	case request == "INVITE":
		return "SIP/2.0 200 calls"
	case request == "REGISTER":
		return "SIP/2.0 200 registrar"
	}
	return "SIP/2.0 200 proxy"
}

// viaHost is each Via up to its parameters, folded or not.
var viaHost = regexp.MustCompile(`(?i)(\nv(?:ia)?[ \t]*:(?:[^\r;]|\r\n[ \t])*)`)

// Each message of RFC 4475 gets its answer from the whole stack, or finds the part that
// answers it.
func TestTortureFindsItsPart(t *testing.T) {
	conn := tortured(t)
	b := make([]byte, 64<<10)
	came := make(map[string]bool)
	answer := func(t *testing.T) string {
		for {
			n, err := conn.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			again := came[string(b[:n])] // no INVITE is acknowledged here, so that answers are repeated
			came[string(b[:n])] = true
			if line, _, _ := strings.Cut(string(b[:n]), "\r\n"); !again && !strings.HasPrefix(line, "SIP/2.0 100 ") {
				return line
			}
		}
	}
	for i, c := range torture.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			// Answers go to where the Via says; with rport they come here.
			send := func(text string) {
				if _, err := conn.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			send(viaHost.ReplaceAllString(string(c.Data), "$1;rport"))
			if want := wanted(c); want != "" {
				if got := answer(t); !strings.HasPrefix(got, want) {
					t.Errorf("%s, want %s: %s", got, want, c.Why)
				}
			}
			// Nothing more of it comes before the answer to the next request.
			send(fmt.Sprintf("OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x;rport;branch=z9hG4bKnext%d\r\nFrom: <sip:x>;tag=1\r\nTo: <sip:x>\r\n"+
				"Call-ID: next%d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", i, i))
			if got := answer(t); got != "SIP/2.0 200 proxy" {
				t.Errorf("then %s", got)
			}
		})
	}
}
