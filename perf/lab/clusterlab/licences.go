package clusterlab

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"turnpike.dev/turnpike/licensing"
)

// Issuer signs option keys for nodes before they have started.
type Issuer struct {
	public  ed25519.PublicKey
	private ed25519.PrivateKey
}

// NewIssuer makes one.
func NewIssuer() (*Issuer, error) {
	public, private, err := ed25519.GenerateKey(nil)
	return &Issuer{public, private}, err
}

// Keys is the section of a node file that makes a node know the issuer, with keys of what it is to have. It gives the
// node its id.
func (i *Issuer) Keys(n *Node, of map[licensing.Feature]int) (string, error) {
	id := strings.Repeat(fmt.Sprintf("%02x", n.Index+1), 16)
	if err := os.MkdirAll(n.State, 0o750); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(n.State, "node.id"), []byte(id), 0o600); err != nil {
		return "", err
	}
	var keys []string
	for feature, count := range of {
		key, err := licensing.Key{Feature: feature, Count: count, Node: id, Serial: string(feature)}.Sign(i.private)
		if err != nil {
			return "", err
		}
		keys = append(keys, fmt.Sprintf("{name: %s}", key))
	}
	return fmt.Sprintf("option_keys: [%s]\nlicensing: {issuers: [{name: test, public_key: %s}]}\n", strings.Join(keys, ", "), base64.RawURLEncoding.EncodeToString(i.public)), nil
}
