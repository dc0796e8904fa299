package sdp

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// speech is what audio that says nothing of its bandwidth counts, in kbps, where other
// streams say something: G.711, the most that telephones take.
const speech = 64

// figure is what the b= lines of a session or a stream say together.
type figure struct {
	kbps uint32
	said bool
	rank int // of the modifier that said it
}

// ranks orders the modifiers: TIAS is without the headers below, as what is granted to
// calls is (RFC 3890); AS counts them too; CT bounds everything at all sites together (RFC
// 8866 section 5.8).
var ranks = map[string]int{"CT": 1, "AS": 2, "TIAS": 3}

// read takes one b= line.
func (f *figure) read(value string) {
	modifier, kbps, ok := readBandwidth(value)
	if rank := ranks[modifier]; ok && rank > 0 && rank >= f.rank {
		*f = figure{kbps: kbps, said: true, rank: rank}
	}
}

// readBandwidth reads b=modifier:figure, in kbps. Figures that no media has count as the
// largest there is.
func readBandwidth(value string) (modifier string, kbps uint32, ok bool) {
	modifier, text, _ := strings.Cut(value, ":")
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return modifier, 0, false
	}
	if modifier == "TIAS" { // in bit/s
		n = n/1000 + min(n%1000, 1)
	}
	return modifier, uint32(min(n, math.MaxUint32)), true
}

// writeBandwidth is the reverse of readBandwidth.
func writeBandwidth(modifier string, kbps uint32) line {
	n := uint64(kbps)
	if modifier == "TIAS" {
		n *= 1000
	}
	return line{'b', modifier + ":" + strconv.FormatUint(n, 10)}
}

// Asked is how many kbps the party wants to receive at most, all streams together that are
// not rejected: what the session says, or the sum of its streams where that is less (RFC
// 8866 section 5.8, RFC 3264 section 5). all: it is everything; otherwise there is media of
// which nothing is said, and kbps is what is known of the rest.
func (s *Session) Asked() (kbps uint32, all bool) {
	sum, said, all := uint64(0), false, true
	for i := range s.streams {
		st := &s.streams[i]
		switch {
		case st.Rejected:
		case s.figures[i].said:
			sum, said = sum+uint64(s.figures[i].kbps), true
		case st.Kind == Audio:
			sum += speech
		case st.moves():
			all = false
		}
	}
	total := uint32(min(sum, math.MaxUint32))
	switch {
	case s.total.said && said && all:
		return min(s.total.kbps, total), true
	case s.total.said:
		return s.total.kbps, true
	case !said:
		return 0, false
	}
	return total, all
}

// moves: it is a stream of pictures, whose bandwidth is whatever there is.
func (s *Stream) moves() bool { return s.Kind == Video || s.Kind == Slides }

// Over reports whether the description lets the other party send more than kbps.
func (s *Session) Over(kbps uint32) bool {
	asked, _ := s.Asked()
	return asked > kbps || s.total.said && s.total.kbps > kbps
}

// Limit returns the description with bandwidth lines that allow kbps at most, in the
// session and in the sum of its streams. AS, CT and TIAS are lowered where they are there;
// where nothing is said, AS is added to the session and to streams of pictures. Sound goes
// first, and pictures share what is left by what they asked for. Those for which nothing is
// left are rejected, because a figure of 0 stops RTCP too (RFC 3264 section 5.1).
func (s *Session) Limit(kbps uint32) *Session {
	shares := s.shares(kbps)
	out := &Session{head: lower(s.head, 2, kbps, true), media: slices.Clone(s.media)}
	for i := range s.streams {
		st, f := &s.streams[i], s.figures[i]
		switch {
		case st.Rejected:
		case st.moves() && shares[i] == 0 && (!f.said || f.kbps > 0):
			out.media[i] = rejected(s.media[i])
		default:
			out.media[i] = lower(s.media[i], 1, shares[i], st.moves() || st.Kind == Audio && shares[i] < speech)
		}
	}
	return out.again()
}

// shares divides kbps among the streams.
func (s *Session) shares(kbps uint32) []uint32 {
	shares, left, wanted := make([]uint32, len(s.streams)), uint64(kbps), uint64(0)
	for i := range s.streams {
		if st := &s.streams[i]; !st.Rejected && !st.moves() {
			shares[i] = uint32(min(s.wants(i, 0), left))
			left -= uint64(shares[i])
		}
	}
	for i := range s.streams {
		if st := &s.streams[i]; !st.Rejected && st.moves() {
			wanted += s.wants(i, left)
		}
	}
	for i := range s.streams {
		if st := &s.streams[i]; !st.Rejected && st.moves() {
			shares[i] = uint32(min(s.wants(i, left), s.wants(i, left)*left/max(wanted, 1)))
		}
	}
	return shares
}

// wants is what a stream asks for; pictures that say nothing take what is left.
func (s *Session) wants(i int, left uint64) uint64 {
	switch f := s.figures[i]; {
	case f.said:
		return uint64(f.kbps)
	case s.streams[i].Kind == Audio:
		return speech
	case s.streams[i].moves():
		return left
	}
	return 0
}

// lower returns a section in which no b= line allows more than kbps. first is where lines
// with a place of their own end; add: one is added where there is none.
func lower(lines []line, first int, kbps uint32, add bool) []line {
	out := make([]line, 0, len(lines)+1)
	at := -1 // of a new line: before what stands behind b= (RFC 8866 section 9)
	for i, l := range lines {
		if at < 0 && i >= first && strings.IndexByte("btrzka", l.kind) >= 0 {
			at = len(out)
		}
		if l.kind == 'b' {
			modifier, had, ok := readBandwidth(l.value)
			if ranks[modifier] > 0 {
				add = false
				if !ok || had > kbps {
					l = writeBandwidth(modifier, kbps)
				}
			}
		}
		out = append(out, l)
	}
	if at < 0 {
		at = len(out)
	}
	if add {
		out = slices.Insert(out, at, writeBandwidth("AS", kbps))
	}
	return out
}

// Keep returns the description with the streams rejected that keep says no to.
func (s *Session) Keep(keep func(stream int) bool) *Session {
	out := &Session{head: s.head, media: slices.Clone(s.media)}
	changed := false
	for i := range s.streams {
		if !s.streams[i].Rejected && !keep(i) {
			out.media[i], changed = rejected(s.media[i]), true
		}
	}
	if !changed {
		return s
	}
	return out.again()
}

// rejected is a stream in its place with port 0 (RFC 3264 section 6); what else is said of
// it does not count any more.
func rejected(lines []line) []line {
	f := strings.Fields(lines[0].value)
	f[1] = "0"
	out := []line{{'m', strings.Join(f, " ")}}
	for _, l := range lines[1:] {
		if name, _ := l.attribute(); l.kind == 'c' || l.kind == 'a' && name == "mid" {
			out = append(out, l)
		}
	}
	return out
}

// again reads the streams of a description whose lines were changed.
func (s *Session) again() *Session {
	_ = s.describe() // fails on media lines that are none, and there were none
	return s
}
