package message

import (
	"slices"
	"strconv"
	"strings"
)

// From returns who the request is from (RFC 3261 section 20.20).
func (m *Message) From() Address { return m.party(from, &m.from) }

// To returns who the request is for (RFC 3261 section 20.39).
func (m *Message) To() Address { return m.party(to, &m.to) }

func (m *Message) party(k kind, c *cached[Address]) Address {
	if !c.known {
		c.value, _ = ParseAddress(m.get(k)) // Parse checked it
		c.known = true
	}
	return c.value
}

// SetFrom sets From.
func (m *Message) SetFrom(a Address) { m.setParty(from, &m.from, a) }

// SetTo sets To.
func (m *Message) SetTo(a Address) { m.setParty(to, &m.to, a) }

func (m *Message) setParty(k kind, c *cached[Address], a Address) {
	m.set(k, a.String())
	*c = cached[Address]{a, true}
}

// SetCSeq sets the sequence number and the method beside it. It does not change the
// request's own method.
func (m *Message) SetCSeq(n uint32, method Method) {
	m.seq, m.seqMethod = n, method
	m.set(cseq, strconv.FormatUint(uint64(n), 10)+" "+string(method))
}

// Via returns the top Via (RFC 3261 section 20.42).
func (m *Message) Via() Via {
	if !m.via.known {
		m.via.value, _ = ParseVia(m.get(via)) // Parse checked it
		m.via.known = true
	}
	return m.via.value
}

// Vias returns how many Vias there are.
func (m *Message) Vias() int { return m.count(via) }

// PushVia puts a Via on top.
func (m *Message) PushVia(v Via) {
	at := max(m.find(via), 0)
	m.insert(at, field{via, kindNames[via]}, []string{v.String()})
	m.via = cached[Via]{v, true}
}

// PopVia removes the top Via.
func (m *Message) PopVia() {
	if i := m.find(via); i >= 0 {
		m.headers = slices.Delete(m.headers, i, i+1)
		m.forget(via)
	}
}

// SetVia replaces the top Via.
func (m *Message) SetVia(v Via) {
	i := m.find(via)
	if i < 0 {
		m.PushVia(v)
		return
	}
	m.headers[i].value = oneLine(v.String())
	m.via = cached[Via]{v, true}
}

// Contacts returns the Contact addresses. "*" is an Address with Star.
func (m *Message) Contacts() []Address { return m.addresses(contact) }

// SetContacts replaces them; none removes the header field.
func (m *Message) SetContacts(all ...Address) { m.setAddresses(contact, all) }

// Routes returns the Route set of the message, the next hop first.
func (m *Message) Routes() []Address { return m.addresses(route) }

// SetRoutes replaces it; none removes the header field. A first one stands below the Vias.
func (m *Message) SetRoutes(all ...Address) {
	if m.find(route) >= 0 {
		m.setAddresses(route, all)
		return
	}
	for i := len(all) - 1; i >= 0; i-- {
		m.pushAddress(route, all[i])
	}
}

// RecordRoutes returns the Record-Routes, the last proxy first.
func (m *Message) RecordRoutes() []Address { return m.addresses(recordRoute) }

// PushRecordRoute puts a Record-Route on top (RFC 3261 section 16.6, step 4).
func (m *Message) PushRecordRoute(a Address) { m.pushAddress(recordRoute, a) }

// Paths returns the Path of a REGISTER, the last proxy first (RFC 3327).
func (m *Message) Paths() []Address { return m.addresses(path) }

// PushPath puts a Path on top (RFC 3327 section 5.2).
func (m *Message) PushPath(a Address) { m.pushAddress(path, a) }

func (m *Message) addresses(k kind) []Address {
	var all []Address
	for _, h := range m.headers {
		if h.kind != k {
			continue
		}
		for text := range elements(h.value) {
			if a, err := ParseAddress(text); err == nil { // Parse checked them
				all = append(all, a)
			}
		}
	}
	return all
}

func (m *Message) setAddresses(k kind, all []Address) {
	texts := make([]string, len(all))
	for i, a := range all {
		texts[i] = a.String()
	}
	m.replace(field{k, kindNames[k]}, texts...)
}

// pushAddress puts one above the others, and the first below the Vias, where whoever reads
// a message expects it.
func (m *Message) pushAddress(k kind, a Address) {
	at := m.find(k)
	for at < 0 || at < len(m.headers) && m.headers[at].kind == via {
		at++
	}
	m.insert(at, field{k, kindNames[k]}, []string{a.String()})
}

// MaxForwards returns how many hops the request may still take; false when it does not
// say.
func (m *Message) MaxForwards() (int, bool) {
	n, err := strconv.ParseUint(m.get(maxForwards), 10, 31)
	return int(n), err == nil
}

// SetMaxForwards sets it.
func (m *Message) SetMaxForwards(n int) { m.set(maxForwards, strconv.Itoa(n)) }

// Expires returns the header field's seconds. What is more than the field can say is the
// most it can (RFC 4475 section 3.1.2.4).
func (m *Message) Expires() (seconds uint32, ok bool) { return parseSeconds(m.get(expires)) }

// parseSeconds reads delta-seconds.
func parseSeconds(text string) (uint32, bool) {
	if text == "" || strings.TrimLeft(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 1<<32 - 1, true
	}
	return uint32(n), true
}
