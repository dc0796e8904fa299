package transport

import (
	"bytes"
	"net/netip"
	"sync"
	"time"

	"turnpike.dev/turnpike/signaling/loop"
)

// Send sends a message as it is serialised. It never blocks, and data may be used again
// when it returns. failed, which may be nil, is called at most once, from any goroutine:
// the message has certainly not been sent. That a connection breaks later is for the
// transaction's timers to find.
func (t *Transport) Send(h Hop, data []byte, failed func(error)) {
	if failed == nil {
		failed = func(error) {}
	}
	t.stats.traffic.sent(data)
	count := func(err error) {
		t.stats.sendFailed.Add(1)
		failed(err)
	}
	if h.Conn != nil {
		if h.Key == anybody { // it may have been bound after the hop was made
			h.Key = h.Conn.Bound()
		}
		if (h.Key == anybody || h.Conn.Key() == h.Key) && h.Conn.Send(data) == nil {
			t.sent(h.Conn.Transport())
			t.idle.use(h.Conn)
			return
		}
	}
	h = h.plain()
	switch {
	case !h.Remote.IsValid():
		count(ErrNowhere)
	case h.Key != anybody && h.Transport != loop.TLS:
		count(ErrKey)
	case h.Only && h.Transport != loop.UDP:
		t.flow(h, data, count)
	case h.Transport != loop.UDP:
		t.stream(h, data, 0, count)
	case len(data) > maxDatagram && !isResponse(data) && !h.Only:
		t.large(h, data, count)
	default:
		t.datagram(h, data, count)
	}
}

// flow sends over the connection that a hop names by its far end, where that is open.
func (t *Transport) flow(h Hop, data []byte, failed func(error)) {
	c := t.find(h)
	if c == nil || c.Send(data) != nil {
		failed(ErrFlow)
		return
	}
	t.sent(h.Transport)
	t.idle.use(c)
}

// plain is the hop as connections are found by: without an IPv4 address in IPv6, and with
// a name only where one is verified.
func (h Hop) plain() Hop {
	h.Remote = netip.AddrPortFrom(h.Remote.Addr().Unmap(), h.Remote.Port())
	h.Local = h.Local.Unmap()
	if h.Transport != loop.TLS {
		h.Name = ""
	}
	return h
}

func (t *Transport) sent(by loop.Transport) { t.stats.sent[by].Add(1) }

func (t *Transport) datagram(h Hop, data []byte, failed func(error)) {
	local, err := t.Local(h)
	if err == nil {
		err = t.loop.SendUDP(local, h.Remote, data)
	}
	if err != nil {
		failed(err)
		return
	}
	t.sent(loop.UDP)
}

// maxDatagram is the largest request that goes by UDP where the path's MTU is not known
// (RFC 3261 section 18.1.1).
const maxDatagram = 1300

func isResponse(data []byte) bool { return bytes.HasPrefix(data, []byte("SIP/")) }

const (
	triesTCP   = 2 * time.Second // how long a large request waits for a connection
	refusedFor = 5 * time.Minute // that somebody does not take TCP is remembered
	maxRefused = 1024
)

// large sends a request by TCP instead (RFC 3261 section 18.1.1), if our own port is the
// same there, so that the Via can say so, and the other side takes connections. Otherwise
// it goes by UDP after all, in fragments, as it always did with such elements.
func (t *Transport) large(h Hop, data []byte, failed func(error)) {
	by := h
	by.Transport = loop.TCP
	udp, err1 := t.Local(h)
	tcp, err2 := t.Local(by)
	changed, ok := viaByTCP(data)
	if err1 != nil || err2 != nil || udp != tcp || !ok || t.noTCP.has(h.Remote, time.Now()) {
		t.datagram(h, data, failed)
		return
	}
	original := bytes.Clone(data)
	t.stream(by, changed, triesTCP, func(error) {
		t.noTCP.add(h.Remote, time.Now())
		t.datagram(h, original, failed)
	})
}

// viaByTCP returns the request with another transport in its top Via, which is ours and
// written by us.
func viaByTCP(data []byte) ([]byte, bool) {
	udp, tcp := []byte("\r\nVia: SIP/2.0/UDP "), []byte("\r\nVia: SIP/2.0/TCP ")
	at := bytes.Index(data, []byte("\r\nVia: "))
	if at < 0 || !bytes.HasPrefix(data[at:], udp) {
		return nil, false
	}
	changed := bytes.Clone(data)
	copy(changed[at:], tcp)
	return changed, true
}

// refusals are those who did not take a connection lately.
type refusals struct {
	mu    sync.Mutex
	until map[netip.AddrPort]time.Time
}

func (r *refusals) has(who netip.AddrPort, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.until[who])
}

func (r *refusals) add(who netip.AddrPort, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil || len(r.until) >= maxRefused {
		r.until = make(map[netip.AddrPort]time.Time)
	}
	r.until[who] = now.Add(refusedFor)
}
