package pooling

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/pool"
	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/resources"
)

// Alarms about the licences of a peer that is away (facts A3): of calls, and of registrations one more.
const (
	alarmAwayHours   = 30012
	alarmAwayDays    = 30014
	alarmAwayRemoved = 30016
)

// awayLicences raises and lowers the alarms about licences of peers that are away.
type awayLicences struct {
	board  Board
	raised map[awayAlarm]string
}

type awayAlarm struct {
	number int
	peer   string
}

// LowerAway lowers those of these alarms that stand on a node that has no part in a cluster any more: an earlier process
// has raised them.
func LowerAway(b Board, standing []alarms.Alarm) { newAwayLicences(b, standing).tell(nil, nil) }

// newAwayLicences goes on from the alarms that stand.
func newAwayLicences(b Board, standing []alarms.Alarm) *awayLicences {
	a := &awayLicences{board: b, raised: map[awayAlarm]string{}}
	for _, s := range standing {
		if s.Stands() && s.Number >= alarmAwayHours && s.Number <= alarmAwayRemoved+1 {
			a.raised[awayAlarm{s.Number, s.Key}] = s.Detail
		}
	}
	return a
}

// tell says which peers are away, and what they brought. named says how the list calls a peer; empty: it does not know it.
func (a *awayLicences) tell(lost []pool.Lost, named func(cluster.ID) string) {
	now := map[awayAlarm]string{}
	for _, l := range lost {
		number, detail := awayLevel(l)
		if number == 0 {
			continue
		}
		if name := named(l.Peer); name != "" {
			detail = " of " + name + detail
		}
		calls, registrations := awayAmounts(l.Brings)
		if calls != "" {
			now[awayAlarm{number, string(l.Peer)}] = calls + detail
		}
		if registrations != "" {
			now[awayAlarm{number + 1, string(l.Peer)}] = registrations + detail
		}
	}
	for k, detail := range now {
		if a.raised[k] != detail {
			a.board.Raise(k.number, k.peer, detail)
		}
	}
	for k := range a.raised {
		if _, stands := now[k]; !stands {
			a.board.Lower(k.number, k.peer)
		}
	}
	a.raised = now
}

// awayLevel returns the alarm about calls for how long a peer is away, and how that reads.
func awayLevel(l pool.Lost) (int, string) {
	left := pool.Stays - l.Away
	switch l.Level {
	case pool.ForHours:
		return alarmAwayHours, fmt.Sprintf(": away for %d hours", l.Away/time.Hour)
	case pool.ForDays:
		return alarmAwayDays, fmt.Sprintf(": away for %d days, they leave the pool in %d", l.Away/pool.Days, (left+pool.Days-1)/pool.Days)
	case pool.Removed:
		return alarmAwayRemoved, ": they have left the pool"
	}
	return 0, ""
}

// awayAmounts says how many licences of calls and of registrations a peer brought; empty: none.
func awayAmounts(of pool.Amounts) (calls, registrations string) {
	var places []string
	for _, r := range slices.Sorted(maps.Keys(of)) {
		switch n := of[r]; {
		case n == 0:
		case r == ledger.Resource(resources.LevelRMS):
			calls = fmt.Sprintf("%d rich media sessions", n/2)
		default:
			places = append(places, fmt.Sprintf("%d %s", n, r))
		}
	}
	return calls, strings.Join(places, ", ")
}
