package member

import (
	"errors"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
)

// An incarnation is never used twice: not after a restart within a second, and not by a machine that was put
// back to an old image or whose clock was.
func TestIncarnationsGrow(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for name, tc := range map[string]struct {
		kept string
		now  time.Time
		want cluster.Incarnation
	}{
		"first start":            {"", now, 1_800_000_000},
		"at once again":          {`{"incarnation":1800000000}`, now, 1_800_000_001},
		"later":                  {`{"incarnation":1800000000}`, now.Add(time.Hour), 1_800_003_600},
		"the clock was put back": {`{"incarnation":1800000000}`, now.Add(-time.Hour), 1_800_000_001},
		"no clock at all":        {"", time.Unix(-5, 0), 1},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := restore([]byte(tc.kept), tc.now)
			if err != nil || k.Incarnation != tc.want {
				t.Errorf("incarnation %d (%v), want %d", k.Incarnation, err, tc.want)
			}
			again, err := restore(k.bytes(), tc.now)
			if err != nil || again.Incarnation <= k.Incarnation {
				t.Errorf("after %d comes %d (%v)", k.Incarnation, again.Incarnation, err)
			}
		})
	}
	if _, err := restore([]byte("{"), now); err == nil {
		t.Error("a damaged file is taken")
	}
}

// Who knocks without being in the list leaves nothing behind: there may be any number of them.
func TestNothingIsKeptOfStrangers(t *testing.T) {
	m := &Member{cfg: Config{Boot: func() time.Duration { return 0 }}, faults: map[string]error{}, liveness: liveness.New("a", 1)}
	m.own.Peers = []string{"10.0.0.1", "10.0.0.2"}
	for _, address := range []string{"198.51.100.1", "198.51.100.2", "10.0.0.2"} {
		m.fail(failed{address, errors.New("refused")})
	}
	if len(m.faults) != 1 || m.faults["10.0.0.2"] == nil {
		t.Errorf("kept: %v", m.faults)
	}
}

// Connections tell of a peer at the same time: what it said of itself last stays, in whatever order that comes.
func TestHelloThatWasOvertaken(t *testing.T) {
	now := &contact{incarnation: 7, number: 3}
	for name, tc := range map[string]struct {
		c    contact
		late bool
	}{
		"older":                 {contact{incarnation: 7, number: 2}, true},
		"of the process before": {contact{incarnation: 6, number: 9}, true},
		"the same again":        {contact{incarnation: 7, number: 3}, false},
		"newer":                 {contact{incarnation: 7, number: 4}, false},
		"of a new process":      {contact{incarnation: 8, number: 1}, false},
	} {
		if got := tc.c.before(now); got != tc.late {
			t.Errorf("%s: late %v", name, got)
		}
	}
}
