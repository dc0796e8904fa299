// Package seal keeps secrets of the configuration unreadable on disk (OP-02).
//
// It exists so that a copy of the revisions, in a support bundle or on a lost disk,
// does not give passwords away: they are sealed with a key that is in a file of its
// own, which peers of a cluster share. A seal is bound to the item that it is of, so
// that one cannot be put in place of another.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrNoKey means that something was sealed with a key that is not there.
var ErrNoKey = errors.New("the system key that this was sealed with is not there")

const (
	keySize = 32 // AES-256-GCM
	idSize  = 4
)

// Ring is the system key, and while it is renewed the one before it.
type Ring struct {
	keys []key
}

type key struct {
	id     string
	secret []byte
	aead   cipher.AEAD
}

// file is a key file: the newest key first.
type file struct {
	Keys []fileKey `json:"keys"`
}

type fileKey struct {
	ID  string `json:"id"`
	Key []byte `json:"key"`
}

// New returns a ring with a fresh key.
func New() *Ring { return &Ring{keys: []key{fresh()}} }

func fresh() key {
	id, secret := make([]byte, idSize), make([]byte, keySize)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	_, _ = rand.Read(secret)
	return makeKey(hex.EncodeToString(id), secret)
}

func makeKey(id string, secret []byte) key {
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic("seal: " + err.Error()) // the size was checked
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("seal: " + err.Error())
	}
	return key{id, secret, aead}
}

// Parse reads a key file.
func Parse(data []byte) (*Ring, error) {
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("read the system key: %w", err)
	}
	r := &Ring{}
	for _, k := range f.Keys {
		if len(k.Key) != keySize || len(k.ID) != 2*idSize || strings.Contains(k.ID, ":") {
			return nil, errors.New("read the system key: it is damaged")
		}
		r.keys = append(r.keys, makeKey(k.ID, k.Key))
	}
	if len(r.keys) == 0 {
		return nil, errors.New("read the system key: the file has none")
	}
	return r, nil
}

// Bytes returns the key file.
func (r *Ring) Bytes() []byte {
	f := file{}
	for _, k := range r.keys {
		f.Keys = append(f.Keys, fileKey{k.id, k.secret})
	}
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		panic("seal: " + err.Error()) // strings and bytes
	}
	return append(data, '\n')
}

// ID names the key that seals.
func (r *Ring) ID() string { return r.keys[0].id }

// Renewed returns a ring that seals with a fresh key and still opens what r does.
func (r *Ring) Renewed() *Ring { return &Ring{keys: append([]key{fresh()}, r.keys...)} }

// With returns a ring that seals with the key of another ring and still opens what r does.
func (r *Ring) With(other *Ring) *Ring { return &Ring{keys: append([]key{other.keys[0]}, r.keys...)} }

// Newest returns a ring with only the key that seals.
func (r *Ring) Newest() *Ring { return &Ring{keys: r.keys[:1]} }

// Renewing reports whether older keys are still there.
func (r *Ring) Renewing() bool { return len(r.keys) > 1 }

// Seal returns text sealed for the item at a path.
func (r *Ring) Seal(path, text string) string {
	k := r.keys[0]
	nonce := make([]byte, k.aead.NonceSize())
	_, _ = rand.Read(nonce)
	return k.id + ":" + base64.StdEncoding.EncodeToString(k.aead.Seal(nonce, nonce, []byte(text), []byte(path)))
}

// Open returns what was sealed for the item at a path.
func (r *Ring) Open(path, sealed string) (string, error) {
	id, data, ok := strings.Cut(sealed, ":")
	box, err := base64.StdEncoding.DecodeString(data)
	if !ok || err != nil {
		return "", fmt.Errorf("open the secret of %s: it is damaged", path)
	}
	for _, k := range r.keys {
		if k.id != id {
			continue
		}
		if len(box) < k.aead.NonceSize() {
			return "", fmt.Errorf("open the secret of %s: it is damaged", path)
		}
		text, err := k.aead.Open(nil, box[:k.aead.NonceSize()], box[k.aead.NonceSize():], []byte(path))
		if err != nil {
			return "", fmt.Errorf("open the secret of %s: %w", path, err)
		}
		return string(text), nil
	}
	return "", fmt.Errorf("open the secret of %s: %w (key %s)", path, ErrNoKey, id)
}
