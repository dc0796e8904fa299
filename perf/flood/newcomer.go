package flood

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/turn/v4"

	"turnpike.dev/turnpike/perf/lab"
)

// patience is how long an honest client waits for a connection.
const patience = 2 * time.Second

// AllocateByTCP is an honest client: it connects, gets a relay, and goes.
func AllocateByTCP(host *lab.Host, from netip.Addr, server netip.AddrPort, user, password string) (time.Duration, error) {
	start := time.Now()
	var conn net.Conn
	err := host.Do(func() (err error) {
		d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
		conn, err = d.Dial("tcp", server.String())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("connect to %s: %w", server, err)
	}
	defer conn.Close() //nolint:errcheck // nothing is lost
	_ = conn.SetDeadline(start.Add(patience))
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server.String(), TURNServerAddr: server.String(), Conn: turn.NewSTUNConn(conn),
		Username: user, Password: password,
	})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	if err := client.Listen(); err != nil {
		return 0, err
	}
	relay, err := client.Allocate()
	if err != nil {
		return 0, fmt.Errorf("allocate by TCP: %w", err)
	}
	took := time.Since(start)
	_ = relay.Close() // gives it back
	return took, nil
}
