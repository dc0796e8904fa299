package sdp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"turnpike.dev/turnpike/dataplane/rtp"
)

// mediaLine is m=media port[/count] proto format...
type mediaLine struct {
	media, proto string
	port         uint16
	several      bool
	formats      []string
}

func readMedia(value string) (mediaLine, bool) {
	f := strings.Fields(value)
	if len(f) < 3 {
		return mediaLine{}, false
	}
	first, count, several := strings.Cut(f[1], "/")
	port, err := strconv.ParseUint(first, 10, 16)
	return mediaLine{media: f[0], proto: f[2], port: uint16(port), several: several && count != "1", formats: f[3:]}, err == nil
}

// scope is what the lines of a session or a stream say; a stream begins with what the
// session said (RFC 8866 section 5).
type scope struct {
	host           string // of c=
	send, receive  bool
	mux, ice       bool
	crypto, finger bool
	rtcp           string
	label, content string
	figure         figure
	ssrcs          []uint32
	floors         []string // labels that a=floorid names
	clocks         []string // values of a=rtpmap
}

func (c *scope) read(lines []line) {
	for _, l := range lines {
		switch l.kind {
		case 'c':
			if f := strings.Fields(l.value); len(f) == 3 {
				c.host = f[2]
			} else {
				c.host = l.value
			}
		case 'b':
			c.figure.read(l.value)
		case 'a':
			c.attribute(l.attribute())
		}
	}
}

func (c *scope) attribute(name, value string) {
	switch name {
	case "sendrecv":
		c.send, c.receive = true, true
	case "sendonly":
		c.send, c.receive = true, false
	case "recvonly":
		c.send, c.receive = false, true
	case "inactive":
		c.send, c.receive = false, false
	case "rtcp":
		c.rtcp = value
	case "rtcp-mux", "rtcp-mux-only":
		c.mux = true
	case "ice-ufrag", "candidate":
		c.ice = true
	case "crypto":
		c.crypto = true
	case "fingerprint":
		c.finger = true
	case "label":
		c.label = value
	case "content":
		c.content = value
	case "rtpmap":
		c.clocks = append(c.clocks[:len(c.clocks):len(c.clocks)], value)
	case "ssrc":
		c.ssrc(value)
	case "floorid":
		c.floor(value)
	}
}

// ssrc reads a=ssrc:ID attribute (RFC 5576).
func (c *scope) ssrc(value string) {
	id, _, _ := strings.Cut(value, " ")
	n, err := strconv.ParseUint(id, 10, 32)
	if err == nil && len(c.ssrcs) < maxSSRCs && !slices.Contains(c.ssrcs, uint32(n)) {
		c.ssrcs = append(c.ssrcs, uint32(n))
	}
}

// floor reads a=floorid:ID mstrm:label... (RFC 8856 section 5.4; older ones write m-stream).
func (c *scope) floor(value string) {
	f := strings.Fields(value)
	for i, field := range f {
		what, label, ok := strings.Cut(field, ":")
		if i == 0 || !ok && len(c.floors) == 0 || len(c.floors) == MaxStreams {
			continue
		}
		if !ok {
			c.floors = append(c.floors, what)
		} else if what == "mstrm" || what == "m-stream" {
			c.floors = append(c.floors, label)
		}
	}
}

// stream puts together what is known of one m-line.
func (c *scope) stream(m mediaLine) Stream {
	s := Stream{
		Media: m.media, Proto: m.proto, Label: c.label, Content: c.content, Kbps: c.figure.kbps,
		Rejected: m.port == 0, ICE: c.ice,
		Secure: strings.Contains(strings.ToUpper(m.proto), "SAVP") && (c.crypto || c.finger),
	}
	var clock uint32
	s.Codec, clock = c.codec(m)
	s.Kind = c.kind(m, s.Codec)
	s.Why = c.lacks(m)
	s.Supported = s.Why == ""
	s.Remote = rtp.Remote{Send: c.send, Receive: c.receive, Mux: c.mux, SSRCs: c.ssrcs, ClockHz: clock}
	if addr, err := parseHost(c.host); err == nil && m.port != 0 && s.Supported {
		s.Remote.RTP = netip.AddrPortFrom(addr, m.port)
		if addr.IsUnspecified() { // the old way of hold (RFC 3264 section 8.4)
			s.Remote.Receive = false
			return s
		}
		s.Remote.RTCP = c.control(addr)
	}
	return s
}

