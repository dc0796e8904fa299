// Package licences watches what the option keys of a running node give, and how much of
// it and of the platform is in use.
//
// It exists because keys and limits change by themselves: a key ends at midnight, and the
// last licence goes to a call that nobody looks at. Whoever admits calls must be told at
// once of the former, and an operator of both before it hurts (LI-05, CA-04). What a key
// is and what a call costs stands in licensing, who counts in control/resources; here is
// when to say what.
package licences

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/licensing"
)

// Alarms is control/alarms.
type Alarms interface {
	Raise(number int, key, detail string)
	Lower(number int, key string)
}

// Log takes records of the event log.
type Log interface {
	Event(event string, kv ...any)
	Warn(event string, kv ...any)
}

// Deps are what a Keeper works with.
type Deps struct {
	Node   string // its id, which keys are made for
	Config func() *config.Node
	// Levels says how full the limits are; nil: there are none.
	Levels func() []resources.Level
	// Whole says how full the capacity is that all peers of a cluster share (CA-02); nil: they share none.
	Whole func() []resources.Level
	// Pooled says that licences count here which a peer of the cluster has bought (LI-01); nil: none do.
	Pooled func() bool
	Alarms Alarms
	Log    Log
	// Changed is told what is installed, at the start and whenever it is something else.
	Changed func(licensing.Installed)
}

// Keeper knows the option keys of a node. Any number of goroutines may use it.
type Keeper struct {
	deps Deps
	// refused counts by the name of a level what was refused for want of it.
	refused map[string]*atomic.Uint64

	looking sync.Mutex // one look after the other; guards what follows
	told    map[string]bool
	alarms  map[raised]bool
	stands  map[int]bool // alarms about levels
	seen    map[string]refusals

	mu   sync.Mutex // guards what follows; the innermost
	have reading
}

// reading is the option keys as they were at a time.
type reading struct {
	config    *config.Node
	at, until time.Time // until: when the next key ends; zero: none does
	options   []licensing.Option
	installed licensing.Installed
}

var _ admission.Ledger = (*Keeper)(nil)

// New returns a keeper that has not looked yet.
func New(d Deps) *Keeper {
	k := &Keeper{
		deps: d, refused: map[string]*atomic.Uint64{}, told: map[string]bool{},
		alarms: map[raised]bool{}, stands: map[int]bool{}, seen: map[string]refusals{},
	}
	for _, name := range []string{
		resources.LevelCalls, resources.LevelRMS, resources.LevelRegistrations, resources.LevelRoom,
		resources.LevelDesktop, resources.LevelProxied, resources.LevelRelays,
	} {
		k.refused[name] = &atomic.Uint64{}
	}
	return k
}

// Short counts what was refused (admission.Ledger).
func (k *Keeper) Short(c *admission.Counter, _ uint32) {
	if n := k.refused[c.Name()]; n != nil {
		n.Add(1)
	}
}

// Options lists the option keys of the configuration, and which of them count now.
func (k *Keeper) Options() []licensing.Option { return k.read().options }

// Installed returns what they give together.
func (k *Keeper) Installed() licensing.Installed { return k.read().installed }

// Ends returns when the next key ends that counts; zero: none does.
func (k *Keeper) Ends() time.Time { return k.read().until }

// read reads the keys if they may be something else than before: signatures are not
// checked again and again.
func (k *Keeper) read() reading {
	c, now := k.deps.Config(), time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.have.config != c || now.Before(k.have.at) || !k.have.until.IsZero() && !now.Before(k.have.until) {
		k.have = readAt(c, k.deps.Node, now)
	}
	k.have.at = now
	return k.have
}

func readAt(c *config.Node, node string, now time.Time) reading {
	r := reading{config: c, at: now, options: Read(c, node, now)}
	r.installed = licensing.Install(r.options)
	for _, o := range r.options {
		if u := o.Key.Until; o.Err == nil && !u.IsZero() && (r.until.IsZero() || u.Before(r.until)) {
			r.until = u
		}
	}
	return r
}

// Read says of each option key of a configuration what it is on a node at a time.
func Read(c *config.Node, node string, now time.Time) []licensing.Option {
	texts := make([]string, len(c.OptionKeys))
	for i, k := range c.OptionKeys {
		texts[i] = k.Name
	}
	return licensing.Read(texts, issuers(c), node, now)
}

// issuers are those whose option keys count.
func issuers(c *config.Node) []licensing.Issuer {
	var out []licensing.Issuer
	for _, i := range c.Licensing.Issuers {
		if key, err := i.Key(); err == nil { // the configuration was checked
			out = append(out, licensing.Issuer{Name: i.Name, Key: key})
		}
	}
	return out
}

// lookEvery is how soon a key that ended has no effect any more, and a limit that is
// reached is told.
const lookEvery = time.Second

// Run looks again and again until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last *licensing.Installed
	for {
		now := k.Look()
		if last == nil || !reflect.DeepEqual(now, *last) {
			k.deps.Changed(now)
		}
		last = &now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Look raises and lowers alarms by what is so now, and returns what is installed.
func (k *Keeper) Look() licensing.Installed {
	k.looking.Lock()
	defer k.looking.Unlock()
	r, now := k.read(), time.Now()
	k.tellKeys(r, now)
	if k.deps.Levels != nil {
		k.tellLevels(k.deps.Levels(), r, now)
	}
	if k.deps.Whole != nil {
		k.tellWhole(k.deps.Whole(), r.config.Licensing.WarnAt)
	}
	return r.installed
}
