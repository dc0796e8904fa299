package rtp

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// maxStreams bounds the streams of a call.
const maxStreams = 32

// Call is the media of one call: streams with two legs each. Its methods may be called
// from any goroutine, and do not wait for packets.
type Call struct {
	media *Media
	owner string
	sides [2]Side

	mu       sync.Mutex
	released bool
	streams  []*stream // by index; nil: not in use
	silence  silence
	grant    grant
	rate     rate
}

// canonical has no IPv4-mapped addresses, and a public address in any case.
func (s Side) canonical() Side {
	s.Local, s.Public = s.Local.Unmap().WithZone(""), s.Public.Unmap().WithZone("")
	if !s.Public.IsValid() {
		s.Public = s.Local
	}
	return s
}

// Local returns where leg l's end is to send a stream. Ports are taken at the first
// call: RTP even, RTCP the next. ErrNoPorts when there are none.
func (c *Call) Local(i int, l Leg) (Ports, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.stream(i)
	if err != nil {
		return Ports{}, err
	}
	if err := s.bind(l); err != nil {
		return Ports{}, err
	}
	if err := s.sync(time.Now()); err != nil {
		return Ports{}, err
	}
	return s.ports(l), nil
}

// stream returns the stream of that index, a new one if need be.
func (c *Call) stream(i int) (*stream, error) {
	switch {
	case c.released:
		return nil, ErrReleased
	case i < 0 || i >= maxStreams:
		return nil, fmt.Errorf("stream %d: a call has at most %d", i, maxStreams)
	}
	for len(c.streams) <= i {
		c.streams = append(c.streams, nil)
	}
	if c.streams[i] == nil {
		c.streams[i] = newStream(c, i)
	}
	return c.streams[i], nil
}

// Set says where signalling put leg l's end of a stream: it opens the window in which
// that end's real address is learned (ME-02). Flows are installed when it returns, once
// both legs are known. Call it again at each re-INVITE, hold and answer: with the same
// addresses nothing changes that has been learned, unless its packets ceased. A stream
// that is gone (port 0) stops, and keeps its ports for the time it may come back; with
// an unspecified address (0.0.0.0, RFC 2543's hold) nothing is sent there. ErrRefused
// is for addresses that media does not go to; the leg is then as it was.
func (c *Call) Set(i int, l Leg, r Remote) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.stream(i)
	if err != nil {
		return err
	}
	r, err = c.checked(l, r)
	if err != nil {
		c.media.counts.refused.Add(1)
		return err
	}
	now := time.Now()
	s.signal(l, r, now)
	c.silence.restart(now, c.media.cfg.Timeout)
	return s.sync(now)
}

// Close ends one stream and gives up its ports. Its figures stay.
func (c *Call) Close(i int) {
	c.mu.Lock()
	var left leavings
	if !c.released && i >= 0 && i < len(c.streams) && c.streams[i] != nil {
		left = c.streams[i].end()
	}
	c.mu.Unlock()
	c.media.clear(left)
}

// Stats returns the streams as they stand, in order.
func (c *Call) Stats() []Stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released {
		return nil
	}
	return c.figures()
}

func (c *Call) figures() []Stream {
	var list []Stream
	for _, s := range c.streams {
		if s != nil {
			list = append(list, s.figures())
		}
	}
	return list
}

// Release ends all streams, gives up their ports and returns the final figures. Later
// calls return none.
func (c *Call) Release() []Stream {
	c.mu.Lock()
	if c.released {
		c.mu.Unlock()
		return nil
	}
	c.released = true
	var left leavings
	for _, s := range c.streams {
		if s != nil {
			left = slices.Concat(left, s.end())
		}
	}
	c.endGrant()
	list := c.figures()
	c.mu.Unlock()
	c.media.clear(left)
	c.media.forget(c)
	return list
}

// leavings are ports that nothing is relayed for, with their sockets still open.
type leavings []leaving

type leaving struct {
	port  uint16
	socks [lanes]relay.Socket
}

// clear closes the sockets, which waits for their handlers and so needs the call's lock
// free, and gives the ports back.
func (m *Media) clear(left leavings) {
	if len(left) == 0 {
		return
	}
	list := make([]uint16, len(left))
	for i, x := range left {
		for _, sock := range x.socks {
			_ = sock.Close() // the port is ours no more either way
		}
		list[i] = x.port
	}
	m.putPorts(list, time.Now())
}

// checked returns a remote with canonical addresses, or why media does not go there.
func (c *Call) checked(l Leg, r Remote) (Remote, error) {
	r.From = r.From.Unmap().WithZone("")
	if r.RTP.Port() == 0 {
		return r, nil
	}
	r.RTP = c.media.local(relay.Canonical(r.RTP))
	if r.RTCP.Port() == 0 || !r.RTCP.Addr().IsValid() {
		r.RTCP = netip.AddrPortFrom(r.RTP.Addr(), r.RTP.Port()+1) // 65536: port 0, which gets nothing
	}
	r.RTCP = c.media.local(relay.Canonical(r.RTCP))
	for _, a := range []netip.AddrPort{r.RTP, r.RTCP} {
		if !a.Addr().IsValid() || a.Addr().Is4() != c.sides[l].Local.Is4() {
			return r, fmt.Errorf("%w: %s from our %s: not of one family", ErrRefused, a, c.sides[l].Local)
		}
		if !a.Addr().IsUnspecified() && a.Port() != 0 && !c.media.reach.may(c.sides[l].Local, a) {
			return r, fmt.Errorf("%w: %s", ErrRefused, a)
		}
	}
	if r.From.IsValid() && r.From.Is4() != c.sides[l].Local.Is4() {
		r.From = netip.Addr{} // signalling of the other family says nothing of media's source
	}
	return r, nil
}
