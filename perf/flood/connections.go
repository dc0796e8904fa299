package flood

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/gen"
)

// dialer opens TCP connections from one thread, as fast as it is told.
type dialer struct {
	target Target
	open   int // connections at a time; the oldest makes room
	begin  bool
	fds    []int
	next   int
}

// connections is a source of up to so many connections at a time. With begin set each
// sends the first bytes of a message, and no more.
func connections(open int, begin bool) func(context.Context, Target) (Source, error) {
	return func(_ context.Context, t Target) (Source, error) {
		return &dialer{target: t, open: open, begin: begin}, nil
	}
}

// Run implements Source.
func (d *dialer) Run(ctx context.Context, rate float64, cpu int) (perSecond float64, err error) {
	d.fds, d.next = make([]int, d.open), 0
	err = d.target.Lab.Client.Do(func() error {
		return gen.OnCPU(cpu, func() (err error) {
			perSecond, err = d.dial(ctx, rate)
			return err
		})
	})
	return perSecond, errors.Join(err, d.Close())
}

func (d *dialer) dial(ctx context.Context, rate float64) (float64, error) {
	start := time.Now()
	done := 0
	for ctx.Err() == nil {
		if due := int(time.Since(start).Seconds() * rate); rate > 0 && done >= due {
			time.Sleep(200 * time.Microsecond)
			continue
		}
		if err := d.one(); err != nil {
			return 0, err
		}
		done++
	}
	return float64(done) / time.Since(start).Seconds(), nil
}

// one opens a connection and closes the oldest where there are enough. A connection that
// the server or the system refuses is one as well.
func (d *dialer) one() error {
	at := &d.fds[d.next%d.open]
	d.next++
	d.shut(at)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a TCP socket: %w", err)
	}
	*at = fd
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: d.target.Attackers[2].As4()}); err != nil {
		return fmt.Errorf("bind %s: %w", d.target.Attackers[2], err)
	}
	to := &unix.SockaddrInet4{Port: int(d.target.Server.Port()), Addr: d.target.Server.Addr().As4()}
	_ = unix.Connect(fd, to) // under way, or refused
	if d.begin {
		_, _ = unix.Write(fd, []byte{0, 3})
	}
	return nil
}

func (d *dialer) shut(fd *int) {
	if *fd > 0 {
		_ = unix.Close(*fd)
		*fd = 0
	}
}

// Close closes what is open.
func (d *dialer) Close() error {
	for i := range d.fds {
		d.shut(&d.fds[i])
	}
	return nil
}
