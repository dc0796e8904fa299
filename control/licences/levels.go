package licences

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"turnpike.dev/turnpike/control/resources"
)

// limit is how a level is told: by which alarms, and how it is counted.
type limit struct {
	level    string
	near, at int    // numbers of the catalogue; 0: another tells
	what     string // for people
	unit     uint32 // of the level in one of these
	licence  bool   // it comes from option keys, if there are any
}

// limits are the levels that have alarms here. Those of relays are raised where relays
// are, and that registrations are at the platform's limit where they are refused.
func limits() []limit {
	return []limit{
		{resources.LevelRMS, 30001, 30020, "rich media sessions", 2, true},
		{resources.LevelRoom, 30026, 30028, "room systems", 1, true},
		{resources.LevelDesktop, 30029, 30031, "desktop systems", 1, true},
		{resources.LevelRegistrations, 30010, 0, "registrations", 1, false},
	}
}

// Alarms about the platform's capacity for calls: near it and at it, for calls whose media
// passes the node and for others.
const (
	alarmTraversalNear    = 30002
	alarmTraversalFull    = 30023
	alarmNonTraversalNear = 30003
	alarmNonTraversalFull = 30022
)

// quiet is how long nothing has to be refused until a limit counts as not reached. A
// limit may be hit and left within a look.
const quiet = time.Minute

// refusals is what was seen of those of one level.
type refusals struct {
	count uint64
	last  time.Time
}

// full says whether a level is reached: nothing is left, or somebody was refused lately.
func (k *Keeper) full(l resources.Level, now time.Time) bool {
	s := k.seen[l.Name]
	if n := k.refused[l.Name]; n != nil && n.Load() != s.count {
		s = refusals{n.Load(), now}
		k.seen[l.Name] = s
	}
	return l.Limit > 0 && l.Used >= l.Limit || !s.last.IsZero() && now.Sub(s.last) < quiet
}

// near says whether a level is so full, in percent, that an operator should know.
func near(l resources.Level, warnAt int) bool {
	return warnAt > 0 && l.Limit > 0 && uint64(l.Used)*100 >= uint64(l.Limit)*uint64(warnAt)
}

// tellLevels raises and lowers the alarms about limits (CA-04).
func (k *Keeper) tellLevels(levels []resources.Level, r reading, now time.Time) {
	warnAt := r.config.Licensing.WarnAt
	bought := r.installed.Keyed || k.deps.Pooled != nil && k.deps.Pooled()
	for _, l := range limits() {
		level, ok := find(levels, l.level)
		// Without keys for licences, of this node or of a peer, the platform is the limit, and tells.
		counts := ok && (!l.licence || bought)
		full := k.full(level, now) && counts
		detail := fmt.Sprintf("%s of %s %s are in use", count(level.Used, l.unit), count(level.Limit, l.unit), l.what)
		k.tell(l.near, counts && near(level, warnAt), detail)
		if k.tell(l.at, full, detail) && l.licence {
			k.deps.Log.Warn("License Limit Reached", "Detail", detail)
		}
	}
	k.tellCalls(levels, warnAt, now)
}

// tellCalls raises and lowers the alarms about the capacity for calls. It is one for all
// of them (CA-01): the alarm is that of the kind that uses most of it.
func (k *Keeper) tellCalls(levels []resources.Level, warnAt int, now time.Time) {
	calls, _ := find(levels, resources.LevelCalls)
	traversal, _ := find(levels, resources.LevelTraversal)
	others, _ := find(levels, resources.LevelNonTraversal)
	isNear, full, through := near(calls, warnAt), k.full(calls, now), traversal.Used >= others.Used
	detail := fmt.Sprintf("calls use %d %% of what the platform carries, %d %% with media through the node", percent(calls.Used, calls.Limit), percent(traversal.Used, calls.Limit))
	k.tell(alarmTraversalNear, isNear && through, detail)
	k.tell(alarmTraversalFull, full && through, detail)
	k.tell(alarmNonTraversalNear, isNear && !through, detail)
	k.tell(alarmNonTraversalFull, full && !through, detail)
}

// tell raises an alarm while it is wanted and lowers it otherwise. It returns whether it
// did not stand before.
func (k *Keeper) tell(number int, wanted bool, detail string) bool {
	if number == 0 {
		return false
	}
	before := k.stands[number]
	k.stands[number] = wanted
	if !wanted {
		k.deps.Alarms.Lower(number, "")
		return false
	}
	k.deps.Alarms.Raise(number, "", detail)
	return !before
}

func find(levels []resources.Level, name string) (resources.Level, bool) {
	i := slices.IndexFunc(levels, func(l resources.Level) bool { return l.Name == name })
	if i < 0 {
		return resources.Level{Name: name}, false
	}
	return levels[i], true
}

// count shows a number of units as what they make up: 3 halves as 1.5.
func count(n, unit uint32) string {
	return strconv.FormatFloat(float64(n)/float64(unit), 'f', -1, 64)
}

func percent(n, of uint32) uint32 {
	if of == 0 {
		return 0
	}
	return uint32(uint64(n) * 100 / uint64(of))
}
