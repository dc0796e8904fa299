package message

import (
	"net/netip"
	"strconv"
	"strings"
)

// check is the sanity stage: what has the form of a message still has to be one that the
// node can act on (RFC 3261 sections 8.1.1, 16.3 and 18; RFC 4475). It leaves what it
// parsed for those who ask.
func (m *Message) check() *Fault {
	for _, step := range [...]func() *Fault{m.checkCount, m.checkCSeq, m.checkVias, m.checkParties, m.checkAddresses, m.checkRest} {
		if f := step(); f != nil {
			return f
		}
	}
	return nil
}

// checkCount: one of each of those that identify a message, because two nodes that read
// different ones of two would take it for different messages.
func (m *Message) checkCount() *Fault {
	var n [kinds]int
	for i := range m.headers {
		n[m.headers[i].kind]++
	}
	for _, k := range [...]kind{from, to, callID, cseq} {
		if n[k] != 1 {
			return fault(400, "%s %s", missingOrTwice(n[k]), kindNames[k])
		}
	}
	for _, k := range [...]kind{maxForwards, contentType, expires} {
		if n[k] > 1 {
			return fault(400, "Duplicate %s", kindNames[k])
		}
	}
	switch {
	case n[via] == 0:
		return fault(400, "Missing Via")
	case n[via] > maxVias:
		return fault(400, "Too Many Vias")
	}
	return nil
}

func missingOrTwice(n int) string {
	if n == 0 {
		return "Missing"
	}
	return "Duplicate"
}

// checkCSeq: RFC 3261 sections 8.1.1.5 and 20.16.
func (m *Message) checkCSeq() *Fault {
	n, method, ok := parseCSeq(m.get(cseq))
	switch {
	case !ok:
		return fault(400, "Malformed CSeq")
	case m.IsRequest() && method != m.method:
		return fault(400, "CSeq of Another Method")
	}
	m.seq, m.seqMethod, m.method = n, method, method
	return nil
}

// parseCSeq reads number and method; the number is less than 2^31.
func parseCSeq(s string) (uint32, Method, bool) {
	end := indexSpace(s)
	if end < 0 {
		return 0, "", false
	}
	method := trimLeft(s[end:])
	n, err := strconv.ParseUint(s[:end], 10, 31)
	return uint32(n), Method(method), err == nil && s[0] != '+' && isToken(method)
}

func (m *Message) checkVias() *Fault {
	top := true
	for i := range m.headers {
		if m.headers[i].kind != via {
			continue
		}
		how := look
		if top {
			how = keep
		}
		v, err := how.via(m.headers[i].value)
		switch {
		case err != nil:
			return fault(400, "Malformed Via")
		case !m.IsRequest() && isNobody(v.Host):
			return fault(400, "Via of a Broadcast Address")
		}
		if top {
			m.via, top = cached[Via]{v, true}, false
		}
	}
	if m.via.value.Branch() == branchCookie {
		return fault(400, "Branch Without a Unique Part")
	}
	return nil
}

// isNobody reports whether a response may not be sent there: to everybody (RFC 4475
// section 3.3.10), to a group, or nowhere.
func isNobody(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && (a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}))
}

func (m *Message) checkParties() *Fault {
	for _, p := range [...]struct {
		k kind
		c *cached[Address]
	}{{from, &m.from}, {to, &m.to}} {
		a, err := ParseAddress(m.get(p.k))
		if err != nil || a.Star {
			return fault(400, "Malformed %s", kindNames[p.k])
		}
		*p.c = cached[Address]{a, true}
	}
	return nil
}

func (m *Message) checkAddresses() *Fault {
	for i := range m.headers {
		h := &m.headers[i]
		switch h.kind {
		case contact, route, recordRoute, path:
			for text := range elements(h.value) {
				if a, err := look.address(text); err != nil || a.Star && h.kind != contact {
					return fault(400, "Malformed %s", h.name)
				}
			}
		}
	}
	return nil
}

func (m *Message) checkRest() *Fault {
	id := m.get(callID)
	if id == "" || strings.ContainsAny(id, " \t,;") {
		return fault(400, "Malformed Call-ID")
	}
	if text := m.get(maxForwards); text != "" || m.find(maxForwards) >= 0 {
		if n, ok := parseSeconds(text); !ok || n > 255 { // RFC 3261 section 20.22
			return fault(400, "Malformed Max-Forwards")
		}
	}
	return nil
}
