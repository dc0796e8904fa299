package registrar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnpike.dev/turnpike/licensing"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// Bounds of what a binding keeps: a table of them must not grow by what one endpoint sends.
const (
	maxText     = 512 // of a contact, its parameters, a route, a Call-ID
	maxInstance = 256
	maxPath     = 8
	maxAgent    = 128
)

// flowTimer is how often an endpoint is asked to show that its connection lives (RFC 5626
// section 4.4).
const flowTimer = 120

// request is a REGISTER that was read.
type request struct {
	m                     *message.Message
	src                   loop.Source
	aor, subzone, account string
	desktops              *licensing.Desktops // nil where the licence is another registrar's

	wishes   []wish
	all      bool // "*": everything is removed
	path     []string
	outbound bool // RFC 5626 is confirmed

	elsewhere bool // another registrar is asked, and for the password
}

// wish is one contact: what is asked for, or, with 0 of expires, is to go.
type wish struct {
	uri      message.URI
	contact  string
	params   string
	instance string
	regID    uint32
	q        uint16
	expires  time.Duration
}

func bad(format string, args ...any) error {
	return &refusal{status: 400, detail: fmt.Sprintf(format, args...)}
}

// read reads everything that may be wrong before anything is changed.
func (q *request) read(longest time.Duration) error {
	contacts := q.m.Contacts()
	if len(contacts) > 0 && contacts[0].Star || slices.ContainsFunc(contacts, func(a message.Address) bool { return a.Star }) {
		expires, ok := q.m.Expires()
		if len(contacts) != 1 || !ok || expires != 0 { // step 6
			return bad("a contact * stands alone and with Expires: 0 (RFC 3261 section 10.3)")
		}
		q.all = true
		return nil
	}
	if len(q.m.CallID()) > maxText {
		return bad("the Call-ID is longer than %d bytes", maxText)
	}
	for _, a := range contacts {
		w, err := q.wish(a, longest)
		if err != nil {
			return err
		}
		q.wishes = append(q.wishes, w)
	}
	if err := q.readPath(); err != nil {
		return err
	}
	return q.flows()
}

func (q *request) wish(a message.Address, longest time.Duration) (wish, error) {
	w := wish{uri: a.URI, q: 1000}
	if !a.URI.SIP() {
		return w, bad("the contact %s is no SIP URI", clip(a.URI.String()))
	}
	w.uri.Headers = ""
	w.contact = w.uri.String()
	if ip, ok := w.uri.IP(); ok && ip == q.src.Local.Addr() && w.uri.Port == q.src.Local.Port() {
		return w, bad("the contact is this node itself")
	}
	if text, ok := a.Params.Get("q"); ok {
		if w.q, ok = thousandths(text); !ok {
			return w, bad("the q of a contact is a number from 0 to 1, not %s", clip(text))
		}
	}
	if text, ok := a.Params.Get("+sip.instance"); ok {
		w.instance = text
	}
	if text, ok := a.Params.Get("reg-id"); ok && w.instance != "" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil || n == 0 {
			return w, bad("the reg-id of a contact is a number from 1, not %s", clip(text))
		}
		w.regID = uint32(n)
	}
	w.params = shown(a.Params)
	if len(w.contact) > maxText || len(w.params) > maxText || len(w.instance) > maxInstance {
		return w, bad("a contact is longer than %d bytes", maxText)
	}
	var err error
	w.expires, err = q.expires(a, longest)
	return w, err
}

// expires is how long a contact stays (RFC 3261 section 10.3 step 7): what it says itself,
// or the whole request, or else the longest.
func (q *request) expires(a message.Address, longest time.Duration) (time.Duration, error) {
	seconds, ok := q.m.Expires()
	if text, has := a.Params.Get("expires"); has {
		if n, err := strconv.ParseUint(text, 10, 64); err == nil || strings.Trim(text, "0123456789") == "" && text != "" {
			seconds, ok = uint32(min(n, 1<<32-1)), true
		} else {
			seconds, ok = 3600, true // RFC 3261 section 20.10: what is malformed is 3600
		}
	}
	if !ok {
		return longest, nil
	}
	d := min(time.Duration(seconds)*time.Second, longest)
	if shortest := min(MinExpires, longest); d > 0 && d < shortest {
		return 0, &refusal{
			status: 423, field: "Min-Expires", value: strconv.Itoa(int(shortest / time.Second)),
			detail: fmt.Sprintf("a registration for %v is too brief", d),
		}
	}
	return d, nil
}

// readPath reads the proxies in between (RFC 3327 section 5.3).
func (q *request) readPath() error {
	paths := q.m.Paths()
	if len(paths) > maxPath {
		return bad("there are more than %d proxies in the Path", maxPath)
	}
	for _, p := range paths {
		text := p.String()
		if len(text) > maxText {
			return bad("a Path is longer than %d bytes", maxText)
		}
		q.path = append(q.path, text)
	}
	return nil
}

// flows decides about RFC 5626 (section 6): an endpoint that is connected to us, and asks
// for it, is reached over that connection alone. Datagrams have no flow here, because
// nothing would answer the STUN that keeps one.
func (q *request) flows() error {
	numbered := 0
	for i := range q.wishes {
		if w := &q.wishes[i]; w.regID != 0 && w.expires > 0 {
			numbered++
		}
	}
	switch {
	case numbered == 0:
	case numbered > 1:
		return bad("only one contact of a request has a reg-id (RFC 5626 section 4.2)")
	case q.m.Vias() > 1:
		paths := q.m.Paths()
		if len(paths) == 0 || !paths[len(paths)-1].URI.Params.Has("ob") {
			return &refusal{status: 439, reason: "First Hop Lacks Outbound Support", detail: "the first proxy does not know RFC 5626"}
		}
		q.outbound = supports(q.m, "outbound")
	default:
		q.outbound = q.src.Conn != nil && supports(q.m, "outbound")
	}
	return nil
}

func supports(m *message.Message, option string) bool {
	for _, name := range []string{"Supported", "Require"} {
		for _, token := range m.Tokens(name) {
			if strings.EqualFold(token, option) {
				return true
			}
		}
	}
	return false
}

// thousandths reads a qvalue (RFC 3261 section 25.1).
func thousandths(text string) (uint16, bool) {
	whole, digits, _ := strings.Cut(text, ".")
	if whole != "0" && whole != "1" || len(digits) > 3 {
		return 0, false
	}
	n, err := strconv.ParseUint(whole+(digits + "000")[:3], 10, 16)
	return uint16(n), err == nil && n <= 1000
}

// shown are the parameters of a contact that are given back.
func shown(params message.Params) string {
	var b strings.Builder
	for _, p := range params {
		if strings.EqualFold(p.Name, "expires") {
			continue
		}
		b.WriteString(";" + p.Name)
		if p.Value != "" {
			b.WriteString("=" + p.Value)
		}
	}
	return b.String()
}

func clip(text string) string { return text[:min(len(text), 60)] }
