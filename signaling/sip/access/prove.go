package access

import (
	"strings"
	"time"

	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// Prove says whether a request proves a certain account; otherwise it has been answered,
// with a challenge or a refusal. A traversal client logs in so.
func (g *Guard) Prove(t *transaction.Server, account string) bool {
	p, now := g.policy.Load(), time.Now()
	a, stale := g.verify(t, p, now)
	switch {
	case a == nil:
		g.challenge(t, p, stale, now)
		return false
	case !strings.EqualFold(a.name, account):
		g.tell("Authentication Refused", t, "User", a.name, "Detail", "another account is expected here")
		t.Reply(403, "")
		return false
	}
	return true
}
