package support

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/eventlog"
)

// minSecret is how long a secret is at least that is starred out wherever it turns up:
// shorter ones are parts of words. They are left out where they stand, as all are.
const minSecret = 6

// Cleaner keeps secrets and names out of a bundle.
type Cleaner struct {
	secrets [][]byte
	names   map[string]string // user to what stands for it
	key     []byte            // of this bundle: the same name in another one looks different
	keep    bool
}

// NewCleaner makes a cleaner that knows these secrets and users. With keep, users are
// called by their names.
func NewCleaner(secrets, users []string, keep bool) *Cleaner {
	c := &Cleaner{names: map[string]string{}, key: make([]byte, 32), keep: keep}
	_, _ = rand.Read(c.key) // never fails (crypto/rand)
	for _, s := range secrets {
		if len(s) >= minSecret {
			c.secrets = append(c.secrets, []byte(s))
		}
	}
	// The longest first: one may be the beginning of another.
	slices.SortFunc(c.secrets, func(a, b []byte) int { return len(b) - len(a) })
	for _, u := range users {
		c.User(u)
	}
	return c
}

// User returns what stands for a user.
func (c *Cleaner) User(name string) string {
	if c.keep || name == "" {
		return name
	}
	if alias, ok := c.names[name]; ok {
		return alias
	}
	mac := hmac.New(sha256.New, c.key)
	mac.Write([]byte(name))
	alias := "user-" + hex.EncodeToString(mac.Sum(nil)[:4])
	c.names[name] = alias
	return alias
}

// Clean stars out the secrets.
func (c *Cleaner) Clean(text []byte) []byte {
	for _, s := range c.secrets {
		text = bytes.ReplaceAll(text, s, []byte("***"))
	}
	return text
}

// Log cleans an event log of users: those in their own fields, and those that are known
// wherever they stand.
func (c *Cleaner) Log(text []byte) []byte {
	if c.keep {
		return text
	}
	var out bytes.Buffer
	for line := range strings.Lines(string(text)) {
		out.WriteString(c.Text(c.record(line)))
	}
	return out.Bytes()
}

// record notes the users that a record names, so that Text finds them in it.
func (c *Cleaner) record(line string) string {
	fields, err := eventlog.Parse(line)
	if err != nil {
		return line
	}
	for _, f := range fields {
		switch f.Key {
		case "User":
			c.User(f.Value)
		case "Users":
			for name := range strings.SplitSeq(f.Value, ",") {
				c.User(name)
			}
		}
	}
	return line
}

// Text replaces known users that stand by themselves: between characters that are of no name.
func (c *Cleaner) Text(s string) string {
	if c.keep {
		return s
	}
	for name, alias := range c.names {
		s = replaceWord(s, name, alias)
	}
	return s
}

func replaceWord(s, word, with string) string {
	if word == "" || !strings.Contains(s, word) {
		return s
	}
	var b strings.Builder
	for {
		i := strings.Index(s, word)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		end := i + len(word)
		whole := (i == 0 || !ofName(s[i-1])) && (end == len(s) || !ofName(s[end]))
		b.WriteString(s[:i])
		if whole {
			b.WriteString(with)
		} else {
			b.WriteString(word)
		}
		s = s[end:]
	}
}

func ofName(c byte) bool {
	return c == '-' || c == '_' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}
