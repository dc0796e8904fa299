package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/seal"
)

// MaxDocument bounds what travels between peers: what they take from each other is no larger.
const MaxDocument = 15 << 20

// documentFormat is the form of a document. Peers of one software version have one.
const documentFormat = 1

// travelling is the shared part of a configuration as it travels between peers: whole, with its
// secrets in the clear, because it travels inside TLS to peers that have proven who they are, and with the
// system key, so that all keep their secrets under the same one (OP-02). What belongs to a peer (PS) is not in it.
type travelling struct {
	Format int    `json:"format"`
	Node   string `json:"node"` // where it was written
	Author
	Note   string          `json:"note,omitempty"`
	Time   time.Time       `json:"time"`
	Key    json.RawMessage `json:"key"`
	Values []config.Value  `json:"values"`
}

// documentOf returns what travels of a tree, and the digest of it.
func documentOf(node string, info Info, n *config.Node, ring *seal.Ring) (text, digest string, err error) {
	shared := config.Shared(n)
	values, err := contentOf(shared)
	if err != nil {
		return "", "", err
	}
	data, err := json.Marshal(travelling{
		Format: documentFormat, Node: node, Author: info.Author, Note: info.Note, Time: info.Time.UTC(),
		Key: ring.Newest().Bytes(), Values: shared,
	})
	if err != nil {
		return "", "", err
	}
	if len(data) > MaxDocument {
		return "", "", fmt.Errorf("the shared configuration is %d bytes, and peers take %d: remove entries that nobody needs", len(data), MaxDocument)
	}
	return string(data), values.digest(), nil
}

var errDocument = errors.New("the document is damaged")

// readDocument reads what came from a peer. All values must be known here: peers of other software send
// nothing (CL-10).
func readDocument(text string) (d travelling, ring *seal.Ring, err error) {
	if len(text) > MaxDocument {
		return d, nil, fmt.Errorf("%w: it is %d bytes, want at most %d", errDocument, len(text), MaxDocument)
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return d, nil, fmt.Errorf("%w: %w", errDocument, err)
	}
	if d.Format != documentFormat {
		return d, nil, fmt.Errorf("the document has format %d, and this version reads %d: upgrade all peers to one version", d.Format, documentFormat)
	}
	if ring, err = seal.Parse(d.Key); err != nil {
		return d, nil, fmt.Errorf("%w: %w", errDocument, err)
	}
	for _, v := range d.Values {
		if item, ok := config.Lookup(v.Path); ok && item.Peer {
			return d, nil, fmt.Errorf("%w: %s belongs to a node and does not travel", errDocument, v.Path)
		}
	}
	return d, ring.Newest(), nil
}

// onto returns the tree that a document leads to on a node: what belongs to that stays (PS).
func (d travelling) onto(cur *config.Node, digest string) (*config.Node, error) {
	next, err := config.WithShared(cur, d.Values)
	if err != nil {
		return nil, err
	}
	values, err := contentOf(config.Shared(next))
	if err != nil {
		return nil, err
	}
	if got := values.digest(); got != digest {
		return nil, fmt.Errorf("%w: its digest is %s, want %s", errDocument, got, digest)
	}
	return next, nil
}
