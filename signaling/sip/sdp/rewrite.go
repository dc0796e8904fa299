package sdp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"turnpike.dev/turnpike/dataplane/rtp"
)

// removed are attributes that would lead media past the ports we give, or tell where a
// party is. a=rtcp is written anew where it is needed.
var removed = map[string]bool{
	"candidate": true, "remote-candidates": true, "end-of-candidates": true, "ice-lite": true, "ice-mismatch": true,
	"ice-ufrag": true, "ice-pwd": true, "ice-options": true, "ice-pacing": true, "ice2": true, // RFC 8839
	"rtcp": true, "bundle-only": true, "source-filter": true, // RFC 3605, 9143, 4570
	"altc": true, "ccap": true, "alt": true, // other addresses: RFC 6947, 7006, and before them
	"oldmediaip": true, "oldmediaport": true, "oldcip": true, "oldoip": true, "nortpproxy": true, // left by relays before us
}

var directions = map[string]bool{"sendrecv": true, "sendonly": true, "recvonly": true, "inactive": true}

// Rewrite returns the description for the other party, whose media we relay. ports gives
// our addresses for each stream; false rejects it (port 0, RFC 3264 section 6), as it
// does with streams that are rejected already or not supported, for which it is not asked.
// Streams stay in their places, whatever they are.
func (s *Session) Rewrite(ports func(stream int) (rtp.Ports, bool), o *Origin) []byte {
	w := writer{b: make([]byte, 0, 1024)}
	w.head(s.head)
	for i := range s.media {
		st := &s.streams[i]
		var p rtp.Ports
		ok := st.Usable()
		if ok {
			p, ok = ports(i)
		}
		if !ok || !p.RTP.IsValid() {
			w.reject(s.media[i], o.Addr)
			continue
		}
		w.stream(s.media[i], st, p)
	}
	return o.of(w.b)
}

// Direct returns the description for the other party where media goes directly: only
// o= is ours.
func (s *Session) Direct(o *Origin) []byte {
	w := writer{b: make([]byte, 0, 1024)}
	w.verbatim(s.head[2:])
	for _, section := range s.media {
		w.verbatim(section)
	}
	return o.of(w.b)
}

type writer struct{ b []byte }

func (w *writer) line(kind byte, value string) {
	w.b = append(w.b, kind, '=')
	w.b = append(append(w.b, value...), "\r\n"...)
}

func (w *writer) verbatim(lines []line) {
	for _, l := range lines {
		w.line(l.kind, l.value)
	}
}

// head writes the session's lines behind v= and o=. Each stream has its own c=. What
// RFC 8866 section 5 wants and is not there is added.
func (w *writer) head(lines []line) {
	if !slices.ContainsFunc(lines, func(l line) bool { return l.kind == 's' }) {
		w.line('s', "-")
	}
	timed := slices.ContainsFunc(lines, func(l line) bool { return l.kind == 't' })
	for _, l := range lines[2:] {
		if !timed && (l.kind == 'z' || l.kind == 'k' || l.kind == 'a') {
			w.line('t', "0 0")
			timed = true
		}
		switch {
		case l.kind == 'c' || l.kind == 'v' || l.kind == 'o' || l.kind == 'm':
		case l.kind == 's' && (l.value == "" || tells(l.value)):
			w.line('s', "-")
		case l.kind == 't' && tells(l.value):
			w.line('t', "0 0")
		case l.kind == 'a' && dropped(l), tells(l.value):
		default:
			w.line(l.kind, l.value)
		}
	}
	if !timed {
		w.line('t', "0 0")
	}
}

// dropped says whether an attribute is left out.
func dropped(l line) bool {
	name, value := l.attribute()
	if name == "group" {
		semantics, _, _ := strings.Cut(value, " ")
		return semantics == "BUNDLE" || semantics == "ANAT"
	}
	return removed[name]
}

// stream writes a stream with our ports.
func (w *writer) stream(lines []line, st *Stream, p rtp.Ports) {
	f := strings.Fields(lines[0].value)
	f[1] = strconv.Itoa(int(p.RTP.Port()))
	w.line('m', strings.Join(f, " "))
	lines = lines[1:]
	for len(lines) > 0 && lines[0].kind == 'i' { // stands before c= (RFC 8866 section 5)
		if !tells(lines[0].value) {
			w.line('i', lines[0].value)
		}
		lines = lines[1:]
	}
	w.connection(p.RTP.Addr())
	held := st.Remote.RTP.Addr().IsUnspecified()
	for _, l := range lines {
		name, _ := l.attribute()
		switch {
		case l.kind == 'c' || l.kind == 'v' || l.kind == 'o':
		case l.kind == 'a' && (dropped(l) || held && directions[name]), tells(l.value):
		default:
			w.line(l.kind, l.value)
		}
	}
	if held {
		w.line('a', direction(st.Remote.Send, false))
	}
	if next := netip.AddrPortFrom(p.RTP.Addr(), p.RTP.Port()+1); p.RTCP.IsValid() && p.RTCP != next && p.RTCP != p.RTP {
		w.line('a', "rtcp:"+strconv.Itoa(int(p.RTCP.Port()))+" IN "+family(p.RTCP.Addr())+" "+p.RTCP.Addr().String())
	}
}

func (w *writer) connection(a netip.Addr) { w.line('c', "IN "+family(a)+" "+a.String()) }

// reject writes a stream in its place with port 0; nothing else of it counts.
func (w *writer) reject(lines []line, ours netip.Addr) {
	f := strings.Fields(lines[0].value)
	f[1] = "0"
	value := strings.Join(f, " ")
	if tells(value) {
		value = "application 0 RTP/AVP 0"
	}
	w.line('m', value)
	w.connection(ours)
}

// direction is the attribute for who sends and receives.
func direction(send, receive bool) string {
	switch {
	case send && receive:
		return "sendrecv"
	case send:
		return "sendonly"
	case receive:
		return "recvonly"
	}
	return "inactive"
}
