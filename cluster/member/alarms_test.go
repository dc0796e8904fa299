package member_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/cluster/mesh"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/settings"
)

// CL-01, CL-06, CL-16, AL-01: each alarm of a member is raised when something causes it and lowered when it
// is right again.
func TestAlarms(t *testing.T) {
	changed := func(change func(*settings.Settings)) settings.Settings {
		s := own(1, one, two)
		change(&s)
		return s
	}
	// setting is a cause that is a setting of the second peer.
	setting := func(change func(*settings.Settings)) func(r rig, p, q *line) {
		return func(_ rig, _, q *line) { q.configure(changed(change)) }
	}
	right := func(_ rig, _, q *line) { q.configure(own(1, one, two)) }
	for name, tc := range map[string]struct {
		cause, cure func(r rig, p, q *line)
		on          int // which of the two members
		want        string
	}{
		"20003 own address missing": {
			func(_ rig, _, q *line) { q.configure(own(1, one, three)) }, right, 2, "20003 ",
		},
		"20003 an address twice": {
			func(_ rig, p, _ *line) { p.configure(own(1, one, two, one)) },
			func(_ rig, p, _ *line) { p.configure(own(1, one, two)) }, 1, "20003 ",
		},
		"20005": {
			func(_ rig, p, _ *line) {
				p.member.Handler().Failed(two, fmt.Errorf("%w: no such host", mesh.ErrResolve))
			},
			func(r rig, p, q *line) { r.cut(one, two, false) }, 1, "20005 " + two,
		},
		"20006": {
			func(r rig, p, q *line) {
				r.mute(func(m any) bool { _, tail := m.(rows.Tail); _, part := m.(rows.Part); return tail || part })
				q.stop()
				q = r.join(two, own(1, one, two))
				q.member.Put("r/a", rows.Row{Value: "a"})
			},
			func(r rig, _, _ *line) { r.mute(nil) }, 1, "20006 " + two,
		},
		"20007": {
			func(_ rig, p, _ *line) { p.member.Local(member.Local{Restart: []string{"cluster.port"}}) },
			func(_ rig, p, _ *line) { p.member.Local(member.Local{}) }, 1, "20007 ",
		},
		"20009 not written": {
			func(r rig, p, q *line) {
				q.store.breaks(errors.New("the disk is full"))
				r.change(p, "what does not fit")
			},
			func(_ rig, _, q *line) { q.store.breaks(nil) }, 2, "20009 ",
		},
		"20009 refused": {
			func(_ rig, p, _ *line) { p.member.Local(member.Local{Refused: "it has a list that is too long"}) },
			func(_ rig, p, _ *line) { p.member.Local(member.Local{}) }, 1, "20009 ",
		},
		"20012 name":     {setting(func(s *settings.Settings) { s.Name = "other.test" }), right, 1, "20012 " + two},
		"20012 IP":       {setting(func(s *settings.Settings) { s.IP = "ipv6" }), right, 1, "20012 " + two},
		"20012 TLS":      {setting(func(s *settings.Settings) { s.TLS = "enforce" }), right, 1, "20012 " + two},
		"20012 platform": {setting(func(s *settings.Settings) { s.Platform = "large" }), right, 1, "20012 " + two},
		"20012 list":     {setting(func(s *settings.Settings) { s.Peers = []string{one, two, three} }), right, 1, "20012 " + two},
		"20014": {
			func(r rig, p, q *line) {
				old := p.store.Stored()
				r.change(p, "what the disk forgets", q)
				p.stop()
				p.store.putBack(old)
				r.mute(func(m any) bool { _, push := m.(revisions.Push); return push })
				r.join(one, own(1, one, two))
			},
			func(r rig, _, _ *line) { r.mute(nil) }, 1, "20014 ",
		},
		"20015": {func(_ rig, _, q *line) { q.configure(own(1, one, three)) }, right, 2, "20015 "},
		"20018": {
			func(_ rig, p, _ *line) { p.member.Local(member.Local{NoH323: true}) },
			func(_ rig, p, _ *line) { p.member.Local(member.Local{}) }, 1, "20018 ",
		},
		"20019": {setting(func(s *settings.Settings) { s.Name = "" }), right, 2, "20019 "},
		"20020": {setting(func(s *settings.Settings) { s.TLS = "enforce" }), right, 2, "20020 "},
		"20021": {
			func(_ rig, p, _ *line) {
				p.member.Handler().Failed(two, fmt.Errorf("%w: timed out", mesh.ErrUnreachable))
			},
			func(r rig, _, _ *line) { r.cut(one, two, false) }, 1, "20021 " + two,
		},
		"20025": {
			func(r rig, p, q *line) {
				r.mute(func(m any) bool { _, push := m.(revisions.Push); return push })
				q.store.damage("not what was written")
			},
			func(r rig, _, _ *line) { r.mute(nil) }, 2, "20025 ",
		},
		"20026": {
			func(r rig, _, _ *line) { r.noRaft(true) },
			func(r rig, _, _ *line) { r.noRaft(false) }, 1, "20026 ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, func(r rig) {
				all := r.form(one, two)
				tc.cause(r, all[0], all[1])
				within(t, 2*time.Minute, tc.want, func() bool { return slices.Contains(all[tc.on-1].alarms.list(), tc.want) })
				tc.cure(r, all[0], all[1])
				r.settles(all...)
			})
		})
	}
}

// mute throws away the messages that it is asked about; nil: none.
func (b *board) mute(what func(any) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.muted = what
}

// noRaft cuts the streams of the agreement and nothing else, or mends them.
func (b *board) noRaft(is bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.raftless = is
	if !is {
		return
	}
	for _, all := range b.pipes {
		for _, c := range all {
			_ = c.Close()
		}
	}
	b.pipes = map[[2]string][]net.Conn{}
}

// breaks makes the disk fail.
func (d *documents) breaks(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

// putBack puts the disk back to what it was.
func (d *documents) putBack(s revisions.Stored) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stored, d.force = s, s.Bytes
}
