package accounts

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

// Bounds of tokens.
const (
	TokenLife       = 12 * time.Hour
	maxTokens       = 1000
	maxTokensOfName = 20
)

// tokenPrefix lets people and scanners of secrets recognise a token.
const tokenPrefix = "tpt_"

// digest is what is kept of a token.
type digest [sha256.Size]byte

// grant is what a token stands for.
type grant struct {
	account Account
	until   time.Time
}

// tokens are those that are good, by their digests. They end with the process.
type tokens struct {
	mu   sync.Mutex
	good map[digest]grant
}

// issue makes a token; of too many, those that end first go.
func (t *tokens) issue(a Account, now time.Time) (string, time.Time) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	token := tokenPrefix + base64.RawURLEncoding.EncodeToString(secret)
	until := now.Add(TokenLife)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(now)
	t.bound(func(g grant) bool { return g.account.Name == a.Name }, maxTokensOfName-1)
	t.bound(func(grant) bool { return true }, maxTokens-1)
	t.good[sha256.Sum256([]byte(token))] = grant{a, until}
	return token, until
}

// expire forgets what is over.
func (t *tokens) expire(now time.Time) {
	for d, g := range t.good {
		if !now.Before(g.until) {
			delete(t.good, d)
		}
	}
}

// bound leaves at most n of those that match.
func (t *tokens) bound(match func(grant) bool, n int) {
	for {
		var first digest
		count, until := 0, time.Time{}
		for d, g := range t.good {
			if !match(g) {
				continue
			}
			count++
			if until.IsZero() || g.until.Before(until) {
				first, until = d, g.until
			}
		}
		if count <= n {
			return
		}
		delete(t.good, first)
	}
}

// find returns what a token stands for. Looking a digest up tells nothing of the token by
// the time it takes.
func (t *tokens) find(token string, now time.Time) (grant, bool) {
	d := sha256.Sum256([]byte(token))
	t.mu.Lock()
	defer t.mu.Unlock()
	g, ok := t.good[d]
	return g, ok && now.Before(g.until)
}

func (t *tokens) end(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.good, sha256.Sum256([]byte(token)))
}
