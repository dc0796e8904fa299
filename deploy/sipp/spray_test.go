package sipp_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
)

// spray sends RTP to every media port of an address, over and over for so long, and
// returns how many packets came back.
func spray(h *lab.Host, from, to netip.Addr, d time.Duration) (got int, err error) {
	var conn *net.UDPConn
	err = h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
		return err
	})
	if err != nil {
		return 0, err
	}
	defer conn.Close() //nolint:errcheck // nothing is lost
	packet := make([]byte, 172)
	packet[0] = 2 << 6
	sequence := uint16(0)
	for end := time.Now().Add(d); time.Now().Before(end); {
		for port := int(runner.NodePorts.First); port <= int(runner.NodePorts.Last); port++ {
			sequence++
			binary.BigEndian.PutUint16(packet[2:], sequence)
			_, _ = conn.WriteToUDPAddrPort(packet, netip.AddrPortFrom(to, uint16(port))) // refused ones are told by ICMP
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	for buf := make([]byte, 2048); ; {
		_, _, err := conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return got, nil
		case err == nil:
			got++
		}
	}
}