// control reads a=rtcp:port [IN IP4 address] (RFC 3605).
func (c *scope) control(addr netip.Addr) netip.AddrPort {
	f := strings.Fields(c.rtcp)
	if len(f) != 1 && len(f) != 4 {
		return netip.AddrPort{}
	}
	port, err := strconv.ParseUint(f[0], 10, 16)
	if err != nil || port == 0 {
		return netip.AddrPort{}
	}
	if len(f) == 4 {
		other, err := parseHost(f[3])
		if err != nil || other.IsUnspecified() {
			return netip.AddrPort{}
		}
		addr = other
	}
	return netip.AddrPortFrom(addr, uint16(port))
}

// lacks says why the node cannot relay the stream; empty: it can.
func (c *scope) lacks(m mediaLine) string {
	proto := strings.ToUpper(m.proto)
	addr, err := parseHost(c.host)
	dtls := strings.Contains(proto, "TLS")
	switch {
	case strings.HasPrefix(proto, "TCP") || strings.HasPrefix(proto, "SCTP"):
		return "media over " + clip(m.proto) + " is not supported"
	case !strings.HasPrefix(proto, "RTP/") && !strings.HasPrefix(proto, "UDP") && proto != "UDPTL":
		return "the protocol " + clip(m.proto) + " is not known"
	case dtls && c.ice:
		return "DTLS with ICE is not supported"
	case tells(m.media) || tells(m.proto) || tells(strings.Join(m.formats, " ")):
		return "its m-line has an address in it"
	case m.several:
		return "several ports in one m-line are not supported"
	case err != nil:
		return "its c= has no IP address"
	case addr.IsMulticast():
		return "multicast is not supported"
	}
	return ""
}

// kind says what a stream is for.
func (c *scope) kind(m mediaLine, codec string) Kind {
	proto := strings.ToUpper(m.proto)
	switch strings.ToLower(m.media) {
	case "audio":
		return Audio
	case "video":
		if strings.Contains(","+c.content+",", ",slides,") {
			return Slides
		}
		return Video
	case "application":
		if strings.HasSuffix(proto, "/BFCP") {
			return BFCP
		}
		if strings.EqualFold(codec, "H224") {
			return FECC
		}
	}
	return Other
}

// static has the clocks of payload types that need no a=rtpmap (RFC 3551 section 6); the
// clock of G.722 is 8000 although it samples at 16000.
var static = map[string]struct {
	name  string
	clock uint32
}{
	"0": {"PCMU", 8000}, "3": {"GSM", 8000}, "4": {"G723", 8000}, "8": {"PCMA", 8000}, "9": {"G722", 8000},
	"15": {"G728", 8000}, "18": {"G729", 8000}, "26": {"JPEG", 90000}, "31": {"H261", 90000}, "34": {"H263", 90000},
}

// codec returns the name and the clock of the first format.
func (c *scope) codec(m mediaLine) (string, uint32) {
	if len(m.formats) == 0 {
		return "", 0
	}
	for _, value := range c.clocks {
		format, encoding, _ := strings.Cut(value, " ")
		if format != m.formats[0] {
			continue
		}
		parts := strings.Split(strings.TrimSpace(encoding), "/")
		if len(parts) < 2 {
			return clip(parts[0]), 0
		}
		clock, err := strconv.ParseUint(parts[1], 10, 32)
		if err != nil {
			clock = 0
		}
		return clip(parts[0]), uint32(clock)
	}
	if !strings.HasPrefix(strings.ToUpper(m.proto), "RTP/") {
		return "", 0
	}
	s := static[m.formats[0]]
	return s.name, s.clock
}
