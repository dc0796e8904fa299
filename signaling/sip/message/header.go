package message

import (
	"slices"
	"strings"
)

// header is one header field, or one value of a field that is a list of hops.
type header struct {
	kind  kind
	name  string
	value string
}

// kind is a header field that this package looks for; the rest are other.
type kind uint8

const (
	other kind = iota
	via
	from
	to
	callID
	cseq
	contact
	route
	recordRoute
	path
	maxForwards
	expires
	contentType
	contentLength
	timestamp
	userAgent
	kinds // how many there are
)

var kindNames = [kinds]string{
	via: "Via", from: "From", to: "To", callID: "Call-ID", cseq: "CSeq", contact: "Contact", route: "Route",
	recordRoute: "Record-Route", path: "Path", maxForwards: "Max-Forwards", expires: "Expires", contentType: "Content-Type",
	contentLength: "Content-Length", timestamp: "Timestamp", userAgent: "User-Agent",
}

// field is what a name stands for.
type field struct {
	kind kind
	name string
}

// byLength are the kinds whose names have that many letters.
var byLength = func() (all [16][]kind) {
	for k := via; k < kinds; k++ {
		n := len(kindNames[k])
		all[n] = append(all[n], k)
	}
	return all
}()

// compact are the names with one letter, by their letter in the alphabet (the registry of
// RFC 3261 section 27 and its extensions).
var compact = func() (all [26]field) {
	for letter, name := range map[byte]string{
		'a': "Accept-Contact", 'b': "Referred-By", 'c': "Content-Type", 'd': "Request-Disposition", 'e': "Content-Encoding", 'f': "From",
		'i': "Call-ID", 'j': "Reject-Contact", 'k': "Supported", 'l': "Content-Length", 'm': "Contact", 'o': "Event", 'r': "Refer-To",
		's': "Subject", 't': "To", 'u': "Allow-Events", 'v': "Via", 'x': "Session-Expires", 'y': "Identity",
	} {
		all[letter-'a'] = longField(name)
	}
	return all
}()

// fieldOf returns what a name stands for; names are compared without case.
func fieldOf(name string) field {
	if len(name) == 1 {
		if i := int(name[0]|0x20) - 'a'; 0 <= i && i < len(compact) && compact[i].name != "" {
			return compact[i]
		}
	}
	return longField(name)
}

func longField(name string) field {
	if len(name) < len(byLength) {
		for _, k := range byLength[len(name)] {
			if strings.EqualFold(name, kindNames[k]) {
				return field{k, kindNames[k]}
			}
		}
	}
	return field{other, name}
}

func (f field) is(h header) bool {
	return h.kind == f.kind && (f.kind != other || strings.EqualFold(h.name, f.name))
}

// find returns where the first field of that kind is, -1 for nowhere.
func (m *Message) find(k kind) int {
	return slices.IndexFunc(m.headers, func(h header) bool { return h.kind == k })
}

func (m *Message) get(k kind) string {
	if i := m.find(k); i >= 0 {
		return m.headers[i].value
	}
	return ""
}

func (m *Message) count(k kind) (n int) {
	for i := range m.headers {
		if m.headers[i].kind == k {
			n++
		}
	}
	return n
}

func (m *Message) set(k kind, value string) { m.replace(field{k, kindNames[k]}, value) }

func (m *Message) del(k kind) { m.remove(field{kind: k}) }

// replace sets the first field of that name and removes the others.
func (m *Message) replace(f field, values ...string) {
	at := slices.IndexFunc(m.headers, f.is)
	if at < 0 {
		at = len(m.headers)
	} else {
		m.remove(f)
	}
	m.insert(at, f, values)
}

func (m *Message) insert(at int, f field, values []string) {
	m.forget(f.kind)
	for i, v := range values {
		m.headers = slices.Insert(m.headers, at+i, header{f.kind, f.name, oneLine(v)})
	}
}

func (m *Message) remove(f field) {
	m.forget(f.kind)
	m.headers = slices.DeleteFunc(m.headers, f.is)
}

// forget drops what was parsed of a field that changes.
func (m *Message) forget(k kind) {
	switch k {
	case from:
		m.from.known = false
	case to:
		m.to.known = false
	case via:
		m.via.known = false
	}
}

// oneLine keeps a value from ending its line: whoever could would write headers of his
// own.
func oneLine(v string) string {
	if strings.IndexByte(v, '\r') < 0 && strings.IndexByte(v, '\n') < 0 {
		return v
	}
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(v)
}

// Get returns the value of the first header field of that name, empty when there is none.
// Compact forms are the same name. Content-Length is no header field here: it is the
// body's.
func (m *Message) Get(name string) string {
	f := fieldOf(name)
	for _, h := range m.headers {
		if f.is(h) {
			return h.value
		}
	}
	return ""
}

// All returns the values of all header fields of that name.
func (m *Message) All(name string) []string {
	f := fieldOf(name)
	var all []string
	for _, h := range m.headers {
		if f.is(h) {
			all = append(all, h.value)
		}
	}
	return all
}

// Tokens returns the elements of all header fields of that name, where each is a list with
// commas (RFC 3261 section 7.3.1).
func (m *Message) Tokens(name string) []string {
	var all []string
	for _, v := range m.All(name) {
		for e := range elements(v) {
			if e != "" {
				all = append(all, e)
			}
		}
	}
	return all
}

// Has reports whether there is a header field of that name.
func (m *Message) Has(name string) bool {
	return slices.ContainsFunc(m.headers, fieldOf(name).is)
}

// Set makes value the only header field of that name.
func (m *Message) Set(name, value string) {
	if f := fieldOf(name); f.kind != contentLength {
		m.replace(f, value)
		m.reread(f.kind)
	}
}

// Add appends a header field.
func (m *Message) Add(name, value string) {
	if f := fieldOf(name); f.kind != contentLength {
		m.insert(len(m.headers), f, []string{value})
		m.reread(f.kind)
	}
}

// Del removes all header fields of that name.
func (m *Message) Del(name string) { m.remove(fieldOf(name)) }

// reread takes CSeq anew after it was set as text.
func (m *Message) reread(k kind) {
	if k != cseq {
		return
	}
	if n, method, ok := parseCSeq(m.get(cseq)); ok {
		m.seq, m.seqMethod = n, method
	}
}
