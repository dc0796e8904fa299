package peers

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// Header is how a peer tells another what it knows of a request:
//
//	Turnpike-Peer: caller;zone="branch";authenticated;registered;endpoint=9f1c…;endpoint=03aa…
//
// and in answers what became of the media. It never leaves the cluster, and is believed from peers
// only.
const Header = "Turnpike-Peer"

const (
	// maxNote bounds the header: a name of a zone and one of a subzone, and MaxEndpoints endpoints.
	maxNote  = 8192
	maxAlias = 512
	maxName  = 256 // bytes, of zones and subzones
	// maxWaited is longer than anybody waits.
	maxWaited = time.Minute
	// MaxEndpoints is how many endpoints one request to a peer is for: dialplan.MaxTargets.
	MaxEndpoints = 64
)

// Note is what one peer tells another.
type Note struct {
	// Alias is the name that is meant, as search rules made it: that of the registration.
	Alias string
	// Zone and Subzone are where the peer sees the caller.
	Zone, Subzone string
	// Authenticated: a password was checked, or the zone or subzone is treated so.
	Authenticated bool
	// Registered and Stranger are what licences ask of the caller (licensing.Party).
	Registered, Stranger bool
	// Media says that the peer that writes the note relays the media of the call. Who has the caller takes
	// the licence whether it does or not (LI-04).
	Media bool
	// Waited is how long the call has waited already for what peers lend each other, in milliseconds.
	Waited time.Duration
	// Endpoints are those that the caller is to reach of who has the name; none: all of them.
	Endpoints []uint64
}

// String writes the header's value.
func (n Note) String() string {
	var b strings.Builder
	b.WriteString("caller")
	for _, p := range []struct{ name, value string }{{"alias", n.Alias}, {"zone", n.Zone}, {"subzone", n.Subzone}} {
		if p.value != "" {
			fmt.Fprintf(&b, ";%s=%s", p.name, strconv.QuoteToASCII(p.value))
		}
	}
	for _, p := range n.flags() {
		if *p.on {
			b.WriteString(";" + p.name)
		}
	}
	if n.Waited >= time.Millisecond {
		fmt.Fprintf(&b, ";waited=%d", n.Waited.Milliseconds())
	}
	for _, e := range n.Endpoints {
		fmt.Fprintf(&b, ";endpoint=%016x", e)
	}
	return b.String()
}

type flag struct {
	name string
	on   *bool
}

func (n *Note) flags() []flag {
	return []flag{
		{"authenticated", &n.Authenticated},
		{"registered", &n.Registered},
		{"stranger", &n.Stranger},
		{"relays", &n.Media}, // not "media": a version before gave its licence back for that
	}
}

// Read returns what a message of a peer says. What it does not understand is for peers of versions
// to come; what makes no sense says nothing.
func Read(m *message.Message) (Note, bool) {
	all := m.All(Header)
	if len(all) != 1 || len(all[0]) > maxNote {
		return Note{}, false
	}
	return parse(all[0])
}

// Put writes a note into a message, in place of what is there.
func (n Note) Put(m *message.Message) { m.Set(Header, n.String()) }

func parse(text string) (n Note, ok bool) {
	kind, rest, _ := strings.Cut(text, ";")
	if strings.TrimSpace(kind) != "caller" {
		return n, false
	}
	for rest != "" {
		var name, value string
		if name, value, rest, ok = next(rest); !ok || !n.take(name, value) {
			return Note{}, false
		}
	}
	return n, true
}

// next cuts off one parameter: name, name=value or name="value".
func next(text string) (name, value, rest string, ok bool) {
	end := strings.IndexAny(text, ";=")
	if end < 0 {
		return strings.TrimSpace(text), "", "", true
	}
	name = strings.TrimSpace(text[:end])
	if text[end] == ';' {
		return name, "", text[end+1:], true
	}
	text = text[end+1:]
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", "", "", false
		}
		if value, err = strconv.Unquote(quoted); err != nil {
			return "", "", "", false
		}
		rest, found := strings.CutPrefix(text[len(quoted):], ";")
		return name, value, rest, found || rest == ""
	}
	value, rest, _ = strings.Cut(text, ";")
	return name, strings.TrimSpace(value), rest, true
}

// take notes one parameter.
func (n *Note) take(name, value string) bool {
	switch name {
	case "alias":
		n.Alias = value
		return len(value) <= maxAlias
	case "zone":
		n.Zone = value
		return len(value) <= maxName
	case "subzone":
		n.Subzone = value
		return len(value) <= maxName
	case "waited":
		ms, err := strconv.ParseUint(value, 10, 32)
		n.Waited = time.Duration(ms) * time.Millisecond
		return err == nil && n.Waited <= maxWaited
	case "endpoint":
		e, err := strconv.ParseUint(value, 16, 64)
		n.Endpoints = append(n.Endpoints, e)
		return err == nil && len(n.Endpoints) <= MaxEndpoints
	}
	for _, f := range n.flags() {
		if f.name == name {
			*f.on = true
			return value == ""
		}
	}
	return true
}
