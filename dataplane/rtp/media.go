package rtp

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// Default media ports.
const (
	FirstPort = 36000
	LastPort  = 59999
)

// Config is what a Media needs.
type Config struct {
	Table   relay.Table
	Gate    relay.Gate
	Sockets relay.Sockets

	First, Last uint16 // media ports; 0: FirstPort–LastPort

	// Own are this node's addresses: media goes to them only in First–Last and in Relays,
	// the ports of the TURN server's relays (ME-07).
	Own    []netip.Addr
	Relays [2]uint16
	// Deny are networks that media does not go to (ME-07).
	Deny []netip.Prefix

	// Timeout is how long a call may be without media; 0: for ever.
	Timeout time.Duration
	// Silent is called once for a call whose media stopped for Timeout, without a lock
	// held. A stream on hold does not count, nor one that never had media while another
	// one had.
	Silent func(owner string)

	// Policer has the buckets of calls that are granted something; nil: nothing is policed.
	Policer relay.Policer
	// Over is called for a call that goes on sending more than it was granted, with what
	// was dropped lately of the end that sends too much: once, and again when it did so
	// after it had stopped. Without a lock held.
	Over func(owner string, policedKbps uint32)
}

// Media has the media of all calls. Its lock is taken after a call's; a call's lock is
// taken before those of the table and of the sockets, and is never held while a socket
// is closed or a datagram is sent.
type Media struct {
	cfg    Config
	reach  reach
	counts counts

	mu     sync.Mutex
	ports  *ports
	calls  map[*Call]struct{}
	public map[netip.Addr]netip.Addr // our address by the one that is told
}

// counts is what a Media counts.
type counts struct {
	relayed, strangers, unflowed, unpoliced, policed, over, refused, sendErrors, latched atomic.Uint64
}

// Counts is what a Media counted since its start, and what it has now.
type Counts struct {
	Calls int `json:"calls"`
	Ports int `json:"ports"` // in use; two for each leg of a stream

	Relayed    uint64 `json:"relayed"`     // packets relayed by hand, before there was a flow
	Strangers  uint64 `json:"strangers"`   // packets that fitted nothing
	Unflowed   uint64 `json:"unflowed"`    // flows that the table had no room for
	Unpoliced  uint64 `json:"unpoliced"`   // buckets of calls that there was no room for
	Policed    uint64 `json:"policed"`     // packets that calls sent beyond their grants
	Over       uint64 `json:"over"`        // times that a call went on doing so
	Refused    uint64 `json:"refused"`     // streams whose address media does not go to
	SendErrors uint64 `json:"send_errors"` // packets that could not be sent
	Latched    uint64 `json:"latched"`     // sources learned that were not at the signalled address
}

// New makes a Media; Run is to run beside it.
func New(cfg Config) (*Media, error) {
	if cfg.Table == nil || cfg.Gate == nil || cfg.Sockets == nil {
		return nil, errors.New("media of calls: a table, a gate and sockets are needed")
	}
	if cfg.First == 0 && cfg.Last == 0 {
		cfg.First, cfg.Last = FirstPort, LastPort
	}
	ports, err := newPorts(cfg.First, cfg.Last)
	if err != nil {
		return nil, err
	}
	return &Media{
		cfg: cfg, reach: newReach(&cfg), ports: ports,
		calls: map[*Call]struct{}{}, public: map[netip.Addr]netip.Addr{},
	}, nil
}

// lookEvery is how often latching windows and silence are looked at.
const lookEvery = 500 * time.Millisecond

// Run closes latching windows and looks for silence until ctx ends. Calls are left as
// they are: media goes on under its lease.
func (m *Media) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			m.look(time.Now())
		}
	}
}

func (m *Media) look(now time.Time) {
	for _, c := range m.all() {
		if c.look(now) && m.cfg.Silent != nil {
			m.cfg.Silent(c.owner)
		}
		if kbps, over := c.measure(now); over && m.cfg.Over != nil {
			m.cfg.Over(c.owner, kbps)
		}
	}
}

func (m *Media) all() []*Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.calls))
}

// Counts returns the counters as they stand.
func (m *Media) Counts() Counts {
	m.mu.Lock()
	calls, taken := len(m.calls), m.ports.taken
	m.mu.Unlock()
	return Counts{
		Calls: calls, Ports: 2 * taken,
		Relayed: m.counts.relayed.Load(), Strangers: m.counts.strangers.Load(), Unflowed: m.counts.unflowed.Load(), Unpoliced: m.counts.unpoliced.Load(),
		Policed: m.counts.policed.Load(), Over: m.counts.over.Load(),
		Refused: m.counts.refused.Load(), SendErrors: m.counts.sendErrors.Load(), Latched: m.counts.latched.Load(),
	}
}

// Open begins the media of a call. owner names it in listings: "call:17". Nothing is
// taken before Local.
func (m *Media) Open(owner string, a, b Side) *Call {
	c := &Call{media: m, owner: owner, sides: [2]Side{a.canonical(), b.canonical()}}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls[c] = struct{}{}
	for _, s := range c.sides {
		if s.Public != s.Local {
			m.public[s.Public] = s.Local
		}
	}
	return c
}

func (m *Media) forget(c *Call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.calls, c)
}

// takePort takes a pair of ports.
func (m *Media) takePort(now time.Time) (uint16, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ports.take(now)
}

// putPorts gives pairs back; their sockets are closed.
func (m *Media) putPorts(list []uint16, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, port := range list {
		m.ports.put(port, now)
	}
}

// local is the address of ours that somebody was told as a public one: two calls through
// this node meet without a turn through the NAT.
func (m *Media) local(a netip.AddrPort) netip.AddrPort {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ours, ok := m.public[a.Addr()]; ok && m.cfg.First <= a.Port() && a.Port() <= m.cfg.Last {
		return netip.AddrPortFrom(ours, a.Port())
	}
	return a
}
