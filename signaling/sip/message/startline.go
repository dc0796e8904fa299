package message

import (
	"strings"
)

const version = "SIP/2.0"

// startLine reads a Request-Line or a Status-Line (RFC 3261 sections 7.1 and 7.2).
func (p *parser) startLine(line string) *Fault {
	if isVersion(line) {
		return p.statusLine(line)
	}
	m := p.m
	method, rest, _ := strings.Cut(line, " ")
	uri, ver, _ := strings.Cut(rest, " ")
	if !isToken(method) || !isVersion(trimLeft(line[strings.LastIndexByte(trimRight(line), ' ')+1:])) {
		return fault(400, "Not a SIP Message") // of somebody else's protocol: without a method nobody is answered
	}
	m.method = Method(method)
	u, err := ParseURI(uri)
	switch {
	case !isVersion(ver) || strings.IndexByte(ver, ' ') >= 0:
		return fault(400, "Malformed Request-Line")
	case !strings.EqualFold(ver, version):
		return fault(505, "Version Not Supported")
	case err != nil:
		return fault(400, "Malformed Request-URI")
	case !u.SIP() && u.Scheme != "tel":
		return fault(416, "Unsupported URI Scheme")
	case u.Headers != "":
		return fault(400, "Header Fields in Request-URI") // RFC 3261 section 19.1.1, table 1
	}
	m.uri = u
	return nil
}

func (p *parser) statusLine(line string) *Fault {
	m := p.m
	m.status = 400 // a response, whatever is wrong with it
	ver, rest, _ := strings.Cut(line, " ")
	code, reason, _ := strings.Cut(rest, " ")
	if !strings.EqualFold(ver, version) {
		return fault(505, "Version Not Supported")
	}
	n, ok := parseSeconds(code)
	if !ok || len(code) != 3 || n < 100 || n > 699 {
		return fault(400, "Malformed Status-Line")
	}
	m.status, m.reason = int(n), reason
	return nil
}

func isVersion(s string) bool { return len(s) > 4 && strings.EqualFold(s[:4], "SIP/") }
