package peers

import (
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
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	var conn net.Conn
	err := client.Do(func() (err error) {
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
		if ask(conn) {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("no answer from %s in %s", server, readyTime), ctx.Err())
}

// ask sends a Binding request and waits a little for the answer.
func ask(conn net.Conn) bool {
	const patience = 100 * time.Millisecond
	deadline := time.Now().Add(patience)
	request := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
	_, _ = conn.Write(request.Raw)
	_ = conn.SetReadDeadline(deadline)
	buf := make([]byte, 1500)
	for time.Now().Before(deadline) {
		n, err := conn.Read(buf) // "connection refused" comes at once
		if err == nil && stun.IsMessage(buf[:n]) {
			return true
		}
	}
	return false
}
