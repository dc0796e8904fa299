package message

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// Via is one hop of the way back (RFC 3261 section 20.42).
type Via struct {
	Transport string // as it is written: "UDP"
	Host      string // sent-by; an IPv6 address without brackets
	Port      uint16 // of sent-by; 0: none
	Params    Params
}

// Branch returns the branch parameter.
func (v Via) Branch() string {
	branch, _ := v.Params.Get("branch")
	return branch
}

// SentBy returns host and port as they are written.
func (v Via) SentBy() string { return string(appendHostPort(nil, v.Host, v.Port)) }

// String returns the Via as a header field writes it.
func (v Via) String() string {
	b := make([]byte, 0, 96)
	b = append(append(append(b, "SIP/2.0/"...), v.Transport...), ' ')
	b = appendHostPort(b, v.Host, v.Port)
	return string(v.Params.append(b))
}

func appendHostPort(b []byte, host string, port uint16) []byte {
	if strings.IndexByte(host, ':') >= 0 {
		b = append(append(append(b, '['), host...), ']')
	} else {
		b = append(b, host...)
	}
	if port != 0 {
		b = strconv.AppendUint(append(b, ':'), uint64(port), 10)
	}
	return b
}

var errVia = errors.New("a Via wants protocol, transport and sent-by")

// ParseVia reads one Via. The protocol's version is not looked at: a request of another
// version is answered along its Vias too.
func ParseVia(s string) (Via, error) { return keep.via(s) }

func (r reading) via(s string) (v Via, err error) {
	protocol, s, ok1 := strings.Cut(s, "/")
	version, s, ok2 := strings.Cut(s, "/")
	if !ok1 || !ok2 || !strings.EqualFold(trim(protocol), "SIP") || !isToken(trim(version)) {
		return Via{}, errVia
	}
	s = trimLeft(s)
	end := indexSpace(s)
	if end < 0 || !isToken(s[:end]) {
		return Via{}, errVia
	}
	v.Transport = s[:end]
	s = trimLeft(s[end:])
	end = strings.IndexByte(s, ';')
	if end < 0 {
		end = len(s)
	}
	if v.Host, v.Port, err = parseHostPort(s[:end]); err != nil {
		return Via{}, err
	}
	v.Params, err = r.params(s[end:])
	return v, err
}

var errHost = errors.New("want a host name or address, and a port from 1 to 65535 if any")

// parseHostPort reads sent-by, which may have white space around the colon (RFC 3261
// section 25.1).
func parseHostPort(s string) (host string, port uint16, err error) {
	s = trim(s)
	rest := ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, errHost
		}
		host, rest = s[1:end], s[end+1:]
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() || a.Zone() != "" {
			return "", 0, errHost
		}
	} else {
		host = s
		if colon := strings.IndexByte(s, ':'); colon >= 0 {
			host, rest = s[:colon], s[colon:]
		}
		host = trimRight(host)
		if !isHost(host) {
			return "", 0, errHost
		}
	}
	if rest = trimLeft(rest); rest == "" {
		return host, 0, nil
	}
	if rest[0] != ':' {
		return "", 0, errHost
	}
	port, err = parsePort(trim(rest[1:]))
	return host, port, err
}

// isHost accepts the characters of host names and IPv4 addresses, and the underscore that
// some name their machines with.
func isHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return s != ""
}

func parsePort(s string) (uint16, error) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, errHost
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, errHost
	}
	return uint16(n), nil
}
