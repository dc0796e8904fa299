// Package capture records chosen relays on both sides of the rewrite, from the kernel's
// fast path.
//
// It exists because no other tool can: a packet that the XDP program relays reaches
// neither sockets nor packet sockets, and a capture at the network card shows two streams
// that nothing connects. While somebody captures, two programs (bpf/capture.bpf.c) are
// attached to the entry and the exit of the XDP program and record the frame as it came,
// as it left, and what became of it; a capture that is over leaves nothing behind.
//
// What a relay is, the package is told by its user (Source); it knows addresses.
package capture

import (
	"errors"
	"fmt"
	"time"
)

// Options say how much is captured, and when a capture ends by itself. A zero stands for
// the default.
type Options struct {
	Snap     int           `json:"snap"`        // bytes kept of a frame; the default keeps headers only
	Rate     int           `json:"rate"`        // packets per second; what comes faster is counted only
	Duration time.Duration `json:"duration_ns"` // the capture ends after it,
	Packets  uint64        `json:"packets"`     // after so many packets,
	Bytes    uint64        `json:"bytes"`       // or when the file is so long
	Ring     int           `json:"ring"`        // bytes between kernel and process; a power of two
}

// Limits of the options.
const (
	MinSnap     = 42 // Ethernet, IPv4, UDP
	MaxSnap     = 9216
	MaxRate     = 1_000_000
	MaxDuration = 24 * time.Hour

	minRing = 4 << 10
	maxRing = 256 << 20
)

// Defaults keep what a capture costs small, and media private.
const (
	DefaultSnap     = 96 // all headers, and of RTP its header
	DefaultRate     = 20_000
	DefaultDuration = time.Minute
	DefaultPackets  = 1_000_000
	DefaultBytes    = 256 << 20

	defaultRing = 16 << 20
)

// ErrOptions is wrapped by what is wrong with options.
var ErrOptions = errors.New("capture")

// WithDefaults returns the options with the defaults in, or says what is wrong.
func (o Options) WithDefaults() (Options, error) {
	fill(&o.Snap, DefaultSnap)
	fill(&o.Rate, DefaultRate)
	fill(&o.Duration, DefaultDuration)
	fill(&o.Packets, DefaultPackets)
	fill(&o.Bytes, DefaultBytes)
	fill(&o.Ring, defaultRing)
	switch {
	case o.Snap < MinSnap || o.Snap > MaxSnap:
		return o, fmt.Errorf("%w: snap length %d: want %d to %d bytes", ErrOptions, o.Snap, MinSnap, MaxSnap)
	case o.Rate < 1 || o.Rate > MaxRate:
		return o, fmt.Errorf("%w: rate %d: want 1 to %d packets per second", ErrOptions, o.Rate, MaxRate)
	case o.Duration < time.Millisecond || o.Duration > MaxDuration:
		return o, fmt.Errorf("%w: duration %s: want at most %s", ErrOptions, o.Duration, MaxDuration)
	case o.Ring < minRing || o.Ring > maxRing || o.Ring&(o.Ring-1) != 0:
		return o, fmt.Errorf("%w: ring of %d bytes: want a power of two from %d to %d", ErrOptions, o.Ring, minRing, maxRing)
	}
	return o, nil
}

func fill[T comparable](value *T, standard T) {
	var zero T
	if *value == zero {
		*value = standard
	}
}

// burst is how much of a second's packets may come at once.
const burst = 100 * time.Millisecond

// batch is how many packets a CPU takes out of the bucket at once: few enough that the
// CPUs together do not hold a burst.
func (o Options) batch() uint32 { return uint32(min(max(o.Rate/1000, 1), 64)) }
