package turn

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// Transport is what carries a client's messages.
type Transport string

// Transports between client and server.
const (
	UDP Transport = "udp"
	TCP Transport = "tcp"
	TLS Transport = "tls"
)

// family indexes what exists once for IPv4 and once for IPv6.
type family uint8

const (
	ipv4 family = iota
	ipv6
	families
)

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}

// fiveTuple names an allocation on the wire (RFC 8656 section 3.2).
type fiveTuple struct {
	server, client netip.AddrPort
	transport      Transport
}

// allocation is what one client holds. A dual allocation has a relayed address of
// each family; each has its own lifetime, permissions and channels (RFC 8656 section 6).
type allocation struct {
	id      uint64
	tuple   fiveTuple
	conn    *stream // nil: UDP
	account account
	relays  [families]*relayed

	// To answer a retransmitted Allocate as the first one was.
	transaction [12]byte
	granted     time.Duration
	token       reservationToken
	addrError   addressError

	created  time.Time
	wake     time.Time // when something of it ends next
	heapSlot int
	logged   int // bytes of its latest journal record
}

// relayed is one relayed transport address.
type relayed struct {
	owner       *allocation // nil while it is reserved and after its end
	local       netip.AddrPort
	listener    uint16 // the request port it is counted under
	sock        relay.Socket
	expires     time.Time
	permissions []permission
	channels    []channel
}

type permission struct {
	peer    netip.Addr
	expires time.Time
}

// channel is a binding of a number to a peer. After its end it stays for the quiet
// time, in which neither may be bound to another.
type channel struct {
	number  uint16
	peer    netip.AddrPort
	expires time.Time

	installed bool
	pair      relay.ID
	notAfter  time.Time // as the table has it
}

func (a *allocation) owner() string {
	return "turn:" + strconv.FormatUint(a.id, 10)
}

// live reports whether any relayed address has time left.
func (a *allocation) live(now time.Time) bool {
	for _, x := range a.relays {
		if x != nil && now.Before(x.expires) {
			return true
		}
	}
	return false
}

// relayTo returns the live relayed address of the peer's family, or nil.
func (a *allocation) relayTo(peer netip.Addr, now time.Time) *relayed {
	x := a.relays[familyOf(peer)]
	if x == nil || !now.Before(x.expires) {
		return nil
	}
	return x
}

// nextWake returns when something of the allocation ends next.
func (a *allocation) nextWake(now time.Time) time.Time {
	var next time.Time
	for _, x := range a.relays {
		if x == nil {
			continue
		}
		next = earlier(next, x.expires)
		for i := range x.permissions {
			next = earlier(next, x.permissions[i].expires)
		}
		for i := range x.channels {
			next = earlier(next, x.channels[i].wake(now))
		}
	}
	return next
}

// earlier returns the earlier of two times; a zero one does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func (x *relayed) permission(peer netip.Addr) *permission {
	i := slices.IndexFunc(x.permissions, func(p permission) bool { return p.peer == peer })
	if i < 0 {
		return nil
	}
	return &x.permissions[i]
}

// permits reports whether the peer may be relayed to and from (RFC 8656 section 9).
func (x *relayed) permits(peer netip.Addr, now time.Time) bool {
	p := x.permission(peer)
	return p != nil && now.Before(p.expires)
}

func (x *relayed) channelByNumber(n uint16) *channel {
	i := slices.IndexFunc(x.channels, func(c channel) bool { return c.number == n })
	if i < 0 {
		return nil
	}
	return &x.channels[i]
}

func (x *relayed) channelByPeer(peer netip.AddrPort) *channel {
	i := slices.IndexFunc(x.channels, func(c channel) bool { return c.peer == peer })
	if i < 0 {
		return nil
	}
	return &x.channels[i]
}

func (c *channel) live(now time.Time) bool { return now.Before(c.expires) }

// wake is when the channel ends, or after that, when its quiet time does.
func (c *channel) wake(now time.Time) time.Time {
	if c.live(now) {
		return c.expires
	}
	return c.expires.Add(channelQuiet)
}
