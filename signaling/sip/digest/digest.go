// Package digest checks and gives passwords by HTTP Digest as SIP uses it: RFC 7616 and
// 8760, with SHA-256 and, for the many endpoints that know no other, MD5.
//
// It exists so that the server keeps nothing for a client that has proved nothing: a
// nonce carries the time it was made and a code that only this node can make. Only of
// nonces that were used with the right password it is remembered which counts were seen,
// in a table of a fixed size, so that no request counts twice.
package digest

import (
	"crypto/md5" //nolint:gosec // the scheme is defined with MD5
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// Algorithm is the hash of a challenge or an answer, as it is written.
type Algorithm string

// Algorithms.
const (
	MD5    Algorithm = "MD5"
	SHA256 Algorithm = "SHA-256"
)

// ErrSyntax means that a header field is no digest credentials or challenge.
var ErrSyntax = errors.New("the header field is no digest of qop=auth")

// hexHash appends the hash of the parts with colons between them, in hex.
func (a Algorithm) hexHash(dst []byte, parts ...string) []byte {
	var room [512]byte
	text := room[:0]
	for i, p := range parts {
		if i > 0 {
			text = append(text, ':')
		}
		text = append(text, p...)
	}
	if a == SHA256 {
		sum := sha256.Sum256(text)
		return hex.AppendEncode(dst, sum[:])
	}
	sum := md5.Sum(text) //nolint:gosec // see above
	return hex.AppendEncode(dst, sum[:])
}

// Key is what a password is kept as: it proves passwords in one realm only.
type Key struct{ md5, sha256 string }

// NewKey makes the key of a user (RFC 7616 section 3.4.2).
func NewKey(user, realm, password string) Key {
	return Key{
		md5:    string(MD5.hexHash(nil, user, realm, password)),
		sha256: string(SHA256.hexHash(nil, user, realm, password)),
	}
}

func (k *Key) of(a Algorithm) string {
	if a == SHA256 {
		return k.sha256
	}
	return k.md5
}

// response computes what proves the password (RFC 7616 section 3.4.1).
func (k *Key) response(dst []byte, c *Credentials, method string) []byte {
	var room [64]byte
	a2 := c.Algorithm.hexHash(room[:0], method, c.URI)
	return c.Algorithm.hexHash(dst, k.of(c.Algorithm), c.Nonce, c.count, c.CNonce, "auth", string(a2))
}
