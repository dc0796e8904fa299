// Package turn is a TURN server (RFC 8656): it keeps allocations, permissions and
// channels, and has the relaying itself done by a relay.Table.
//
// It exists beside pion/turn because the steady state of a relay must never enter
// the process, and an allocation must outlive the process: for both, the one who
// keeps the deadlines has to put them into the flow table and into a journal.
// docs/design/0001-own-turn-allocation-core.md weighs the other ways.
//
// One mutex guards all state. It is taken before any lock of the table or of the
// sockets and is never held while a datagram is sent or a socket is closed.
package turn

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// Config says what a Server serves, to whom, and up to which limits.
type Config struct {
	Realm    string
	Software string // SOFTWARE of answers to authenticated requests; empty: none

	Listen    []netip.AddrPort // UDP, and TCP when TCP is set; specific addresses only
	TCP       bool
	TLS       *tls.Config
	TLSListen []netip.AddrPort

	RelayAddrs       []RelayAddr // at most one per family
	PortMin, PortMax uint16
	// MediaPorts are those of the media of calls at the same addresses, first and last: a
	// client may talk to an endpoint by both. Zero: none.
	MediaPorts [2]uint16

	MaxRelays      int      // relayed addresses in all; 0: as many as there are ports
	Capacity       Capacity // of the node, which MaxRelays are a part of; nil: MaxRelays alone
	MaxPerPort     int      // relayed addresses per request port; 0: no limit (CA-03)
	MaxPermissions int      // per relayed address; 0: 128
	MaxChannels    int      // per relayed address; 0: 128
	QuotaPerUser   int      // allocations; 0: no limit

	// Alternates names other servers for those that get no relay here; nil: there are none.
	Alternates Alternates

	// GuestsPerSource is how many TCP and TLS connections without an allocation one
	// address (IPv6: one /64) may have; 0: 200. In all there are at most 1000.
	GuestsPerSource int

	Users   map[string]string // long-term passwords by name
	Secrets []string          // shared secrets of time-limited credentials

	Deny          []netip.Prefix // peers that nobody may reach (ME-07)
	AllowLoopback bool           // loopback peers are allowed; for demonstrations on loopback
	OwnAddrs      []netip.Addr   // every address of this node (ME-07)
	Subnets       []netip.Prefix // its networks; their broadcast addresses are refused

	MaxLifetime, DefaultLifetime time.Duration // 0: 1 h and 10 min (RFC 8656 section 7.2)

	RateKbps uint32 // policer of each flow; 0: none

	// Known is told of each source whose request had the right password. nil: nobody is.
	Known func(netip.Addr)

	NonceKey    []byte // keeps nonces valid across restarts; empty: a random key
	JournalPath string // of one process at a time; empty: allocations do not outlive the process
}

// RelayAddr is an address that relays are on.
type RelayAddr struct {
	Local  netip.Addr
	Public netip.Addr // what clients are told (static NAT); zero: Local
}

// Capacity is what relayed addresses take their places from (CA-01). It is called with
// the server locked and must not block.
type Capacity interface {
	// Take takes n places, or none.
	Take(n int) bool
	// Keep takes n places also beyond the limit: what an earlier process left goes on.
	// false: there are more than can be counted.
	Keep(n int) bool
	// Give gives n places back.
	Give(n int)
}

// unbounded is a capacity without a limit of its own.
type unbounded struct{}

func (unbounded) Take(int) bool { return true }
func (unbounded) Keep(int) bool { return true }
func (unbounded) Give(int)      {}

// Logger takes what an operator should see. It is never called for each packet.
type Logger interface {
	Event(name string, kv ...any)
}

// Times that RFC 8656 fixes.
const (
	permissionLifetime = 5 * time.Minute  // section 9
	channelLifetime    = 10 * time.Minute // section 12
	channelQuiet       = 5 * time.Minute  // section 12: before a number or a peer is bound anew
	reservationLife    = 30 * time.Second // section 7.2
)

const maxUsername = 513 // bytes (RFC 8489 section 14.3)

// prepare fills in defaults and reports what cannot work.
func (c *Config) prepare() error {
	c.defaults()
	switch {
	case c.Realm == "":
		return errors.New("turn: realm is empty: set turn.realm")
	case len(c.RelayAddrs) == 0:
		return errors.New("turn: no relay address: give the external interface an address")
	case c.PortMin == 0 || c.PortMax < c.PortMin:
		return fmt.Errorf("turn: relay port range %d-%d is empty", c.PortMin, c.PortMax)
	}
	return errors.Join(prepareListen(c.Listen), prepareListen(c.TLSListen), c.prepareRelays())
}

func prepareListen(list []netip.AddrPort) error {
	for i, l := range list {
		if !l.IsValid() || l.Addr().IsUnspecified() {
			return fmt.Errorf("turn: listen on %s: name each address, answers must leave from the one asked", l)
		}
		list[i] = relay.Canonical(l)
	}
	return nil
}

func (c *Config) prepareRelays() error {
	seen := [families]bool{}
	for i, r := range c.RelayAddrs {
		local := r.Local.Unmap().WithZone("")
		public := r.Public.Unmap().WithZone("")
		if !public.IsValid() {
			public = local
		}
		f := familyOf(local)
		if !local.IsValid() || public.Is4() != local.Is4() {
			return fmt.Errorf("turn: relay address %s shown as %s: both must be of one family", r.Local, r.Public)
		}
		if seen[f] {
			return fmt.Errorf("turn: second relay address %s of its family: only one can be used", r.Local)
		}
		seen[f] = true
		c.RelayAddrs[i] = RelayAddr{Local: local, Public: public}
	}
	return nil
}

func (c *Config) defaults() {
	c.RelayAddrs = slices.Clone(c.RelayAddrs)
	c.Listen, c.TLSListen = slices.Clone(c.Listen), slices.Clone(c.TLSListen)
	if c.MaxLifetime == 0 {
		c.MaxLifetime = time.Hour
	}
	if c.DefaultLifetime == 0 {
		c.DefaultLifetime = 10 * time.Minute
	}
	c.DefaultLifetime = min(c.DefaultLifetime, c.MaxLifetime)
	if c.MaxPermissions == 0 {
		c.MaxPermissions = 128
	}
	if c.MaxChannels == 0 {
		c.MaxChannels = 128
	}
	if c.GuestsPerSource == 0 {
		c.GuestsPerSource = guestsPerSource
	}
	if c.MaxRelays == 0 {
		c.MaxRelays = len(c.RelayAddrs) * (int(c.PortMax) - int(c.PortMin) + 1)
	}
	if c.Capacity == nil {
		c.Capacity = unbounded{}
	}
	if len(c.NonceKey) == 0 {
		c.NonceKey = make([]byte, 32)
		_, _ = rand.Read(c.NonceKey) // never fails (crypto/rand)
	}
}
