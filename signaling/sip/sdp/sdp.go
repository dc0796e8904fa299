// Package sdp reads what a party says of its media (RFC 8866), tells where each stream
// is, and writes it again with our addresses for the other party.
//
// It exists so that whoever handles calls never looks into a description: it sees
// streams, takes ports for them, and gets a text in which nothing tells where the other
// party is (topology hiding). A description is edited line by line and not made anew
// from a model: what this node does not know stays as it was written, in its place,
// because the two parties may know it.
package sdp

import (
	"errors"
	"net/netip"

	"turnpike.dev/turnpike/dataplane/rtp"
)

// ContentType is what a body has to be for this package.
const ContentType = "application/sdp"

// Bounds of what is read.
const (
	MaxSize    = 64 << 10
	MaxLines   = 2000
	MaxStreams = 16
	maxSSRCs   = 16
)

// Why a description is refused; answer 488, or 400 where it is not SDP at all.
var (
	ErrSize    = errors.New("the session description is too large")
	ErrStreams = errors.New("the session description has more streams than a call may have")
	ErrSyntax  = errors.New("the body is no session description")
)

// Kind is what a stream carries.
type Kind string

// Kinds.
const (
	Audio  Kind = "audio"
	Video  Kind = "video"
	Slides Kind = "slides" // a second video: RFC 4796, or the label that BFCP names (RFC 4583)
	BFCP   Kind = "bfcp"   // who may show slides (RFC 8855)
	FECC   Kind = "fecc"   // far end camera control (RFC 4573)
	Other  Kind = "other"
)

// Stream is one m-line.
type Stream struct {
	Kind Kind
	// Media and Proto are as the line has them; Codec is the first format's name.
	Media, Proto, Codec string
	// Label (RFC 4574) and Content (RFC 4796) say what the stream is for.
	Label, Content string
	// Remote is where the party that wrote the description is: nowhere for a stream that is
	// rejected or not supported, 0.0.0.0 for one that is on hold by the old way (RFC 2543).
	Remote rtp.Remote
	// Kbps is what that party wants to receive at most (b=TIAS, AS or CT); 0: it does not say.
	Kbps uint32
	// Rejected: its port is 0. That also is what becomes of a stream that could only share
	// the port of another one (a=bundle-only, RFC 9143).
	Rejected bool
	// Supported: this node can relay it; otherwise Why says what it lacks, in words for
	// the log.
	Supported bool
	Why       string
	// ICE: the party would use ICE, which is left out of what we write.
	ICE bool
	// Secure: the media is encrypted: by keys in the description (RFC 4568) or by DTLS.
	Secure bool
}

// Usable says whether the stream is wanted and can be relayed.
func (s *Stream) Usable() bool { return !s.Rejected && s.Supported }

// Answered returns the offerer's end as an answer to it leaves it: RTCP shares the port
// only when both said so (RFC 5761 section 5.1.1), and what the answer rejects is gone.
func (s *Stream) Answered(answer *Stream) rtp.Remote {
	r := s.Remote
	r.Mux = r.Mux && answer.Remote.Mux
	if answer.Rejected {
		r.RTP, r.RTCP = netip.AddrPort{}, netip.AddrPort{}
	}
	return r
}

// Session is a description. It never changes.
type Session struct {
	head    []line   // up to the first m-line
	media   [][]line // each begins with its m-line
	streams []Stream
	figures []figure // of the streams
	total   figure   // of the session
}

// Streams returns the streams in the order of their m-lines.
func (s *Session) Streams() []Stream { return s.streams }

// Held says whether nobody hears or sees anything both ways: sound and pictures are on hold
// (RFC 3264 section 8.4).
func (s *Session) Held() bool {
	held := false
	for i := range s.streams {
		st := &s.streams[i]
		if st.Rejected || st.Kind != Audio && !st.moves() {
			continue
		}
		if st.Remote.Send && st.Remote.Receive {
			return false
		}
		held = true
	}
	return held
}

// Usable says whether any stream is: an offer without one is answered 488.
func (s *Session) Usable() bool {
	for i := range s.streams {
		if s.streams[i].Usable() {
			return true
		}
	}
	return false
}

// Limit is something that this node does not do with media, and what happens instead.
type Limit struct{ Name, Instead string }

// Unsupported is the published list of what is not supported where media passes through
// the node. Media that goes directly between two parties is not touched at all.
func Unsupported() []Limit {
	return []Limit{
		{"ICE", "ICE attributes are taken out, so that both parties fall back to the addresses of the description."},
		{"DTLS-SRTP with ICE", "A stream of UDP/TLS that also offers ICE, as browsers do, is rejected: its port becomes 0."},
		{"DTLS-SRTP", "Without ICE it passes from end to end: the node neither ends it nor sees its keys."},
		{"SDES", "Keys (a=crypto) pass from end to end; the node neither encrypts nor decrypts, and sets no policy."},
		{"BUNDLE", "The group is taken out, and each stream gets ports of its own."},
		{"Media over TCP", "Streams over TCP (MSRP, BFCP over TCP) are rejected."},
		{"Multicast", "A stream to a multicast address, or with several ports in one m-line, is rejected."},
		{"Names for addresses", "A stream whose c= has a name and no address is rejected."},
	}
}
