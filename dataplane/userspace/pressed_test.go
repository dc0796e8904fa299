package userspace

import (
	"testing"

	"turnpike.dev/turnpike/dataplane/relay"
)

// A loop says that it cannot keep up when requests stay behind turn after turn; not for
// a burst, and not for media of one relay, which only its own user notices.
func TestPressed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		to    func(*site) relay.Socket
		sent  int
		turns int
		want  bool
	}{
		{"a burst of requests", func(s *site) relay.Socket { return s.listen }, behindTurns*perTurn - 1, behindTurns, false},
		{"a flood of requests", func(s *site) relay.Socket { return s.listen }, behindTurns * perTurn, behindTurns, true},
		{"a flood of media", func(s *site) relay.Socket { return s.out }, behindTurns * perTurn, behindTurns, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, loopback4, loopback4)
			told := 0
			s.relay.loops[0].pressed = func() { told++ }
			for range tt.sent {
				s.client.send(tt.to(s).Local(), "rubbish")
			}
			for range tt.turns {
				s.turn()
			}
			if (told > 0) != tt.want {
				t.Errorf("told %d times", told)
			}
			s.client.send(s.listen.Local(), "late")
			s.turn()
			if s.listen.(*socket).behind != 0 {
				t.Error("still behind when all is served")
			}
		})
	}
}
