package licensing

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// MaxKeys is how many keys of a node count (facts A3); MaxKey how long one may be.
const (
	MaxKeys = 64
	MaxKey  = 255
)

// Key is what an option key says. As text it is legible but for the signature:
//
//	TPK1.rms.100.4f1c9e….2027-12-31.7k2m9x.SIGNATURE
//
// that is version, feature, count, node, last day (UTC) or "perpetual", serial, and the
// Ed25519 signature (RFC 8032) of all that stands before its dot, in unpadded base64url.
type Key struct {
	Feature Feature
	Count   int    // of a counted feature; otherwise 1
	Node    string // id of the only node that it counts on
	// Until is the end of its last day; zero: perpetual.
	Until time.Time
	// Serial tells keys apart that give the same, so that both count: up to 32 small
	// letters, digits and hyphens.
	Serial string
}

// Errors of a key. They say what to do next.
var (
	ErrMalformed = errors.New("this is not an option key: copy it whole, from TPK1 to the end")
	ErrSignature = errors.New("the option key was changed or is of an issuer that this node does not know: ask for a new one")
	ErrOtherNode = errors.New("the option key is for another node")
	ErrExpired   = errors.New("the option key has expired: ask for a new one")
)

const (
	keyVersion = "TPK1"
	perpetual  = "perpetual"
	dayFormat  = time.DateOnly
	maxCount   = 1_000_000
)

var serial = regexp.MustCompile(`^[0-9a-z-]{1,32}$`)

// Sign makes a key's text.
func (k Key) Sign(issuer ed25519.PrivateKey) (string, error) {
	text := k.text()
	if got, err := parse(text); err != nil || got != k {
		return "", fmt.Errorf("sign a key of %d %s for %q until %v: %w", k.Count, k.Feature, k.Node, k.Until, ErrMalformed)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(issuer, []byte(text))), nil
}

func (k Key) text() string {
	return strings.Join([]string{keyVersion, string(k.Feature), strconv.Itoa(k.Count), k.Node, k.LastDay(), k.Serial}, ".")
}

// LastDay returns the last day that a key counts on, in UTC: "2027-12-31", or "perpetual".
func (k Key) LastDay() string {
	if k.Until.IsZero() {
		return perpetual
	}
	return k.Until.Add(-time.Nanosecond).UTC().Format(dayFormat)
}

// LastDay returns the day of an expiry in the way that Key.Until wants it: its end, in UTC.
func LastDay(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
}

// ParseKey reads a key that one of the issuers signed. It does not look at the node and
// the day: see Key.Valid.
func ParseKey(text string, issuers ...ed25519.PublicKey) (Key, error) {
	if len(text) > MaxKey {
		return Key{}, ErrMalformed
	}
	dot := strings.LastIndexByte(text, '.')
	if dot < 0 {
		return Key{}, ErrMalformed
	}
	k, err := parse(text[:dot])
	if err != nil {
		return Key{}, err
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(text[dot+1:])
	if err != nil || len(signature) != ed25519.SignatureSize {
		return Key{}, ErrMalformed
	}
	for _, issuer := range issuers {
		if len(issuer) == ed25519.PublicKeySize && ed25519.Verify(issuer, []byte(text[:dot]), signature) {
			return k, nil
		}
	}
	return Key{}, ErrSignature
}

// parse reads what is signed. There is one way only to write a key.
func parse(text string) (Key, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 6 || parts[0] != keyVersion {
		return Key{}, ErrMalformed
	}
	k := Key{Feature: Feature(parts[1]), Node: parts[3], Serial: parts[5]}
	count, err := strconv.Atoi(parts[2])
	if err != nil || count < 1 || count > maxCount || !k.Feature.Known() || !k.Feature.Counted() && count != 1 {
		return Key{}, ErrMalformed
	}
	k.Count = count
	if parts[4] != perpetual {
		day, err := time.Parse(dayFormat, parts[4])
		if err != nil {
			return Key{}, ErrMalformed
		}
		k.Until = day.AddDate(0, 0, 1)
	}
	if k.Node == "" || len(k.Node) > 64 || !serial.MatchString(k.Serial) || k.text() != text {
		return Key{}, ErrMalformed
	}
	return k, nil
}

// Valid says whether the key counts on a node at a time.
func (k Key) Valid(node string, now time.Time) error {
	switch {
	case k.Node != node:
		return fmt.Errorf("%w: %s, and this is %s", ErrOtherNode, k.Node, node)
	case !k.Until.IsZero() && !now.Before(k.Until):
		return fmt.Errorf("%w (its last day was %s)", ErrExpired, k.LastDay())
	}
	return nil
}
