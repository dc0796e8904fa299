package accounts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// rig is a guard with a clock that the test moves.
type rig struct {
	*Guard
	mu       sync.Mutex
	now      time.Time
	accounts map[string]Account
	open     bool // nobody is shut out
}

func newRig() *rig {
	r := &rig{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), accounts: map[string]Account{}}
	for _, name := range []string{"root", "anna"} {
		r.accounts[name] = Account{Name: name, Role: "admin", Hash: cheap}
	}
	r.Guard = New(Config{
		Find: func(name string) (Account, bool) {
			r.mu.Lock()
			defer r.mu.Unlock()
			a, ok := r.accounts[name]
			return a, ok
		},
		ShutOut: func() bool { return !r.open },
		Now: func() time.Time {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.now
		},
	})
	r.nobody, _ = parse(cheap) // for the time that tests take
	return r
}

func (r *rig) later(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) try(t *testing.T, name, password, from string) error {
	t.Helper()
	_, _, err := r.Password(t.Context(), name, password, netip.MustParseAddr(from))
	return err
}

const right = "correct horse"

func isWait(err error) bool {
	var w *Wait
	return errors.As(err, &w) && w.For > 0
}

// Who guesses is made to wait, whether the account is there or not, and learns nothing.
func TestGuessingFromOneSource(t *testing.T) {
	for _, name := range []string{"root", "nobody"} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			for i := range int(perSource.burst) {
				if err := r.try(t, name, "guess", "192.0.2.1"); !errors.Is(err, ErrDenied) {
					t.Fatalf("attempt %d: %v", i, err)
				}
			}
			if err := r.try(t, name, right, "192.0.2.1"); !isWait(err) {
				t.Errorf("the right password after many wrong: %v", err)
			}
			if err := r.try(t, "root", right, "192.0.2.2"); err != nil {
				t.Errorf("from elsewhere: %v", err)
			}
			r.later(perSource.every)
			if err := r.try(t, "root", right, "192.0.2.1"); err != nil {
				t.Errorf("after the wait: %v", err)
			}
		})
	}
}

// A host of IPv6 has a /64 of addresses to guess from.
func TestSources(t *testing.T) {
	tests := []struct {
		name, a, b string
		same       bool
	}{
		{"IPv4", "192.0.2.1", "192.0.2.2", false},
		{"a /64", "2001:db8::1", "2001:db8::ffff:1", true},
		{"two /64s", "2001:db8::1", "2001:db8:0:1::1", false},
		{"mapped", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"scoped", "fe80::1%eth0", "fe80::2%eth1", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := source(netip.MustParseAddr(test.a)) == source(netip.MustParseAddr(test.b)); got != test.same {
				t.Errorf("%s and %s are the same: %t", test.a, test.b, got)
			}
		})
	}
}

