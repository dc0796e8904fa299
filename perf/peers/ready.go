package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/perf/lab"
)

// readyTime is how long a server has until it answers.
const readyTime = 10 * time.Second

// answering returns when the server answers STUN Binding requests of a client.
func (s *Server) answering(ctx context.Context, client *lab.Host, server netip.AddrPort) error {
	request := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
	return s.answers(ctx, client, server, request.Raw, stun.IsMessage)
}

// answeringSIP returns when the server answers OPTIONS, whatever it says.
func (s *Server) answeringSIP(ctx context.Context, client *lab.Host, server netip.AddrPort) error {
	request := fmt.Sprintf("OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP 198.18.255.254:9;rport;branch=z9hG4bKready\r\nMax-Forwards: 70\r\n"+
		"From: <sip:ready@%s>;tag=1\r\nTo: <sip:%s>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", server, Domain, server)
	return s.answers(ctx, client, server, []byte(request), func(b []byte) bool { return bytes.HasPrefix(b, []byte("SIP/2.0 ")) })
}

// answeringNG returns when rtpengine answers a ping of its control protocol.
func (s *Server) answeringNG(ctx context.Context, node *lab.Host, server netip.AddrPort) error {
	return s.answers(ctx, node, server, []byte("1 d7:command4:pinge"), func(b []byte) bool { return bytes.Contains(b, []byte("pong")) })
}

// answers repeats a request over UDP until an answer comes, or the server's process has
// ended.
func (s *Server) answers(ctx context.Context, from *lab.Host, server netip.AddrPort, request []byte, is func([]byte) bool) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	var conn net.Conn
	err := from.Do(func() (err error) {
		conn, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing is lost
	for ctx.Err() == nil {
		select {
		case <-s.exited:
			return fmt.Errorf("ended at once: %w", s.exitErr)
		default:
		}
		if ask(conn, request, is) {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("no answer from %s in %s", server, readyTime), ctx.Err())
}

// ask sends a request and waits a little for the answer.
func ask(conn net.Conn, request []byte, is func([]byte) bool) bool {
	const patience = 100 * time.Millisecond
	deadline := time.Now().Add(patience)
	_, _ = conn.Write(request)
	_ = conn.SetReadDeadline(deadline)
	buf := make([]byte, 1500)
	for time.Now().Before(deadline) {
		n, err := conn.Read(buf) // "connection refused" comes at once
		if err == nil && is(buf[:n]) {
			return true
		}
	}
	return false
}
