package member

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/settings"
)

// tick is how often the cores hear that time has passed.
const tick = 25 * time.Millisecond

// configured is an event: the node's own settings.
type configured struct {
	own     settings.Settings
	index   int
	mapping map[string]netip.Addr
}

// New returns a member. Its incarnation is durable when it returns.
func New(cfg Config) (*Member, error) {
	k, err := restore(cfg.Kept, cfg.Now())
	if err != nil {
		return nil, err
	}
	if err := cfg.Keep(k.bytes()); err != nil {
		return nil, fmt.Errorf("keep the number of this start: %w", err)
	}
	m := &Member{
		cfg: cfg, kept: k, inbox: newInbox(), handlers: map[string]Handler{}, changed: make(chan struct{}),
		liveness: liveness.New(cfg.Self, k.Incarnation),
		rows:     rows.New(rows.Config{Self: cfg.Self, Incarnation: k.Incarnation, Rows: cfg.Rows, Newer: cfg.Newer}),
		revisions: revisions.New(revisions.Config{
			Self: cfg.Self, Incarnation: k.Incarnation, Software: cfg.Software,
			Stored: cfg.Documents.Stored(), Initial: cfg.Documents.Initial(),
		}),
	}
	m.status.Store(&Status{Self: cfg.Self, Incarnation: k.Incarnation, Tag: m.revisions.Has()})
	return m, nil
}

// Run is this node in its cluster until ctx ends.
func (m *Member) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Propose makes a change of the shared configuration, and returns when it is in force here, or why it is not.
func (m *Member) Propose(ctx context.Context, p revisions.Propose) error {
	return m.ask(ctx, func(done chan error) any { return proposed{p, done} })
}

// Force takes the primary's configuration whatever there is here (CL-15).
func (m *Member) Force(ctx context.Context) error {
	return m.ask(ctx, func(done chan error) any { return forced{done} })
}

// Leave tells the others that this process ends, and hands back what it can.
func (m *Member) Leave(ctx context.Context) error {
	return m.ask(ctx, func(done chan error) any { return left{done} })
}

// Maintenance tells the others whether this node takes new calls and registrations (RG-08).
func (m *Member) Maintenance(on bool) {
	if m.maintenance.Swap(on) != on && m.mesh != nil {
		m.mesh.Say()
	}
}

type (
	proposed struct {
		revisions.Propose
		done chan error
	}
	forced struct{ done chan error }
	left   struct{ done chan error }
)

func (m *Member) ask(ctx context.Context, event func(chan error) any) error {
	done := make(chan error, 1)
	m.inbox.post(event(done))
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// PutAll writes many rows of this node's own.
func (m *Member) PutAll(all map[rows.Key]rows.Row) {
	for k, r := range all {
		m.Put(k, r)
	}
}

// Superseded sets who is told that a row of this node's own does not count any more, from the member's
// goroutine: whoever wrote it deletes it. It comes before Run.
func (m *Member) Superseded(take func(rows.Superseded)) { m.superseded = take }
