package userspace

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// flow is an installed flow.
type flow struct {
	key    relay.Key
	stream bool
	in     *port // where its datagrams arrive; nil for a stream

	// action is what becomes of a datagram; nil once the flow is removed, which is
	// after it can be found no more.
	action atomic.Pointer[action]

	// inside is held for reading while a datagram of a stream is relayed.
	inside sync.RWMutex

	// mu is hardly ever contended: one loop serves the port, and reading counters is rare.
	mu      sync.Mutex
	policer policer
	buckets []*bucket // that it shares; nil: none
	media   media
}

// action is a relay.Out made ready to use. It does not change.
type action struct {
	sink    func([]byte)
	out     *port // that the datagram leaves by; nil with a sink
	dst     sockaddr
	dstSize uint32
	channel uint16
	split   bool // RTCP is the handler's
}

// accept polices and counts a datagram; but for ReasonForwarded, drop it.
func (f *flow) accept(data []byte, now int64) bpf.Reason {
	h, isRTP := parseRTP(data)
	granted := len(data)
	if isRTP {
		granted -= rtpHeader
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.policer.conforms(granted, now) {
		f.media.policed++
		return bpf.ReasonPoliced
	}
	if f.buckets != nil && !takeAll(f.buckets, granted, now) {
		f.policer.giveBack(granted)
		f.media.policed++
		return bpf.ReasonOverGrant
	}
	f.media.count(len(data), now)
	if isRTP {
		f.media.countRTP(h, now)
	}
	return bpf.ReasonForwarded
}

// valid says what keeps a flow from being installed.
func valid(f relay.Flow) error {
	k := f.Key
	if !k.Local.IsValid() || !k.Remote.IsValid() {
		return fmt.Errorf("flow %s: address missing in its key", describe(k))
	}
	if isMapped(k.Local) || isMapped(k.Remote) || isMapped(f.Out.Src) || isMapped(f.Out.Dst) {
		return fmt.Errorf("flow %s: IPv4-mapped address; make it canonical first", describe(k))
	}
	if k.Local.Addr().Is4() != k.Remote.Addr().Is4() {
		return fmt.Errorf("flow %s: both addresses of its key must be of one family", describe(k))
	}
	if !validChannel(k.Channel) || !validChannel(f.Out.Channel) {
		return fmt.Errorf("flow %s: channel numbers go from 0x4000 to 0x7fff", describe(k))
	}
	if f.Sink != nil {
		return nil
	}
	if !f.Out.Src.IsValid() || !f.Out.Dst.IsValid() ||
		f.Out.Src.Addr().Is4() != f.Out.Dst.Addr().Is4() {
		return fmt.Errorf("flow %s: needs two addresses of one family to send from %s to %s",
			describe(k), f.Out.Src, f.Out.Dst)
	}
	return nil
}

func validChannel(n uint16) bool { return n == 0 || n>>14 == 1 }

func isMapped(a netip.AddrPort) bool { return a.Addr().Is4In6() }

func describe(k relay.Key) string {
	return fmt.Sprintf("%s from %s channel %#x", k.Local, k.Remote, k.Channel)
}
