package member_test

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
)

// LI-06, BW-05: who comes back, by a start after it was killed or because the network is whole again, knows what was agreed meanwhile and gives
// of it again at once, however long it was away: it does not wait until the leader thinks of trying again.
func TestReturned(t *testing.T) {
	aways := []time.Duration{0, 20 * time.Second, 57 * time.Second}
	for name, leave := range map[string]func(r rig, l *line) (back func()){
		"killed": func(r rig, l *line) func() {
			l.stop()
			return func() { r.join(l.at, own(1, one, two, three)) }
		},
		"cut off": func(r rig, l *line) func() {
			cut := func(is bool) { r.cut(one, l.at, is); r.cut(two, l.at, is) }
			cut(true)
			return func() { cut(false) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, func(r rig) {
				all := r.form(one, two, three)
				last := all[2]
				for i, away := range aways {
					back := leave(r, last)
					time.Sleep(away)
					pipe := uint32(100 + i)
					r.pipe(pipe, all[:2]...)
					time.Sleep(time.Second) // it is agreed
					back()
					r.pipe(pipe, last)
					soon := 500 * time.Millisecond
					if away > 0 { // heartbeats pause for half a second by then: it is told because it was met
						soon = 20 * time.Millisecond
					}
					start := time.Now()
					within(r.T, soon, "it knows what was agreed", func() bool {
						table, _ := last.agree.Table()
						return table.Totals["pipe"].Amount == pipe
					})
					known := time.Since(start)
					within(r.T, time.Second, "it gives some", func() bool { return last.shares.call("pipe", 1) })
					r.Logf("%s away: %s until it knew, %s until it gave", away, known, time.Since(start))
					last.shares.hangUp("pipe")
					r.settles(all...)
				}
			})
		})
	}
}

// pipe tells members how much there is of a pipe.
func (b *board) pipe(amount uint32, to ...*line) {
	for _, l := range to {
		l.member.Pool(member.Offer{Totals: map[ledger.Resource]ledger.Total{"pipe": {Amount: amount, Policy: ledger.Available}}})
	}
}
