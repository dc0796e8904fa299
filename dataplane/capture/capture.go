package capture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"turnpike.dev/turnpike/bpf"
)

// Ending says why a capture ended.
type Ending string

// Endings.
const (
	EndedByTime    Ending = "time"
	EndedByPackets Ending = "packets"
	EndedByBytes   Ending = "bytes"
	EndedByRequest Ending = "request" // who asked ended it, or is gone
)

// Summary is what became of the packets that were chosen. A packet is one that came: its
// two frames count once.
type Summary struct {
	Ended      Ending        `json:"ended"`
	Elapsed    time.Duration `json:"elapsed_ns"`
	Packets    uint64        `json:"packets"`     // in the file
	Frames     uint64        `json:"frames"`      // in the file, both sides
	Bytes      uint64        `json:"bytes"`       // of the file, before this is said in it
	RingFull   uint64        `json:"ring_full"`   // not recorded: the reader was too slow
	RateCapped uint64        `json:"rate_capped"` // not recorded: over the rate
	Unwritten  uint64        `json:"unwritten"`   // recorded, but the file was full
}

// String says it in one line.
func (s Summary) String() string {
	return fmt.Sprintf("ended=%s elapsed=%s packets=%d frames=%d bytes=%d ring_full=%d rate_capped=%d unwritten=%d",
		s.Ended, s.Elapsed.Round(time.Millisecond), s.Packets, s.Frames, s.Bytes, s.RingFull, s.RateCapped, s.Unwritten)
}

// Capture is one that runs.
type Capture struct {
	options  Options
	selector Selector
	source   Source
	about    string
	at       []Interface

	kernel *kernel
	table  table
	// idle is how long to wait before the relays are looked at again.
	idle time.Duration
}

// Config says what to capture and from where.
type Config struct {
	Options  Options
	Selector Selector
	Source   Source
	FastPath FastPath
	// Interfaces are those that packets are known to come by.
	Interfaces []Interface
	About      string // stands at the beginning of the file
}

// Open attaches a capture. Run reads it; Close it in any case.
func Open(cfg Config) (*Capture, error) {
	o, err := cfg.Options.WithDefaults()
	if err != nil {
		return nil, err
	}
	if err := cfg.Selector.Check(); err != nil {
		return nil, err
	}
	c := &Capture{options: o, selector: cfg.Selector, source: cfg.Source, about: cfg.About, at: cfg.Interfaces}
	if c.kernel, err = openKernel(cfg.FastPath, cfg.Interfaces, o); err != nil {
		return nil, err
	}
	c.table = table{objects: &c.kernel.objects, keys: map[key]owner{}}
	return c, nil
}

// Close detaches the capture and frees it.
func (c *Capture) Close() error { return c.kernel.close() }

const (
	// refresh is how often the relays are looked at, at least;
	refresh = 100 * time.Millisecond
	// share is how much more than looking at them takes.
	share = 50
	// buffer and flushEvery keep the number of writes small without keeping anybody waiting.
	buffer     = 256 << 10
	flushEvery = 50 * time.Millisecond
)

// Run writes the capture to w until ctx or the capture ends, or w fails. A writer that
// blocks for ever must be made to fail by its owner; the kernel stops recording when it
// hears nothing for a second.
func (c *Capture) Run(ctx context.Context, w io.Writer) (Summary, error) {
	out := bufio.NewWriterSize(w, buffer)
	f, err := newFile(out, c.about, c.options.Snap, c.at)
	if err != nil {
		return Summary{}, err
	}
	if err := c.refresh(f); err != nil {
		return Summary{}, err
	}
	begun := monotonic()
	if err := c.kernel.attach(); err != nil {
		return Summary{}, err
	}
	s := Summary{}
	s.Ended, err = c.follow(ctx, f, out, begun+c.options.Duration)
	if err := errors.Join(err, c.kernel.detach()); err != nil {
		return s, err
	}
	s.Elapsed = monotonic() - begun
	return s, errors.Join(c.finish(f, &s), out.Flush())
}

// refresh looks which relays there are and what of them is chosen.
func (c *Capture) refresh(f *file) error {
	begun := time.Now()
	relays := c.source.Relays()
	keys, err := c.selector.keys(relays)
	if err != nil {
		return err
	}
	f.learn(c.selector.Chosen(relays))
	if err := errors.Join(c.table.set(keys), c.kernel.renew()); err != nil {
		return err
	}
	c.idle = min(max(refresh, share*time.Since(begun)), lease/2)
	return nil
}

// follow writes what is recorded until something ends the capture.
func (c *Capture) follow(ctx context.Context, f *file, out *bufio.Writer, until time.Duration) (Ending, error) {
	next, flush := time.Now().Add(c.idle), time.Now()
	var sample ringbuf.Record
	for {
		switch now := time.Now(); {
		case ctx.Err() != nil:
			return EndedByRequest, nil
		case monotonic() >= until:
			return EndedByTime, nil
		case now.After(next):
			if err := c.refresh(f); err != nil {
				return "", err
			}
			next = now.Add(c.idle)
		}
		if ended, err := c.drain(f, &sample); ended != "" || err != nil {
			return ended, err
		}
		if now := time.Now(); now.After(flush) {
			if err := out.Flush(); err != nil {
				return "", fmt.Errorf("hand over the capture: %w", err)
			}
			flush = now.Add(flushEvery)
		}
	}
}

// drain writes what is in the ring, waiting for a while if that is nothing.
func (c *Capture) drain(f *file, sample *ringbuf.Record) (Ending, error) {
	c.kernel.reader.SetDeadline(time.Now().Add(patience))
	for range 1024 { // then the clock is looked at
		err := c.kernel.reader.ReadInto(sample)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("read what was captured: %w", err)
		}
		if ended, err := c.take(f, sample.RawSample); ended != "" || err != nil {
			return ended, err
		}
	}
	return "", nil
}

// take writes one record and tells whether the file is full.
func (c *Capture) take(f *file, sample []byte) (Ending, error) {
	r, err := decode(sample)
	if err != nil {
		return "", err
	}
	if err := f.write(&r); err != nil {
		return EndedByRequest, err
	}
	switch {
	case f.packets >= c.options.Packets:
		return EndedByPackets, nil
	case f.Written() >= c.options.Bytes:
		return EndedByBytes, nil
	}
	return "", nil
}

// finish writes what is still in the ring, as far as the file may have it, and the
// statistics. The programs are detached: the counters do not move any more.
func (c *Capture) finish(f *file, s *Summary) error {
	tallies, err := c.kernel.tallies()
	if err != nil {
		return err
	}
	var sum bpf.CaptureTally
	for _, t := range tallies {
		sum.Recorded += t.Recorded
		sum.RingFull += t.RingFull
		sum.RateCapped += t.RateCapped
	}
	var sample ringbuf.Record
	for full := s.Ended == EndedByPackets || s.Ended == EndedByBytes; !full && f.packets < sum.Recorded; {
		before := f.packets
		ended, err := c.drain(f, &sample)
		if err != nil {
			return err
		}
		full = ended != "" || f.packets == before
	}
	s.Packets, s.Frames, s.Bytes = f.packets, f.frames, f.Written()
	s.RingFull, s.RateCapped = sum.RingFull, sum.RateCapped
	s.Unwritten = sum.Recorded - min(f.packets, sum.Recorded)
	return f.finish(tallies, *s)
}
