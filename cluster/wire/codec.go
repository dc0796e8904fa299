package wire

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"turnpike.dev/turnpike/cluster"
)

// Bounds of what is in a frame, besides its length.
const (
	maxElements = 16 << 10
	maxPairs    = 4 << 10
	maxNested   = 8

	maxID     = 64
	maxText   = 256
	maxWhy    = 1 << 10
	maxDigest = 128
	maxExtra  = 64
	maxTime   = 400 * 24 * time.Hour
)

var decoding = sync.OnceValue(func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		MaxArrayElements: maxElements,
		MaxMapPairs:      maxPairs,
		MaxNestedLevels:  maxNested,
	}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
})

var encoding = sync.OnceValue(func() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
})

// check collects the first thing that is out of bounds.
type check struct{ err error }

func (c *check) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
	}
}

func (c *check) text(name, s string, most int) string {
	if len(s) > most {
		c.fail("%s has %d bytes, of %d at most", name, len(s), most)
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			c.fail("%s has a control character", name)
			break
		}
	}
	return s
}

// id checks the name of a node; it may be empty only where there need not be one.
func (c *check) id(name, s string, needed bool) cluster.ID {
	if needed && s == "" {
		c.fail("%s is missing", name)
	}
	return cluster.ID(c.text(name, s, maxID))
}

func (c *check) count(name string, n, most int) {
	if n < 0 || n > most {
		c.fail("%s is %d, of %d at most", name, n, most)
	}
}

func (c *check) span(name string, d int64) time.Duration {
	if d < 0 || d > int64(maxTime) {
		c.fail("%s is %d ns", name, d)
	}
	return time.Duration(d)
}

// line makes a text for people fit: one line, on a rune's border not longer than most. What a node
// says of its own troubles may come from anywhere.
func line(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// lines is line for each value.
func lines[K comparable](all map[K]string, most int) map[K]string {
	if all == nil {
		return nil
	}
	out := make(map[K]string, len(all))
	for k, s := range all {
		out[k] = line(s, most)
	}
	return out
}
