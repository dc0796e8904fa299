package troubles_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/troubles"
)

// LI-06, BW-05, AL-01: an operator hears that two sides count apart, on both of them, and what a lost peer keeps.
func TestSharing(t *testing.T) {
	at := time.Date(2026, 11, 22, 14, 20, 5, 0, time.UTC)
	alone := troubles.Trouble{Number: 20004, Key: there, Detail: "no heartbeats go both ways"}
	for name, tc := range map[string]struct {
		change func(*troubles.View)
		want   []troubles.Trouble
	}{
		"all is well": {func(v *troubles.View) { v.Sharing.Lent, v.Peers[1].Life = true, liveness.Active }, nil},
		"nothing is shared": {func(v *troubles.View) {
			v.Sharing.Aside, v.Sharing.Since = true, at
		}, []troubles.Trouble{alone}},
		"this side counts for itself": {func(v *troubles.View) {
			v.Sharing = troubles.Sharing{Lent: true, Aside: true, Since: at}
			v.Peers[1].Lost = at.Add(-5 * time.Second)
		}, []troubles.Trouble{alone, {29001, "", "this side counts for itself since 2026-11-22T14:20:05Z; not reached: peer2.example.test since 2026-11-22T14:20:00Z"}}},
		"since its start": {func(v *troubles.View) {
			v.Sharing = troubles.Sharing{Lent: true, Aside: true, Since: at}
			v.Peers[1].Life, v.Peers[1].Why = liveness.Unknown, "refused"
		}, []troubles.Trouble{{20004, there, "refused"}, {29001, "", "this side counts for itself since 2026-11-22T14:20:05Z; not reached: peer2.example.test"}}},
		"all are reached and nobody leads": {func(v *troubles.View) {
			v.Sharing = troubles.Sharing{Lent: true, Aside: true, Since: at}
			v.Peers[1].Life = liveness.Active
		}, []troubles.Trouble{{29001, "", "nobody leads the agreement: who reaches each other counts together since 2026-11-22T14:20:05Z"}}},
		"the side that leads": {func(v *troubles.View) {
			v.Sharing = troubles.Sharing{Lent: true, Leader: "10.0.0.1"}
		}, []troubles.Trouble{alone, {29001, "", "if they run they count for themselves; not reached: peer2.example.test"}}},
		"a peer that never came": {func(v *troubles.View) {
			v.Sharing = troubles.Sharing{Lent: true, Leader: "10.0.0.1"}
			v.Peers[1].Life, v.Peers[1].Why = liveness.Unknown, "refused"
		}, []troubles.Trouble{{20004, there, "refused"}}},
		"strict": {func(v *troubles.View) {
			v.Sharing.Leader = "tp1"
			v.Peers[1].Name, v.Peers[1].Held = "tp2", troubles.Held{Resources: []string{"desktop", "pipe porto", "rms"}, All: 5}
		}, []troubles.Trouble{alone, {29002, there, "reserved for it: desktop, pipe porto, rms and 2 more; on tp1: turnpike database forget peer2.example.test --confirm tp2"}}},
		"strict without a majority": {func(v *troubles.View) {
			v.Peers[1].Held = troubles.Held{Resources: []string{"rms"}, All: 1}
		}, []troubles.Trouble{alone, {29002, there, "reserved for it: rms; no majority agrees on freeing it: bring peers back, or take it off the list"}}},
		"strict on the side that nobody leads": {func(v *troubles.View) {
			v.Sharing = troubles.Sharing{Strict: true, Aside: true, Since: at}
		}, []troubles.Trouble{alone, {29003, "", "nobody leads the agreement since 2026-11-22T14:20:05Z; not reached: peer2.example.test"}}},
		"both policies, and all are reached": {func(v *troubles.View) {
			v.Sharing = troubles.Sharing{Lent: true, Strict: true, Aside: true, Since: at}
			v.Peers[1].Life = liveness.Active
		}, []troubles.Trouble{
			{29001, "", "nobody leads the agreement: who reaches each other counts together since 2026-11-22T14:20:05Z"},
			{29003, "", "nobody leads the agreement since 2026-11-22T14:20:05Z"},
		}},
		"strict on the side that leads": {func(v *troubles.View) {
			v.Sharing = troubles.Sharing{Strict: true, Leader: "10.0.0.1"}
		}, []troubles.Trouble{alone}},
		"strict, and there": {func(v *troubles.View) {
			v.Peers[1].Life, v.Peers[1].Held = liveness.Active, troubles.Held{Resources: []string{"rms"}, All: 1}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			v := view()
			v.Own.Primary, v.Peers[1].Settings.Primary, v.Peers[1].Life = 1, 1, liveness.Lost
			tc.change(&v)
			if diff := cmp.Diff(tc.want, troubles.Judge(v)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
