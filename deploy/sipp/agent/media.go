package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	packetTime = 20 * time.Millisecond
	packetLen  = 12 + 160
	// patience is how long a side waits for what the other still sends.
	patience = 3 * time.Second
)

// media is one audio stream.
type media struct {
	conn   *net.UDPConn
	local  netip.AddrPort
	remote netip.AddrPort

	mu   sync.Mutex
	seen map[uint16]bool
	from netip.AddrPort
	more chan struct{} // told of each packet
}

func newMedia(local netip.Addr) (*media, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		return nil, fmt.Errorf("open the socket of RTP: %w", err)
	}
	m := &media{
		conn: conn, local: conn.LocalAddr().(*net.UDPAddr).AddrPort(), seen: map[uint16]bool{}, more: make(chan struct{}, 1),
	}
	go m.receive()
	return m, nil
}

func (m *media) close() { _ = m.conn.Close() } // nothing is lost

// describe is the SDP of this side.
func (m *media) describe() []byte {
	family := "IP4"
	if m.local.Addr().Unmap().Is6() {
		family = "IP6"
	}
	return fmt.Appendf(nil, "v=0\r\no=agent 1 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n",
		family, m.local.Addr().Unmap(), family, m.local.Addr().Unmap(), m.local.Port())
}

// connect takes the far side's address from its SDP.
func (m *media) connect(sdp []byte) error {
	var addr netip.Addr
	var port uint64
	for line := range strings.Lines(string(sdp)) {
		words := strings.Fields(strings.TrimSpace(line))
		switch {
		case len(words) == 3 && strings.HasPrefix(words[0], "c="):
			addr, _ = netip.ParseAddr(words[2])
		case len(words) > 2 && words[0] == "m=audio":
			port, _ = strconv.ParseUint(words[1], 10, 16)
		}
	}
	if !addr.IsValid() || port == 0 {
		return errors.New("the other side's SDP names no place for audio")
	}
	m.remote = netip.AddrPortFrom(addr, uint16(port))
	return nil
}

// receive counts until the socket is closed. What does not come from where the signalling
// said is noise.
func (m *media) receive() {
	buf := make([]byte, 2048)
	for {
		n, from, err := m.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if n < 12 || buf[0]>>6 != 2 {
			continue
		}
		m.mu.Lock()
		m.seen[binary.BigEndian.Uint16(buf[2:])] = true
		m.from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		m.mu.Unlock()
		select {
		case m.more <- struct{}{}:
		default:
		}
	}
}

// talk sends for so long, then waits until as much has come back, and reports.
func (m *media) talk(ctx context.Context, d time.Duration) Report {
	number := int(d / packetTime)
	tick := time.NewTicker(packetTime)
	defer tick.Stop()
	packet := make([]byte, packetLen)
	packet[0] = 2 << 6
	binary.BigEndian.PutUint32(packet[8:], uint32(m.local.Port()))
	sent := 0
	for ; sent < number && ctx.Err() == nil; <-tick.C {
		binary.BigEndian.PutUint16(packet[2:], uint16(sent))
		binary.BigEndian.PutUint32(packet[4:], uint32(sent*160))
		if _, err := m.conn.WriteToUDPAddrPort(packet, m.remote); err == nil {
			sent++
		}
	}
	m.await(ctx, number)
	m.mu.Lock()
	defer m.mu.Unlock()
	return Report{Step: "ended", Sent: sent, Received: len(m.seen), From: m.from.String()}
}

func (m *media) await(ctx context.Context, number int) {
	over := time.NewTimer(patience)
	defer over.Stop()
	for {
		m.mu.Lock()
		done := len(m.seen) >= number
		m.mu.Unlock()
		if done {
			return
		}
		select {
		case <-m.more:
		case <-over.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
