package membership

import (
	"time"

	"turnpike.dev/turnpike/cluster"
)

// Config is what a core is made of.
type Config struct {
	Self   cluster.ID
	Stored Stored
}

// Core is what a node knows of who belongs to its cluster. It is not safe for concurrent use.
type Core struct {
	cfg    Config
	stored Stored
	out    []Action
}

// New returns the core of a node.
func New(cfg Config) *Core { return &Core{cfg: cfg, stored: cfg.Stored} }

// Stored is what the node carries.
func (c *Core) Stored() Stored { return c.stored }

// Members are the other peers that have properly joined.
func (c *Core) Members() []cluster.ID { return nil }

// Troubles returns all alarms about membership that should stand now.
func (c *Core) Troubles() []Trouble { return nil }

// Step takes an event and returns what has to be done.
func (c *Core) Step(now time.Duration, e Event) []Action {
	c.out = nil
	return c.out
}
