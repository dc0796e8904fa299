// Package labtest gives tests a lab that ends with them.
package labtest

import (
	"errors"
	"testing"

	"turnpike.dev/turnpike/perf/lab"
)

// New makes a lab for the length of the test. The test is skipped where the process
// may not make namespaces, and fails for any other reason.
func New(t testing.TB, opts lab.Options) *lab.Lab {
	t.Helper()
	l, err := lab.New(opts)
	if errors.Is(err, lab.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// NewPeers makes a lab of peers for the length of the test, as New does.
func NewPeers(t testing.TB, number int) *lab.Peers {
	t.Helper()
	p, err := lab.NewPeers("", number)
	if errors.Is(err, lab.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// NewStar makes a star for the length of the test, as New does a lab.
func NewStar(t testing.TB, opts lab.StarOptions) *lab.Star {
	t.Helper()
	s, err := lab.NewStar(opts)
	if errors.Is(err, lab.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
