package licensing

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"
)

// Issuer is somebody whose keys count.
type Issuer struct {
	Name string
	Key  ed25519.PublicKey
}

// Option is a text that was installed as an option key, and what is to be thought of it.
type Option struct {
	Text   string
	Key    Key    // what it says; the zero Key where that cannot be read or trusted
	Issuer string // who signed it
	Err    error  // why it does not count; nil: it counts
}

// Errors of a key among others.
var (
	ErrTwice   = errors.New("the option key is there twice and counts once: delete one")
	ErrTooMany = fmt.Errorf("only %d option keys count: delete those that have expired, or ask for one key instead of several", MaxKeys)
)

// Read says of each text that was installed on a node what it is at a time. The order
// stays.
func Read(texts []string, issuers []Issuer, node string, now time.Time) []Option {
	out := make([]Option, len(texts))
	seen := map[string]bool{}
	for i, text := range texts {
		o := Option{Text: text}
		o.Key, o.Issuer, o.Err = identify(text, issuers)
		if o.Err == nil {
			o.Err = o.Key.Valid(node, now)
		}
		switch {
		case seen[text]:
			o.Err = ErrTwice
		case i >= MaxKeys:
			o.Err = ErrTooMany
		}
		seen[text] = true
		out[i] = o
	}
	return out
}

// identify reads a key and says who signed it.
func identify(text string, issuers []Issuer) (Key, string, error) {
	worst := ErrSignature
	for _, by := range issuers {
		k, err := ParseKey(text, by.Key)
		if err == nil {
			return k, by.Name, nil
		}
		worst = err
	}
	if len(issuers) == 0 {
		_, worst = ParseKey(text)
	}
	return Key{}, "", worst
}

// Install returns what the options of a node give. A node whose keys have ended is not
// one that never had any: it stays keyed, and its pool is empty. Otherwise a key would
// give most on the day after its last.
func Install(options []Option) Installed {
	var keys []Key
	for _, o := range options {
		if o.Err == nil {
			keys = append(keys, o.Key)
		}
	}
	in := Sum(keys)
	for _, o := range options {
		in.Keyed = in.Keyed || errors.Is(o.Err, ErrExpired) && o.Key.Feature.Counted()
	}
	return in
}
