package userspace

import (
	"testing"

	"turnpike.dev/turnpike/dataplane/relay"
)

// A loop says that it cannot keep up when many requests wait turn after turn: not for a
// burst, not while clients wait for their answers before they ask again, and not for
// media of one relay, which only its own user notices.
func TestPressed(t *testing.T) {
	const flood = 8000 // more than any socket's threshold
	for _, tt := range []struct {
		name    string
		to      func(*site) relay.Socket
		sent    int
		between int // sent before each further turn
		want    bool
	}{
		{"a burst of requests", func(s *site) relay.Socket { return s.listen }, 100, 0, false},
		{"clients that wait for answers", func(s *site) relay.Socket { return s.listen }, 2 * perTurn, perTurn, false},
		{"a flood of requests", func(s *site) relay.Socket { return s.listen }, flood, 0, true},
		{"a flood of media", func(s *site) relay.Socket { return s.out }, flood, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, loopback4, loopback4)
			told := 0
			s.relay.loops[0].pressed = func() { told++ }
			to := tt.to(s).Local()
			for range tt.sent {
				s.client.send(to, "rubbish")
			}
			s.turn()
			for range 4 * behindTurns {
				for range tt.between {
					s.client.send(to, "rubbish")
				}
				if tt.sent > 100 || tt.between > 0 {
					s.turn()
				}
			}
			if (told > 0) != tt.want {
				t.Errorf("told %d times", told)
			}
		})
	}
}
