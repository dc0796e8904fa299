package pattern

import (
	"math/bits"
	"slices"
)

// MaxSet is how many patterns a Set holds: the access rules of the Default Zone are
// the longest list of a node (facts A2.2).
const MaxSet = 10_000

// Set finds those of many patterns that can match a name without trying each. It is
// filled once and then only read.
type Set struct {
	patterns []Pattern
	always   []int32 // regular expressions without a beginning or end to go by
	regexes  []int32 // all of them
	exact    map[string][]int32
	heads    []byLength
	tails    []byLength
}

// byLength holds the texts of one length.
type byLength struct {
	n     int
	texts map[string][]int32
}

// Hits are the numbers of patterns that may match. It lives on the caller's stack.
type Hits struct {
	words [(MaxSet + 63) / 64]uint64
	n     int // words in use
}

// NewSet returns a set of patterns, which are numbered in the order given.
func NewSet(patterns []Pattern) *Set {
	s := &Set{patterns: patterns, exact: map[string][]int32{}}
	for i := range patterns {
		s.add(&patterns[i], int32(i))
	}
	for _, list := range [][]byLength{s.heads, s.tails} {
		slices.SortFunc(list, func(a, b byLength) int { return a.n - b.n })
	}
	return s
}

func (s *Set) add(p *Pattern, i int32) {
	switch p.typ {
	case Exact:
		s.exact[p.fold] = append(s.exact[p.fold], i)
		return
	case Prefix:
		s.heads = insert(s.heads, p.fold, i)
		return
	case Suffix:
		s.tails = insert(s.tails, p.fold, i)
		return
	}
	s.regexes = append(s.regexes, i)
	switch {
	case p.head == "" && p.tail == "":
		s.always = append(s.always, i)
	case len(p.head) >= len(p.tail):
		s.heads = insert(s.heads, p.head, i)
	default:
		s.tails = insert(s.tails, p.tail, i)
	}
}

func insert(list []byLength, text string, i int32) []byLength {
	at := slices.IndexFunc(list, func(l byLength) bool { return l.n == len(text) })
	if at < 0 {
		at = len(list)
		list = append(list, byLength{n: len(text), texts: map[string][]int32{}})
	}
	list[at].texts[text] = append(list[at].texts[text], i)
	return list
}

// Pattern returns the pattern with a number.
func (s *Set) Pattern(i int) *Pattern { return &s.patterns[i] }

// Len returns how many patterns there are.
func (s *Set) Len() int { return len(s.patterns) }

// Candidates adds the numbers of all patterns that may match name, and of few that do
// not, to hits. It does not allocate.
func (s *Set) Candidates(hits *Hits, name string) {
	hits.n = max(hits.n, (len(s.patterns)+63)/64)
	hits.addAll(s.exact[name])
	for _, l := range s.heads {
		if l.n > len(name) {
			break
		}
		hits.addAll(l.texts[name[:l.n]])
	}
	for _, l := range s.tails {
		if l.n > len(name) {
			break
		}
		hits.addAll(l.texts[name[len(name)-l.n:]])
	}
	if isASCII(name) {
		hits.addAll(s.always)
		return
	}
	hits.addAll(s.regexes) // their beginnings and ends speak ASCII only
}

// First returns the number of the first pattern that matches name, or -1.
func (s *Set) First(name string) int {
	var hits Hits
	s.Candidates(&hits, name)
	for i := hits.Next(0); i >= 0; i = hits.Next(i + 1) {
		if s.patterns[i].Match(name) {
			return i
		}
	}
	return -1
}

func (h *Hits) addAll(list []int32) {
	for _, i := range list {
		h.words[i>>6] |= 1 << (i & 63)
	}
}

// Add adds the numbers of a list that is kept beside a Set of size n.
func (h *Hits) Add(n int, list []int32) {
	h.n = max(h.n, (n+63)/64)
	h.addAll(list)
}

// Next returns the first number from i on, or -1.
func (h *Hits) Next(i int) int {
	word := i >> 6
	if word >= h.n {
		return -1
	}
	w := h.words[word] >> (i & 63) << (i & 63)
	for w == 0 {
		if word++; word >= h.n {
			return -1
		}
		w = h.words[word]
	}
	return word<<6 + bits.TrailingZeros64(w)
}
