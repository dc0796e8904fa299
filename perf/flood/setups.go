package flood

import (
	"context"
	"net/netip"
	"time"

	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/load"
)

// stormSessions is how many relays an allocation storm makes before it gives them back.
const stormSessions = 500

// storm is one user that makes relays and gives them back, over and over.
type storm struct {
	target Target
}

func setups(_ context.Context, t Target) (Source, error) { return &storm{target: t}, nil }

// Close implements Source.
func (s *storm) Close() error { return nil }

// Run implements Source.
func (s *storm) Run(ctx context.Context, rate float64, cpu int) (perSecond float64, err error) {
	if s.target.Alone {
		<-ctx.Done()
		return 0, nil
	}
	err = gen.OnCPU(cpu, func() error {
		start, done := time.Now(), 0
		for ctx.Err() == nil {
			n, err := s.once(ctx, rate)
			if done += n; err != nil && ctx.Err() == nil {
				return err
			}
		}
		perSecond = float64(done) / time.Since(start).Seconds()
		return nil
	})
	return perSecond, err
}

// once makes a fleet's relays and gives them back. Each has another port: a server may
// refuse one that it has seen lately.
func (s *storm) once(ctx context.Context, rate float64) (done int, err error) {
	t := s.target
	f, err := load.New(load.Config{
		Host: t.Lab.Client, Clients: []netip.Addr{t.Attackers[3]}, Servers: []netip.AddrPort{t.Server},
		User: t.User, Password: t.Password, Tries: 2,
		Peers: func(i int) []netip.AddrPort {
			return []netip.AddrPort{netip.AddrPortFrom(t.Lab.PeerAddrs.V4[0], uint16(30000+i))}
		},
	}, stormSessions)
	if err != nil {
		return 0, err
	}
	defer f.Close()                             //nolint:errcheck // sockets
	r, _ := f.Setup(ctx, load.Pace{Rate: rate}) // refusals are an answer too
	_, _ = f.Release(context.WithoutCancel(ctx))
	return r.Done + r.Failed, nil
}
