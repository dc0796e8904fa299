package store

import (
	"fmt"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/config"
)

// Update tells a subscriber what changed. Old is nil for the first revision.
type Update struct {
	Old, New *Snapshot
	// Changes are those that the subscriber asked for.
	Changes []config.Change
}

type subscriber struct {
	paths []string
	take  func(Update)
}

// Subscribe calls take after each change of an item at or below one of the paths
// ("turn.users", "zones"); without paths, of any. Calls come one after the other in
// the order of revisions, before Propose returns: what take does is done when the
// operator reads that the change is. It must be quick and must not propose.
// The function that is returned ends the subscription.
func (s *Store) Subscribe(take func(Update), paths ...string) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := &subscriber{paths, take}
	s.subscribers = append(s.subscribers, sub)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.subscribers = slices.DeleteFunc(s.subscribers, func(o *subscriber) bool { return o == sub })
	}
}

func (s *subscriber) wants(c config.Change) bool {
	return len(s.paths) == 0 || slices.ContainsFunc(s.paths, func(p string) bool {
		rest, ok := strings.CutPrefix(c.Path, p)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// maxLogged bounds the records of one change.
const maxLogged = 50

func (s *Store) tell(old, now *Snapshot, changes []config.Change) {
	s.record(old, now, changes)
	for _, sub := range s.subscribers {
		var wanted []config.Change
		for _, c := range changes {
			if sub.wants(c) {
				wanted = append(wanted, c)
			}
		}
		if len(wanted) > 0 {
			sub.take(Update{old, now, wanted})
		}
	}
}

// record writes what changed to the event log (AL-02).
func (s *Store) record(old, now *Snapshot, changes []config.Change) {
	if old == nil {
		s.Log.Event("System Configuration Changed", "Detail", fmt.Sprintf("first revision, %d items", len(changes)), "User", now.User, "Src", now.From, "Revision", now.Number)
		return
	}
	for i, c := range changes {
		if i == maxLogged {
			s.Log.Event("System Configuration Changed", "Detail", fmt.Sprintf("and %d more: see `turnpike config history`", len(changes)-i), "User", now.User, "Src", now.From, "Revision", now.Number)
			return
		}
		s.Log.Event("System Configuration Changed", "Detail", config.ChangeText(old.Node, now.Node, c), "User", now.User, "Src", now.From, "Revision", now.Number)
	}
}
