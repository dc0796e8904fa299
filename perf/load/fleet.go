// Package load is a TURN client that makes thousands of relays from one thread and
// gives no thought to their data: the kernel generator sends that from the same
// addresses. A client with a goroutine and a timer for each relay would be what a
// benchmark of set-ups per second measures.
package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
)

// FirstChannel is the number of each relay's first channel; the next peer has the next.
const FirstChannel = 0x4000

// Config says which relays to ask for.
type Config struct {
	Host     *lab.Host        // where the clients are
	Clients  []netip.Addr     // their addresses, by turns
	Servers  []netip.AddrPort // by turns
	User     string
	Password string
	// Peers returns the peers of a relay: one permission and one channel for each.
	// All are of one family, which the relay gets too.
	Peers func(relay int) []netip.AddrPort
	// Tries is how often a request is sent, every 500 ms, until it counts as failed; 0: 7.
	Tries int
}

// Relay is one allocation as the server granted it.
type Relay struct {
	Client, Server, Relayed netip.AddrPort
	Channels                []Channel
}

// Channel is a channel of a relay.
type Channel struct {
	Number uint16
	Peer   netip.AddrPort
}

// Fleet is a number of TURN clients. It is not safe for concurrent use.
type Fleet struct {
	cfg      Config
	sessions []*session
	epoll    int
	codec    *codec
}

// New opens the sockets of n clients. Close it.
func New(cfg Config, n int) (*Fleet, error) {
	if cfg.Tries == 0 {
		cfg.Tries = maxTries
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll: %w", err)
	}
	f := &Fleet{cfg: cfg, epoll: epoll, codec: newCodec(cfg.User, cfg.Password)}
	err = cfg.Host.Do(func() error {
		for i := range n {
			if err := f.open(i); err != nil {
				return fmt.Errorf("open socket %d: %w", i, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *Fleet) open(i int) error {
	s := &session{
		fd:     -1,
		server: f.cfg.Servers[i%len(f.cfg.Servers)],
		peers:  f.cfg.Peers(i),
	}
	f.sessions = append(f.sessions, s)
	if err := s.connect(f.cfg.Clients[i%len(f.cfg.Clients)]); err != nil {
		return err
	}
	return unix.EpollCtl(f.epoll, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)})
}

// Setup makes the relays: Allocate, CreatePermission and ChannelBind for each peer.
func (f *Fleet) Setup(ctx context.Context, p Pace) (Report, error) {
	return f.run(ctx, p, setup)
}

// Renew refreshes allocations, permissions and channels.
func (f *Fleet) Renew(ctx context.Context) (Report, error) {
	return f.run(ctx, Pace{}, renew)
}

// Release gives the relays back. The sockets stay for another Setup.
func (f *Fleet) Release(ctx context.Context) (Report, error) {
	return f.run(ctx, Pace{}, release)
}

// Relays returns the relays of the clients that have one, in order.
func (f *Fleet) Relays() []Relay {
	var rs []Relay
	for _, s := range f.sessions {
		if s.relayed.IsValid() {
			rs = append(rs, s.relay())
		}
	}
	return rs
}

// Close closes the sockets; what the server still holds expires there.
func (f *Fleet) Close() error {
	for _, s := range f.sessions {
		s.close()
	}
	return unix.Close(f.epoll)
}

// Pace is how fast a fleet works.
type Pace struct {
	Window int     // sessions at work at the same time; 0: 64
	Rate   float64 // sessions begun per second; 0: as many as the window allows
}

// Report is how a fleet's work went.
type Report struct {
	Done, Failed int
	Repeated     int // requests that were sent again for want of an answer
	Challenged   int // answers 401 or 438, which gave the client a new nonce
	Elapsed      time.Duration
	Latencies    []time.Duration // of each session that was done, sorted
}

// Rate is the number of sessions done per second.
func (r Report) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Done) / r.Elapsed.Seconds()
}

// Quantile is the time that a share q of the sessions did not exceed.
func (r Report) Quantile(q float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	return r.Latencies[min(int(q*float64(len(r.Latencies))), len(r.Latencies)-1)]
}
