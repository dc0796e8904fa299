package pace

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	// tick is how often a stream looks at what is due.
	tick = 20 * time.Millisecond
	// mostPayload of a packet: a stream that sends more sends more packets.
	mostPayload = 1000
	// mostLate is how much of what is due is made up for at once. A process that the machine
	// kept from running does not send a second's worth in one burst, which a policer would
	// be right to cut.
	mostLate = 100 * time.Millisecond
	// payloadType is dynamic (RFC 3551), as the scenarios offer it for video.
	payloadType = 96
)

// Stream is the RTP of one call in one direction. Its rate counts payload, without the
// headers of IP, UDP and RTP, as a grant does (BW-06).
type Stream struct {
	end           *End
	to            netip.AddrPort
	stop          chan struct{}
	done          chan struct{}
	kbps          atomic.Int64
	packets, sent atomic.Uint64
	packet        [headerLen + mostPayload]byte
}

// Send begins a stream. It goes on until Stop or until the end is closed.
func (e *End) Send(ssrc uint32, to netip.AddrPort, kbps int) *Stream {
	s := &Stream{end: e, to: to, stop: make(chan struct{}), done: make(chan struct{})}
	s.kbps.Store(int64(kbps))
	s.packet[0], s.packet[1] = 2<<6, payloadType
	binary.BigEndian.PutUint32(s.packet[8:], ssrc)
	e.running.Go(s.run)
	return s
}

// SetKbps changes the rate.
func (s *Stream) SetKbps(kbps int) { s.kbps.Store(int64(kbps)) }

// Sent is what has been sent.
func (s *Stream) Sent() Count { return Count{s.packets.Load(), s.sent.Load()} }

// Stop ends the stream and returns what it sent. Only once.
func (s *Stream) Stop() Count {
	close(s.stop)
	<-s.done
	return s.Sent()
}

func (s *Stream) run() {
	defer close(s.done)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last, rest := time.Now(), 0
	for {
		select {
		case now := <-ticker.C:
			passed := min(now.Sub(last), mostLate)
			last = now
			rest = s.send(rest + bytesIn(passed, s.kbps.Load()))
		case <-s.stop:
			return
		case <-s.end.closed:
			return
		}
	}
}

// bytesIn is how much payload so many kbit/s are in a time.
func bytesIn(d time.Duration, kbps int64) int {
	return int(int64(d) * kbps / 8 / int64(time.Millisecond))
}

// send sends payload in packets of one size, none of which is larger than may be, and
// returns what is too little for each to have one byte more.
func (s *Stream) send(payload int) (rest int) {
	number := (payload + mostPayload - 1) / mostPayload
	if number == 0 {
		return payload
	}
	each := payload / number
	for range number {
		binary.BigEndian.PutUint16(s.packet[2:], uint16(s.packets.Load()))
		binary.BigEndian.PutUint32(s.packet[4:], uint32(s.packets.Load()*90*uint64(tick/time.Millisecond)))
		if _, err := s.end.conn.WriteToUDPAddrPort(s.packet[:headerLen+each], s.to); err != nil {
			continue // an answer by ICMP, or the end is closed
		}
		s.packets.Add(1)
		s.sent.Add(uint64(each))
	}
	return payload - number*each
}
