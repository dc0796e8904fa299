package digest

import (
	"crypto/subtle"
	"net/netip"
	"time"
)

// Lifetime is how long a nonce is good.
const Lifetime = 5 * time.Minute

// Verdict is what credentials are worth.
type Verdict uint8

// Verdicts.
const (
	Wrong Verdict = iota // no such user, or another password: alike
	Stale                // the nonce is not ours or too old, or its count was there before
	Good
)

// Server challenges and checks. It may be used by any number of goroutines.
type Server struct {
	nonces  *nonces
	windows *windows
	nobody  Key
}

// NewServer returns a server. Nodes and processes with the same key take each other's
// nonces.
func NewServer(key []byte) *Server {
	return &Server{
		nonces: newNonces(key, Lifetime), windows: newWindows(windowSets),
		nobody: NewKey("", string(key), ""),
	}
}

// Challenge returns the values of WWW-Authenticate or Proxy-Authenticate for a client, in
// the order of the algorithms: clients take the first they know (RFC 8760 section 2.4).
func (s *Server) Challenge(realm string, client netip.Addr, stale bool, now time.Time, algorithms ...Algorithm) []string {
	nonce := s.nonces.issue(client, now)
	values := make([]string, len(algorithms))
	for i, a := range algorithms {
		b := quote(append(make([]byte, 0, 160), "Digest realm="...), realm)
		b = quote(append(b, ", nonce="...), nonce)
		if stale {
			b = append(b, ", stale=true"...)
		}
		values[i] = string(append(append(b, ", qop=\"auth\", algorithm="...), a...))
	}
	return values
}

// Check says what a client's credentials are worth with a user's key; nil: there is no
// such user, which takes as long and looks the same. With a nonce that is not good the
// password is not looked at, so that each guess costs a nonce of the guesser's own.
func (s *Server) Check(c *Credentials, k *Key, method string, client netip.Addr, now time.Time) Verdict {
	issued, good := s.nonces.read(c.Nonce, client, now)
	if !good {
		return Stale
	}
	known := k != nil
	if !known {
		k = &s.nobody
	}
	var room [64]byte
	right := subtle.ConstantTimeCompare(k.response(room[:0], c, method), []byte(c.Response)) == 1
	switch {
	case !known || !right:
		return Wrong
	case !s.windows.use(issued, c.Count):
		return Stale
	}
	return Good
}