// Guesses from everywhere stop for an account, but not for where its owner is.
func TestGuessingFromEverywhere(t *testing.T) {
	r := newRig()
	if err := r.try(t, "root", right, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := range 100 {
		if err = r.try(t, "root", "guess", fmt.Sprintf("198.51.100.%d", i)); err != nil && !errors.Is(err, ErrDenied) {
			break
		}
	}
	if !isWait(err) {
		t.Errorf("guessing went on: %v", err)
	}
	r.later(remembered) // the password is to be hashed again
	for i := range 100 {
		_ = r.try(t, "root", "guess", fmt.Sprintf("198.51.100.%d", i))
	}
	if err := r.try(t, "root", right, "192.0.2.1"); err != nil {
		t.Errorf("the owner is shut out: %v", err)
	}
}

// What is guessed at all accounts together is bounded too.
func TestGuessingInAll(t *testing.T) {
	r := newRig()
	denied := 0
	for i := range 1000 {
		if err := r.try(t, fmt.Sprint("name", i), "guess", fmt.Sprintf("198.51.%d.%d", i/250, i%250)); errors.Is(err, ErrDenied) {
			denied++
		}
	}
	if denied > int(inAll.burst) {
		t.Errorf("%d passwords were hashed", denied)
	}
}

func TestNotShutOut(t *testing.T) {
	r := newRig()
	r.open = true
	for range int(perSource.burst) + 2 {
		if err := r.try(t, "root", "guess", "192.0.2.1"); !errors.Is(err, ErrDenied) {
			t.Fatal(err)
		}
	}
}

// A script that sends its password each time has it hashed every five minutes, and a new
// password is in force at once.
func TestRemembered(t *testing.T) {
	r := newRig()
	ask := func(password string) (bool, error) {
		_, fresh, err := r.Password(t.Context(), "root", password, netip.MustParseAddr("192.0.2.1"))
		return fresh, err
	}
	for i, want := range []bool{true, false, false} {
		if fresh, err := ask(right); err != nil || fresh != want {
			t.Errorf("time %d: hashed %t, %v", i, fresh, err)
		}
	}
	if fresh, err := ask("correct hors"); !fresh || !errors.Is(err, ErrDenied) {
		t.Errorf("another password: %t, %v", fresh, err)
	}
	r.later(remembered)
	if fresh, _ := ask(right); !fresh {
		t.Error("it is remembered for ever")
	}
	other, err := Hash("another horse")
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.accounts["root"] = Account{Name: "root", Hash: other}
	r.mu.Unlock()
	if _, err := ask(right); !errors.Is(err, ErrDenied) {
		t.Errorf("the old password: %v", err)
	}
}

func TestTokens(t *testing.T) {
	r := newRig()
	root, anna := r.accounts["root"], r.accounts["anna"]
	token, until := r.Issue(root)
	if a, u, err := r.Token(token); err != nil || a.Name != "root" || !u.Equal(until) {
		t.Errorf("%+v, %v", a, err)
	}
	for _, wrong := range []string{"", tokenPrefix, token + "x", token[:len(token)-1]} {
		if _, _, err := r.Token(wrong); !errors.Is(err, ErrDenied) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	ended, _ := r.Issue(anna)
	r.End(ended)
	late, _ := r.Issue(anna)
	r.accounts["anna"] = Account{Name: "anna", Role: "read", Hash: cheap}
	if a, _, err := r.Token(late); err != nil || a.Role != "read" {
		t.Errorf("the role is not the account's now: %+v, %v", a, err)
	}
	r.later(TokenLife)
	for name, token := range map[string]string{"ended": ended, "too old": late} {
		if _, _, err := r.Token(token); !errors.Is(err, ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	changed, _ := r.Issue(root)
	delete(r.accounts, "root")
	if _, _, err := r.Token(changed); !errors.Is(err, ErrDenied) {
		t.Errorf("of an account that is gone: %v", err)
	}
}

func TestTokensAreBounded(t *testing.T) {
	r := newRig()
	first, _ := r.Issue(r.accounts["root"])
	var last string
	for range maxTokensOfName {
		r.later(time.Second)
		last, _ = r.Issue(r.accounts["root"])
	}
	if _, _, err := r.Token(first); !errors.Is(err, ErrDenied) {
		t.Error("the oldest token is still good")
	}
	if _, _, err := r.Token(last); err != nil {
		t.Error(err)
	}
	for i := range 2 * maxTokens {
		r.Issue(Account{Name: fmt.Sprint(i)})
	}
	if n := len(r.tokens.good); n > maxTokens {
		t.Errorf("%d tokens are kept", n)
	}
}

// Log-ins at once are hashed one after the other, and of too many some are turned away.
func TestHashingIsBounded(t *testing.T) {
	r := newRig()
	r.slots <- struct{}{} // one is at it, for long
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error)
	for i := range queue + 4 {
		go func() {
			_, _, err := r.Password(ctx, "root", right, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
			results <- err
		}()
	}
	for range 4 {
		if err := <-results; !errors.Is(err, ErrBusy) {
			t.Errorf("got %v", err)
		}
	}
	cancel() // the others went away
	for range queue {
		if err := <-results; !errors.Is(err, ErrBusy) {
			t.Errorf("got %v", err)
		}
	}
	if r.waiting.Load() != 0 {
		t.Error("somebody is counted still")
	}
}
