package wire

import (
	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/revisions"
)

type tagBody struct {
	Generation uint64 `cbor:"1,keyasint,omitempty"`
	Author     string `cbor:"2,keyasint,omitempty"`
	Revision   uint64 `cbor:"3,keyasint,omitempty"`
	Digest     string `cbor:"4,keyasint,omitempty"`
}

type revisionsBody struct {
	N           uint64  `cbor:"1,keyasint,omitempty"`
	Incarnation uint64  `cbor:"2,keyasint,omitempty"`
	Software    string  `cbor:"3,keyasint,omitempty"`
	Has         tagBody `cbor:"4,keyasint"`
	Wants       bool    `cbor:"5,keyasint,omitempty"`
	Names       string  `cbor:"6,keyasint,omitempty"`
	Follows     string  `cbor:"7,keyasint,omitempty"`
	Generation  uint64  `cbor:"8,keyasint,omitempty"` // of the reign
	Author      string  `cbor:"9,keyasint,omitempty"`
}

type pushBody struct {
	Tag   tagBody `cbor:"1,keyasint"`
	Bytes []byte  `cbor:"2,keyasint,omitempty"`
}

func tagOf(t revisions.Tag) *tagBody {
	return &tagBody{t.Generation, string(t.Author), t.Revision, t.Digest}
}

func revisionsOf(m revisions.Beat) *revisionsBody {
	return &revisionsBody{
		N: m.N, Incarnation: uint64(m.Incarnation), Software: m.Software, Has: *tagOf(m.Has), Wants: m.Wants,
		Names: string(m.Names), Follows: string(m.Follows), Generation: m.Reign.Generation, Author: string(m.Reign.Author),
	}
}

func (b *tagBody) tag(c *check) revisions.Tag {
	return revisions.Tag{
		Reign:    revisions.Reign{Generation: b.Generation, Author: c.id("the author", b.Author, false)},
		Revision: b.Revision, Digest: c.text("the digest", b.Digest, maxDigest),
	}
}

func (b *revisionsBody) message() (any, error) {
	var c check
	m := revisions.Beat{
		N: b.N, Incarnation: cluster.Incarnation(b.Incarnation), Software: c.text("the software", b.Software, maxText),
		Has: b.Has.tag(&c), Wants: b.Wants, Names: c.id("the primary", b.Names, false),
		Follows: c.id("whom it follows", b.Follows, false),
		Reign:   revisions.Reign{Generation: b.Generation, Author: c.id("the author", b.Author, false)},
	}
	return m, c.err
}

func (b *pushBody) message() (any, error) {
	var c check
	c.count("bytes of the document", len(b.Bytes), MaxDocument)
	m := revisions.Push{Document: revisions.Document{Tag: b.Tag.tag(&c), Bytes: string(b.Bytes)}}
	return m, c.err
}
