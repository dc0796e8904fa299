// Package store keeps a node's configuration: revisions on disk, the tree that is in
// force, and who wants to know when it changes.
//
// It exists so that a change is all or nothing: a proposal is checked as a whole,
// written durably as a new revision with who made it and what it changed, and only
// then seen by anybody. Whatever the machine does meanwhile, the next start finds the
// configuration from before or the one from after. What was, stays for a while and
// can be brought back.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/seal"
)

// Errors that callers test.
var (
	ErrConflict   = errors.New("the configuration has changed meanwhile")
	ErrNoRevision = errors.New("no such revision")
	ErrEmpty      = errors.New("there is no configuration yet")
)

// AlarmKey is the number of the alarm about the system key (facts A5).
const AlarmKey = 40055

// Alarms raises and lowers what an operator must know; both may be repeated.
type Alarms interface {
	Raise(number int, key, detail string)
	Lower(number int, key string)
}

// Log takes records of the event log.
type Log interface {
	Event(event string, kv ...any)
	Warn(event string, kv ...any)
	Error(event string, kv ...any)
}

// Config is what a store needs.
type Config struct {
	Files  Files
	Alarms Alarms
	Log    Log
	Now    func() time.Time
	// Keep is how many revisions are kept; 0: 100.
	Keep int
}

// Snapshot is the configuration as of a revision. Nobody changes it.
type Snapshot struct {
	Info
	Node *config.Node
}

// Store is a node's configuration.
type Store struct {
	Config
	current atomic.Pointer[Snapshot]

	proposing sync.Mutex // one proposal after the other; taken before mu

	mu          sync.Mutex                  // held while a revision is made and told
	guard       func([]config.Change) error // nil: nobody is asked
	cluster     Cluster                     // nil: shared items are the node's own
	pending     *pending                    // what the cluster was handed; nil: nothing
	written     *written                    // what is durable and not in force; nil: nothing
	changed     chan struct{}               // closed when a document of the cluster comes into force
	ring        *seal.Ring
	newest      int // number of the newest file, right or damaged
	subscribers []*subscriber
}

// Open reads the newest revision of a folder. A folder without one is an empty
// store: Current returns nil until something is proposed.
func Open(cfg Config) (*Store, error) {
	if cfg.Keep == 0 {
		cfg.Keep = 100
	}
	s := &Store{Config: cfg, changed: make(chan struct{})}
	numbers, err := s.tidy()
	if err != nil {
		return nil, fmt.Errorf("open the configuration: %w", err)
	}
	if err := s.openKey(len(numbers) == 0); err != nil {
		return nil, err
	}
	if len(numbers) > 0 {
		s.newest = numbers[0]
	}
	for _, number := range numbers {
		snap, err := s.load(number)
		if errors.Is(err, errDamaged) {
			s.Log.Error("System Configuration Damaged", "Detail", fmt.Sprintf("%s is damaged: the revision before it is used", revisionName(number)))
			continue
		}
		if err != nil {
			return nil, err
		}
		s.current.Store(snap)
		break
	}
	if s.ring.Renewing() { // a renewal was interrupted
		return s, s.reseal()
	}
	return s, nil
}

// tidy removes what an interrupted write left and returns the numbers of revisions,
// the newest first.
func (s *Store) tidy() ([]int, error) {
	names, err := s.Files.List()
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, name := range names {
		if strings.HasSuffix(name, partSuffix) {
			if err := s.Files.Remove(name); err != nil {
				return nil, err
			}
		}
		if n := numberOf(name); n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	return numbers, nil
}

func (s *Store) load(number int) (*Snapshot, error) {
	data, err := s.Files.Read(revisionName(number))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %d", ErrNoRevision, number)
	}
	if err != nil {
		return nil, fmt.Errorf("read revision %d: %w", number, err)
	}
	info, n, unknown, err := decode(data, s.ring)
	if err != nil {
		return nil, fmt.Errorf("read revision %d: %w", number, err)
	}
	for _, p := range unknown {
		s.Log.Warn("System Configuration Item Left Out", "Detail", config.Problems{p}.Error(), "Revision", number)
	}
	return &Snapshot{Info: info, Node: n}, nil
}

// Current returns the configuration in force; nil: there is none yet.
func (s *Store) Current() *Snapshot { return s.current.Load() }

// History returns the revisions that are kept, the newest first, at most limit.
func (s *Store) History(limit int) ([]Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	numbers, err := s.tidy()
	if err != nil {
		return nil, err
	}
	infos := []Info{}
	for _, number := range numbers[:min(limit, len(numbers))] {
		snap, err := s.load(number)
		if errors.Is(err, errDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, snap.Info)
	}
	return infos, nil
}

// Revision returns a revision that is kept.
func (s *Store) Revision(number int) (*Snapshot, error) {
	if cur := s.Current(); cur != nil && cur.Number == number {
		return cur, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load(number)
}
