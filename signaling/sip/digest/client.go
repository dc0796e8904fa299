package digest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Client proves a password to another system. Not for concurrent use.
type Client struct {
	User, Password string

	answered challenge
	count    uint32
	open     bool // an answer was sent, and nobody said yet that it was taken
}

// challenge is one value of WWW-Authenticate or Proxy-Authenticate.
type challenge struct {
	realm, nonce, opaque string
	algorithm            Algorithm
	stale                bool
}

func parseChallenge(value string) (challenge, error) {
	c := challenge{algorithm: MD5}
	qop := ""
	err := parameters(value, func(name, v string) bool {
		switch name {
		case "realm":
			c.realm = v
		case "nonce":
			c.nonce = v
		case "opaque":
			c.opaque = v
		case "stale":
			c.stale = strings.EqualFold(v, "true")
		case "qop":
			qop = v
		case "algorithm":
			return c.algorithm.read(v)
		}
		return true
	})
	offered := strings.FieldsFunc(strings.ToLower(qop), func(r rune) bool { return r == ',' || r == ' ' })
	if err != nil || c.nonce == "" || !slices.Contains(offered, "auth") || strings.ContainsAny(value, "\r\n") {
		return challenge{}, ErrSyntax
	}
	return c, nil
}

// Answer takes the challenges of a 401 or 407 and returns the header field that proves the
// password, by the first algorithm that is known. false: there is none, or the password
// was refused already and it would be of no use to send it again.
func (c *Client) Answer(challenges []string, method, uri string) (string, bool) {
	for _, value := range challenges {
		ch, err := parseChallenge(value)
		if err != nil {
			continue
		}
		if c.open && ch.realm == c.answered.realm && !ch.stale {
			return "", false
		}
		c.answered, c.count, c.open = ch, 0, true
		return c.Next(method, uri)
	}
	return "", false
}

// Next returns the header field for another request to the one that challenged before;
// false when nobody did. A challenge to it is answered again.
func (c *Client) Next(method, uri string) (string, bool) {
	if c.answered.nonce == "" || strings.ContainsAny(uri, "\"\\\r\n") {
		return "", false
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	c.count++
	return c.header(method, uri, hex.EncodeToString(random[:])), true
}

// Accepted says that the password was taken: a later challenge is answered anew.
func (c *Client) Accepted() { c.open = false }

func (c *Client) header(method, uri, cnonce string) string {
	ch := &c.answered
	creds := Credentials{Nonce: ch.nonce, URI: uri, CNonce: cnonce, Algorithm: ch.algorithm, count: fmt.Sprintf("%08x", c.count)}
	key := NewKey(c.User, ch.realm, c.Password)
	b := quote([]byte("Digest username="), c.User)
	b = quote(append(b, ", realm="...), ch.realm)
	b = quote(append(b, ", nonce="...), ch.nonce)
	b = quote(append(b, ", uri="...), uri)
	b = key.response(append(b, ", response=\""...), &creds, method)
	b = append(b, "\", algorithm="...)
	b = append(append(b, ch.algorithm...), ", qop=auth, nc="...)
	b = quote(append(append(b, creds.count...), ", cnonce="...), cnonce)
	if ch.opaque != "" {
		b = quote(append(b, ", opaque="...), ch.opaque)
	}
	return string(b)
}
