package accounts

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What a password is hashed with (RFC 9106; one lane, since a node has other work for its
// cores): about 40 ms and 19 MiB on a small machine.
const (
	memoryKiB = 19 << 10
	passes    = 2
	lanes     = 1
	saltSize  = 16
	hashSize  = 32
)

// What a hash from elsewhere may want, so that no configuration makes log-ins dear.
const (
	maxMemoryKiB = 64 << 10
	maxPasses    = 8
	maxLanes     = 4
)

// Bounds of a password in bytes.
const (
	MinPassword = 10
	MaxPassword = 256
)

// ErrHash is what is wrong with a text that should be the hash of a password.
var ErrHash = errors.New("this is no hash of a password")

// hash is an argon2id hash with what it was made with.
type hash struct {
	memoryKiB, passes uint32
	lanes             uint8
	salt, sum         []byte
}

// Hash returns the hash of a password, as admin.accounts keeps it:
// $argon2id$v=19$m=...,t=...,p=...$salt$hash.
func Hash(password string) (string, error) {
	if len(password) < MinPassword || len(password) > MaxPassword {
		return "", fmt.Errorf("a password of %d bytes: want %d to %d", len(password), MinPassword, MaxPassword)
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	h := hash{memoryKiB: memoryKiB, passes: passes, lanes: lanes, salt: salt}
	h.sum = h.of(password, hashSize)
	return h.String(), nil
}

// Check says what is wrong with a hash.
func Check(text string) error {
	_, err := parse(text)
	return err
}

var encoding = base64.RawStdEncoding.Strict()

// String writes a hash in the usual form.
func (h hash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memoryKiB, h.passes, h.lanes, encoding.EncodeToString(h.salt), encoding.EncodeToString(h.sum))
}

// parse reads what String writes.
func parse(text string) (hash, error) {
	var h hash
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, fmt.Errorf("%w: want $argon2id$v=%d$m=...,t=...,p=...$salt$hash", ErrHash, argon2.Version)
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memoryKiB, &h.passes, &h.lanes); n != 3 || err != nil {
		return h, fmt.Errorf("%w: %q are no parameters", ErrHash, parts[3])
	}
	salt, saltErr := encoding.DecodeString(parts[4])
	sum, sumErr := encoding.DecodeString(parts[5])
	if errors.Join(saltErr, sumErr) != nil || len(salt) < 8 || len(salt) > 64 || len(sum) < 16 || len(sum) > 64 {
		return h, fmt.Errorf("%w: its salt or its sum is damaged", ErrHash)
	}
	h.salt, h.sum = salt, sum
	if h.passes < 1 || h.passes > maxPasses || h.lanes < 1 || h.lanes > maxLanes || h.memoryKiB < 8*uint32(h.lanes) || h.memoryKiB > maxMemoryKiB {
		return h, fmt.Errorf("%w: at most m=%d,t=%d,p=%d", ErrHash, maxMemoryKiB, maxPasses, maxLanes)
	}
	if h.String() != text {
		return h, fmt.Errorf("%w: it is not in the usual form", ErrHash)
	}
	return h, nil
}

func (h hash) of(password string, size uint32) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.passes, h.memoryKiB, h.lanes, size)
}

// is reports whether a password has this hash.
func (h hash) is(password string) bool {
	return subtle.ConstantTimeCompare(h.of(password, uint32(len(h.sum))), h.sum) == 1
}

// nobodys is what a password is hashed with that is nobody's, so that an answer takes as
// long as for somebody.
func nobodys() hash {
	return hash{memoryKiB: memoryKiB, passes: passes, lanes: lanes, salt: make([]byte, saltSize), sum: make([]byte, hashSize)}
}
