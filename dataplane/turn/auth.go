package turn

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the REST credential scheme is defined with SHA-1
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/pion/stun/v3"
)

// account is who sent an authenticated request.
type account struct {
	name string
	// person is what the quota counts by: of a time-limited name the part that
	// does not change with each credential.
	person string
	// secret tags the shared secret behind a time-limited name; empty for a
	// long-term password. It tells nothing without the node's own nonce key.
	secret string
	// lapsed: the time in the name is over. It ends the right to new allocations;
	// one that exists may be kept, or every long call would be cut.
	lapsed bool
}

// credentials is an immutable set of users and secrets.
type credentials struct {
	realm   string
	keys    map[string]stun.MessageIntegrity
	secrets []sharedSecret
}

type sharedSecret struct{ value, tag string }

func newCredentials(realm string, users map[string]string, secrets []string, tagKey []byte) *credentials {
	c := &credentials{realm: realm, keys: make(map[string]stun.MessageIntegrity, len(users))}
	for name, password := range users {
		c.keys[name] = stun.NewLongTermIntegrity(name, realm, password)
	}
	for _, s := range secrets {
		c.secrets = append(c.secrets, sharedSecret{value: s, tag: secretTag(tagKey, s)})
	}
	return c
}

func secretTag(key []byte, secret string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("turn shared secret\x00" + secret))
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// check verifies the message's integrity with what the name's key can be, and
// returns the account and the key to sign the answer with.
func (c *credentials) check(m *stun.Message, name string, now time.Time) (account, stun.MessageIntegrity, bool) {
	if key, ok := c.keys[name]; ok {
		return account{name: name, person: name}, key, key.Check(m) == nil
	}
	end, person, ok := parseTimeLimited(name)
	if !ok {
		return account{}, nil, false
	}
	for _, s := range c.secrets {
		key := stun.NewLongTermIntegrity(name, c.realm, timeLimitedPassword(s.value, name))
		if key.Check(m) == nil {
			return account{name: name, person: person, secret: s.tag, lapsed: !now.Before(end)}, key, true
		}
	}
	return account{}, nil, false
}

// holds reports whether the account still exists.
func (c *credentials) holds(a account) bool {
	if a.secret == "" {
		_, ok := c.keys[a.name]
		return ok
	}
	for _, s := range c.secrets {
		if s.tag == a.secret {
			return true
		}
	}
	return false
}

// parseTimeLimited splits "unixtime[:id]" (draft-uberti-behave-turn-rest-00).
func parseTimeLimited(name string) (end time.Time, person string, ok bool) {
	stamp, id, _ := strings.Cut(name, ":")
	seconds, err := strconv.ParseUint(stamp, 10, 40)
	if err != nil {
		return time.Time{}, "", false
	}
	if id == "" {
		id = name
	}
	return time.Unix(int64(seconds), 0), id, true
}

func timeLimitedPassword(secret, name string) string {
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte(name))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
