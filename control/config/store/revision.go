package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/seal"
)

// Author is who changes the configuration, and from where.
type Author struct {
	User string `json:"user"`
	From string `json:"from"`
}

// Info is a revision without its document.
type Info struct {
	Number int `json:"revision"`
	// Generation counts the changes of primary (design: cluster); revisions of a
	// later one win.
	Generation int       `json:"generation"`
	Time       time.Time `json:"time"`
	Author
	Note string `json:"note,omitempty"`
	// File: this and all revisions before it came from the node file. Such a store
	// counts as empty: the file as a whole goes on being the configuration.
	File bool `json:"file,omitempty"`
	// Fresh: what peers share is as the node file or a factory reset has left it.
	Fresh bool `json:"fresh,omitempty"`
	// Changes lists what differs from the revision before, secrets hidden, and More
	// how many there are besides.
	Changes []config.Change `json:"changes"`
	More    int             `json:"more,omitempty"`
	// Digest is of what peers share: equal digests mean equal shared configuration.
	Digest string `json:"digest"`
	// Shared is what the cluster knows the shared part as; nil: it is this node's own.
	Shared *Origin `json:"shared,omitempty"`
}

// maxRecorded bounds the changes that a revision lists.
const maxRecorded = 1000

// Names of files in the store's folder.
const (
	revisionPrefix = "revision-"
	partSuffix     = ".part"
	keyName        = "system.key"
)

func revisionName(number int) string { return fmt.Sprintf("%s%010d", revisionPrefix, number) }

// numberOf returns the number of a revision's file; 0: it is none.
func numberOf(name string) int {
	digits, ok := strings.CutPrefix(name, revisionPrefix)
	if !ok || len(digits) != 10 {
		return 0
	}
	n, _ := strconv.Atoi(digits)
	return n
}

// content is the values of a revision, each written once: a large tree has tens of
// thousands, and both the file and the digest are made of the same texts.
type content struct {
	values []config.Value
	text   []byte
	ends   []int // of each value in text
}

func contentOf(values []config.Value) (*content, error) {
	var b bytes.Buffer
	b.Grow(64 * len(values))
	e := json.NewEncoder(&b)
	c := &content{values: values, ends: make([]int, len(values))}
	for i := range values {
		if err := e.Encode(&values[i]); err != nil {
			return nil, err
		}
		c.ends[i] = b.Len()
	}
	c.text = b.Bytes()
	return c, nil
}

// line returns a value as JSON with the end of its line.
func (c *content) line(i int) []byte {
	if i == 0 {
		return c.text[:c.ends[0]]
	}
	return c.text[c.ends[i-1]:c.ends[i]]
}

// digest names the shared part of a tree.
func (c *content) digest() string {
	h := sha256.New()
	for i := range c.values {
		if !c.values[i].Item.Peer {
			_, _ = h.Write(c.line(i)) // a hash takes everything
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// encode returns a revision's file: what it is, its values with sealed secrets, and
// a checksum of both, a line each.
func (c *content) encode(info Info, ring *seal.Ring) ([]byte, error) {
	head, err := json.Marshal(info)
	if err != nil {
		return nil, err
	}
	data := make([]byte, 0, len(head)+len(c.text)+len(c.text)/8+256)
	data = append(append(data, head...), "\n["...)
	for i := range c.values {
		if i > 0 {
			data = append(data, ',')
		}
		line := c.line(i)
		if c.values[i].Item.Secret() {
			if line, err = json.Marshal(sealValue(c.values[i], ring)); err != nil {
				return nil, err
			}
		}
		data = append(data, bytes.TrimSuffix(line, []byte{'\n'})...)
	}
	data = append(data, "]\n"...)
	sum := sha256.Sum256(data)
	return append(data, "sha256:"+hex.EncodeToString(sum[:])+"\n"...), nil
}

func sealValue(v config.Value, ring *seal.Ring) config.Value {
	if v.Texts == nil {
		v.Text = ring.Seal(v.Path, v.Text)
		return v
	}
	v.Texts = slices.Clone(v.Texts)
	for i := range v.Texts {
		v.Texts[i] = ring.Seal(v.Path, v.Texts[i])
	}
	return v
}

var errDamaged = errors.New("the file is damaged")

// split checks a revision's file and returns its two parts.
func split(data []byte) (head, body []byte, err error) {
	end := bytes.LastIndex(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) + 1
	sum := sha256.Sum256(data[:end])
	if string(data[end:]) != "sha256:"+hex.EncodeToString(sum[:])+"\n" {
		return nil, nil, errDamaged
	}
	head, body, ok := bytes.Cut(data[:end], []byte("\n"))
	if !ok {
		return nil, nil, errDamaged
	}
	return head, body, nil
}

// decode reads a revision's file. unknown is what this version cannot take of it.
func decode(data []byte, ring *seal.Ring) (info Info, n *config.Node, unknown config.Problems, err error) {
	head, body, err := split(data)
	if err != nil {
		return info, nil, nil, err
	}
	if err := json.Unmarshal(head, &info); err != nil {
		return info, nil, nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	var values []config.Value
	if err := json.Unmarshal(body, &values); err != nil {
		return info, nil, nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	for i := range values {
		if err := openValue(&values[i], ring); err != nil {
			return info, nil, nil, err
		}
	}
	n, unknown = config.FromValues(values)
	return info, n, unknown, nil
}

func openValue(v *config.Value, ring *seal.Ring) (err error) {
	item, ok := config.Lookup(v.Path)
	if !ok || !item.Secret() {
		return nil
	}
	if v.Texts == nil {
		v.Text, err = ring.Open(v.Path, v.Text)
		return err
	}
	for i := range v.Texts {
		if v.Texts[i], err = ring.Open(v.Path, v.Texts[i]); err != nil {
			return err
		}
	}
	return nil
}
