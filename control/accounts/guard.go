// Package accounts says who may administer a node over the network: it checks passwords
// and tokens of the accounts in the configuration.
//
// It exists because what is reachable from a network is guessed at. A password is kept as
// an argon2id hash only, and never by the node itself; hashing is bounded in memory and in
// time, so that log-ins cannot take either from calls; who guesses is made to wait, by
// source, by account and in all, and learns nothing from the answer or how long it takes;
// a token is kept as a digest, for a bounded time, and ends when its account changes.
package accounts

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Account is somebody who may administer.
type Account struct {
	Name string
	Role string
	Hash string // of the password
}

// Errors that an attempt ends with.
var (
	// ErrDenied does not say what was wrong.
	ErrDenied = errors.New("name, password or token is wrong")
	// ErrBusy means that too many passwords are checked already.
	ErrBusy = errors.New("too many log-ins at once: try again in a few seconds")
)

// Wait is an attempt that was not looked at, because too many before it were wrong.
type Wait struct{ For time.Duration }

// Error says how long to wait.
func (w *Wait) Error() string {
	return fmt.Sprintf("too many log-ins were wrong: try again in %s", w.For.Round(time.Second)+time.Second)
}

// Config is what a guard needs.
type Config struct {
	// Find returns the account of a name as it is configured now.
	Find func(name string) (Account, bool)
	// ShutOut reports whether sources that guess are made to wait (admin.protection).
	ShutOut func() bool
	Now     func() time.Time
}

const (
	// hashing is how many passwords are hashed at once: 19 MiB each.
	hashing = 1
	// queue is how many wait for that, and patience for how long.
	queue    = 16
	patience = 5 * time.Second
	// remembered is how long a right password is recognised without hashing it again, for
	// scripts that send it with every request.
	remembered = 5 * time.Minute
	maxKnown   = 256
)

// Guard lets in who has a password or a token.
type Guard struct {
	cfg     Config
	limit   *limiter
	tokens  tokens
	slots   chan struct{}
	waiting atomic.Int32
	key     []byte // of the digests in lately
	nobody  hash   // what is hashed for accounts that are not there

	mu     sync.Mutex
	lately map[string]proof     // the last right password of an account
	known  map[string]time.Time // pairs of account and source that were right
}

// proof is a password that was right, and when that is forgotten.
type proof struct {
	mac   []byte
	until time.Time
}

// New returns a guard.
func New(cfg Config) *Guard {
	g := &Guard{
		cfg: cfg, limit: newLimiter(), tokens: tokens{good: map[digest]grant{}},
		slots: make(chan struct{}, hashing), key: make([]byte, sha256.Size), nobody: nobodys(),
		lately: map[string]proof{}, known: map[string]time.Time{},
	}
	_, _ = rand.Read(g.key) // never fails (crypto/rand)
	return g
}

// Find returns the account of a name as it is configured now.
func (g *Guard) Find(name string) (Account, bool) { return g.cfg.Find(name) }

// Password returns the account of a name and a password: ErrDenied, ErrBusy or a Wait. fresh
// reports whether the password was hashed: it is not each time that a script sends it.
func (g *Guard) Password(ctx context.Context, name, password string, from netip.Addr) (a Account, fresh bool, err error) {
	a, found := g.cfg.Find(name)
	if found && g.remembers(a, password) {
		return a, false, nil
	}
	keys, err := g.attempt(name, from)
	if err != nil {
		return Account{}, true, err
	}
	right, err := g.verify(ctx, a.Hash, found, password)
	if err != nil || right {
		for _, k := range keys {
			g.limit.giveBack(k)
		}
	}
	switch {
	case err != nil:
		return Account{}, true, err
	case !right:
		return Account{}, true, ErrDenied
	}
	g.remember(a, password, from)
	return a, true, nil
}

// attempt counts one in every bucket that it falls into, and returns them.
func (g *Guard) attempt(name string, from netip.Addr) ([]string, error) {
	now, where := g.cfg.Now(), source(from)
	type part struct {
		key string
		rate
	}
	var parts []part
	shutOut := g.cfg.ShutOut()
	if shutOut {
		parts = append(parts, part{"source " + where, perSource})
	}
	if !shutOut || !g.isKnown(name, where, now) {
		parts = append(parts, part{"account " + name, perAccount}, part{"all", inAll})
	}
	var taken []string
	for _, p := range parts {
		if wait := g.limit.take(now, p.key, p.rate); wait > 0 {
			for _, k := range taken {
				g.limit.giveBack(k)
			}
			return nil, &Wait{wait}
		}
		taken = append(taken, p.key)
	}
	return taken, nil
}

// verify hashes a password, a bounded number at a time. It takes as long for nobody's.
func (g *Guard) verify(ctx context.Context, text string, found bool, password string) (bool, error) {
	if g.waiting.Add(1) > queue {
		g.waiting.Add(-1)
		return false, ErrBusy
	}
	defer g.waiting.Add(-1)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-ctx.Done():
		return false, ErrBusy
	}
	h, err := parse(text)
	if !found || err != nil || len(password) > MaxPassword {
		g.nobody.is(password[:min(len(password), MaxPassword)])
		return false, nil
	}
	return h.is(password), nil
}

// mac is of a password under the hash that it has now: another password, another mac.
func (g *Guard) mac(a Account, password string) []byte {
	m := hmac.New(sha256.New, g.key)
	_, _ = fmt.Fprintf(m, "%d %s %s %s", len(a.Name), a.Name, a.Hash, password)
	return m.Sum(nil)
}

func (g *Guard) remembers(a Account, password string) bool {
	mac := g.mac(a, password)
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok := g.lately[a.Name]
	return ok && g.cfg.Now().Before(p.until) && hmac.Equal(p.mac, mac)
}

func (g *Guard) remember(a Account, password string, from netip.Addr) {
	now, mac := g.cfg.Now(), g.mac(a, password)
	g.mu.Lock()
	defer g.mu.Unlock()
	evict(g.lately, func(p proof) time.Time { return p.until })
	g.lately[a.Name] = proof{mac, now.Add(remembered)}
	evict(g.known, func(at time.Time) time.Time { return at })
	g.known[pair(a.Name, source(from))] = now
}

// evict makes room for one more: the oldest goes.
func evict[T any](m map[string]T, at func(T) time.Time) {
	for len(m) >= maxKnown {
		var oldest string
		var when time.Time
		for k, v := range m {
			if t := at(v); when.IsZero() || t.Before(when) {
				oldest, when = k, t
			}
		}
		delete(m, oldest)
	}
}

// isKnown reports whether an account was let in from a source lately.
func (g *Guard) isKnown(name, where string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, ok := g.known[pair(name, where)]
	return ok && now.Sub(at) < 30*24*time.Hour
}

func pair(name, where string) string { return where + " " + name }

// Issue makes a token for an account that has just shown its password.
func (g *Guard) Issue(a Account) (token string, until time.Time) {
	return g.tokens.issue(a, g.cfg.Now())
}

// Token returns the account of a token, as it is configured now. A token ends with its
// time, and when the password of its account is another or the account is gone.
func (g *Guard) Token(token string) (Account, time.Time, error) {
	gr, ok := g.tokens.find(token, g.cfg.Now())
	if !ok {
		return Account{}, time.Time{}, ErrDenied
	}
	now, ok := g.cfg.Find(gr.account.Name)
	if !ok || now.Hash != gr.account.Hash {
		g.tokens.end(token)
		return Account{}, time.Time{}, ErrDenied
	}
	return now, gr.until, nil
}

// End forgets a token.
func (g *Guard) End(token string) { g.tokens.end(token) }
