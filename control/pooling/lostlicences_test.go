package pooling

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/pool"
	"turnpike.dev/turnpike/control/alarms"
)

// recordedBoard notes what is raised and lowered.
type recordedBoard struct{ said []string }

func (b *recordedBoard) Raise(number int, key, detail string) {
	b.said = append(b.said, fmt.Sprint("raise ", number, " ", key, " ", detail))
}

func (b *recordedBoard) Lower(number int, key string) {
	b.said = append(b.said, fmt.Sprint("lower ", number, " ", key))
}

// A node that has no part in a cluster any more lowers what an earlier process has raised about peers' licences, and that alone.
func TestLowerAway(t *testing.T) {
	b := &recordedBoard{}
	LowerAway(b, []alarms.Alarm{
		{Number: 30012, Key: "b", State: alarms.Raised},
		{Number: 30017, Key: "c", State: alarms.Acknowledged},
		{Number: 30013, Key: "b", State: alarms.Lowered},
		{Number: 30010, State: alarms.Raised},
	})
	slices.Sort(b.said)
	if diff := cmp.Diff([]string{"lower 30012 b", "lower 30017 c"}, b.said); diff != "" {
		t.Error(diff)
	}
}

// LI-03: 30012 to 30017, one after the other while a peer is away, and none when it is back; also what an earlier
// process has raised.
func TestAwayLicences(t *testing.T) {
	b := &recordedBoard{}
	a := newAwayLicences(b, []alarms.Alarm{{Number: 30014, Key: "c", State: alarms.Raised}})
	name := ""
	at := func(away time.Duration, level pool.Level, want ...string) {
		t.Helper()
		var lost []pool.Lost
		if away > 0 {
			lost = []pool.Lost{{Peer: "b", Brings: pool.Amounts{"rms": 600, "room": 20, "desktop": 5}, Away: away, Level: level}}
		}
		a.tell(lost, func(cluster.ID) string { return name })
		slices.Sort(b.said)
		if diff := cmp.Diff(want, b.said); diff != "" {
			t.Errorf("away for %s: %s", away, diff)
		}
		b.said = nil
	}
	at(time.Minute, pool.Fresh, "lower 30014 c")
	at(2*time.Hour, pool.ForHours,
		"raise 30012 b 300 rich media sessions: away for 2 hours", "raise 30013 b 5 desktop, 20 room: away for 2 hours")
	at(2*time.Hour+time.Minute, pool.ForHours)
	name = "tp2"
	at(2*time.Hour+time.Minute, pool.ForHours, // the list knows it by now
		"raise 30012 b 300 rich media sessions of tp2: away for 2 hours", "raise 30013 b 5 desktop, 20 room of tp2: away for 2 hours")
	name = ""
	at(3*pool.Days, pool.ForDays, "lower 30012 b", "lower 30013 b",
		"raise 30014 b 300 rich media sessions: away for 3 days, they leave the pool in 11",
		"raise 30015 b 5 desktop, 20 room: away for 3 days, they leave the pool in 11")
	at(15*pool.Days, pool.Removed, "lower 30014 b", "lower 30015 b",
		"raise 30016 b 300 rich media sessions: they have left the pool", "raise 30017 b 5 desktop, 20 room: they have left the pool")
	at(0, pool.Fresh, "lower 30016 b", "lower 30017 b")
}
