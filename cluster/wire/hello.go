package wire

import (
	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/settings"
)

// Hello is what a node says about itself: first on each connection, and again when it has changed.
type Hello struct {
	ID          cluster.ID
	Incarnation cluster.Incarnation
	// Number counts what the node has said of itself in this incarnation: of two hellos the later one counts, on
	// whatever connection they come.
	Number      uint64
	Name        string // the system name
	Cluster     string // id of the cluster that it has properly joined (CL-02); empty: none
	Settings    settings.Settings
	SIPTLS      uint16 // port of SIP over TLS; 0: closed
	Maintenance bool
	// Extra is what the parts above have to say: at most 64 pairs of at most 256 bytes each.
	Extra map[string]string
}

// Before says that another hello of the same node is later.
func (h Hello) Before(o Hello) bool {
	if h.Incarnation != o.Incarnation {
		return h.Incarnation < o.Incarnation
	}
	return h.Number < o.Number
}

// Stream says what a connection is for.
type Stream uint8

// Streams. Rows and Bulk have the same ALPN.
const (
	Rows     Stream = 1 // small messages
	Bulk     Stream = 2 // parts of snapshots and documents
	Requests Stream = 3
	Raft     Stream = 4
	Recovery Stream = 5
)

// Open is the first message on a connection, of who dialled.
type Open struct {
	Stream Stream
	Hello  Hello
}

// Welcome answers an Open: the connection stands. It is the only message of who accepted on streams
// of messages.
type Welcome struct{ Hello Hello }

// Refused answers an Open or comes at any time after: the connection ends, for a reason that is for people.
type Refused struct{ Why string }

type helloBody struct {
	ID          string            `cbor:"1,keyasint,omitempty"`
	Incarnation uint64            `cbor:"2,keyasint,omitempty"`
	Name        string            `cbor:"3,keyasint,omitempty"`
	Cluster     string            `cbor:"4,keyasint,omitempty"`
	Settings    settingsBody      `cbor:"5,keyasint"`
	SIPTLS      uint16            `cbor:"6,keyasint,omitempty"`
	Maintenance bool              `cbor:"7,keyasint,omitempty"`
	Extra       map[string]string `cbor:"8,keyasint,omitempty"`
	Number      uint64            `cbor:"9,keyasint,omitempty"`
}

type settingsBody struct {
	Name     string   `cbor:"1,keyasint,omitempty"`
	Primary  int      `cbor:"2,keyasint,omitempty"`
	IP       string   `cbor:"3,keyasint,omitempty"`
	TLS      string   `cbor:"4,keyasint,omitempty"`
	Peers    []string `cbor:"5,keyasint,omitempty"`
	Role     string   `cbor:"6,keyasint,omitempty"`
	Platform string   `cbor:"7,keyasint,omitempty"`
	Software string   `cbor:"8,keyasint,omitempty"`
	Protocol int      `cbor:"9,keyasint,omitempty"`
}

type openBody struct {
	Stream uint8     `cbor:"1,keyasint"`
	Hello  helloBody `cbor:"2,keyasint"`
}

type welcomeBody struct {
	Hello helloBody `cbor:"1,keyasint"`
}

type refusedBody struct {
	Why string `cbor:"1,keyasint"`
}

func openOf(m Open) *openBody { return &openBody{Stream: uint8(m.Stream), Hello: *helloOf(m.Hello)} }

func helloOf(m Hello) *helloBody {
	return &helloBody{
		ID: string(m.ID), Incarnation: uint64(m.Incarnation), Name: m.Name, Cluster: m.Cluster,
		Settings: settingsOf(m.Settings), SIPTLS: m.SIPTLS, Maintenance: m.Maintenance, Extra: m.Extra,
		Number: m.Number,
	}
}

func settingsOf(s settings.Settings) settingsBody {
	return settingsBody{s.Name, s.Primary, s.IP, s.TLS, s.Peers, s.Role, s.Platform, s.Software, s.Protocol}
}

func (b *openBody) message() (any, error) {
	var c check
	m := Open{Stream(b.Stream), b.Hello.hello(&c)}
	if m.Stream < Rows || m.Stream > Recovery {
		c.fail("there is no stream %d", b.Stream)
	}
	return m, c.err
}

func (b *welcomeBody) message() (any, error) {
	var c check
	m := Welcome{b.Hello.hello(&c)}
	return m, c.err
}

func (b *refusedBody) message() (any, error) {
	var c check
	m := Refused{c.text("the reason", b.Why, maxWhy)}
	return m, c.err
}

func (b *helloBody) message() (any, error) {
	var c check
	m := b.hello(&c)
	return m, c.err
}

func (b *helloBody) hello(c *check) Hello {
	c.count("extra", len(b.Extra), maxExtra)
	for k, v := range b.Extra {
		c.text("extra", k, maxText)
		c.text("extra", v, maxText)
	}
	return Hello{
		ID: c.id("the id", b.ID, true), Incarnation: cluster.Incarnation(b.Incarnation),
		Name: c.text("the name", b.Name, maxText), Cluster: c.text("the cluster's id", b.Cluster, maxID),
		Settings: b.Settings.settings(c), SIPTLS: b.SIPTLS, Maintenance: b.Maintenance, Extra: b.Extra,
		Number: b.Number,
	}
}

func (b *settingsBody) settings(c *check) settings.Settings {
	c.count("the list of peers", len(b.Peers), cluster.MaxPeers)
	for _, p := range b.Peers {
		c.text("a peer's address", p, maxText)
	}
	c.count("the primary", b.Primary, 1<<16)
	c.count("the protocol", b.Protocol, 1<<16)
	return settings.Settings{
		Name: c.text("cluster.name", b.Name, maxText), Primary: b.Primary, IP: c.text("cluster.ip", b.IP, maxText),
		TLS: c.text("cluster_tls", b.TLS, maxText), Peers: b.Peers, Role: c.text("the role", b.Role, maxText),
		Platform: c.text("the platform", b.Platform, maxText), Software: c.text("the software", b.Software, maxText),
		Protocol: b.Protocol,
	}
}

// String returns the stream as metrics name it.
func (s Stream) String() string {
	switch s {
	case Rows:
		return "rows"
	case Bulk:
		return "bulk"
	case Requests:
		return "requests"
	case Raft:
		return "raft"
	case Recovery:
		return "recovery"
	}
	return "unknown"
}
