package wire

import "turnpike.dev/turnpike/cluster/revisions"

// maxPorts is how many ports may be tried at who asks.
const maxPorts = 8

// Question asks a node on its recovery port what it is, and to try whether ports of who asks can
// be reached from there (CL-19).
type Question struct {
	Protocol int
	Ports    []uint16 // TCP, at the address that the question comes from
	// UDP are ports there that send back a datagram that is Token, while the question is open.
	UDP   []uint16
	Token Token
}

// Token is what datagrams between the two of a question are.
type Token [16]byte

// Probe answers a Question.
type Probe struct {
	Hello Hello
	// Tag is the configuration that is in force there, and Digest its digest.
	Tag    revisions.Tag
	Digest string
	// Seen is the address that the question came from, as the node sees it: another than the one that was
	// dialled from tells of NAT between peers.
	Seen string
	// Ports says of each port of the question why it could not be reached; empty: it was.
	Ports map[uint16]string
	// UDP says the same of the question's UDP ports. Bells are those of this node that send back the
	// question's Token until the connection is closed.
	UDP   map[uint16]string
	Bells []uint16
	// Facts are further findings, named as the check before joining names them.
	Facts map[string]string
}

type questionBody struct {
	Protocol int      `cbor:"1,keyasint"`
	Ports    []uint16 `cbor:"2,keyasint,omitempty"`
	UDP      []uint16 `cbor:"3,keyasint,omitempty"`
	Token    []byte   `cbor:"4,keyasint,omitempty"`
}

type probeBody struct {
	Hello  helloBody         `cbor:"1,keyasint"`
	Tag    tagBody           `cbor:"2,keyasint"`
	Digest string            `cbor:"3,keyasint,omitempty"`
	Seen   string            `cbor:"4,keyasint,omitempty"`
	Ports  map[uint16]string `cbor:"5,keyasint,omitempty"`
	Facts  map[string]string `cbor:"6,keyasint,omitempty"`
	UDP    map[uint16]string `cbor:"7,keyasint,omitempty"`
	Bells  []uint16          `cbor:"8,keyasint,omitempty"`
}

func questionOf(m Question) *questionBody {
	b := &questionBody{Protocol: m.Protocol, Ports: m.Ports, UDP: m.UDP}
	if m.Token != (Token{}) {
		b.Token = m.Token[:]
	}
	return b
}

func probeOf(m Probe) *probeBody {
	return &probeBody{*helloOf(m.Hello), *tagOf(m.Tag), m.Digest, m.Seen, lines(m.Ports, maxWhy), lines(m.Facts, maxWhy), lines(m.UDP, maxWhy), m.Bells}
}

func (b *questionBody) message() (any, error) {
	var c check
	c.count("the protocol", b.Protocol, 1<<16)
	c.count("ports", len(b.Ports), maxPorts)
	c.count("UDP ports", len(b.UDP), maxPorts)
	m := Question{Protocol: b.Protocol, Ports: b.Ports, UDP: b.UDP}
	if len(b.Token) > 0 {
		c.count("bytes of a token", len(b.Token), len(m.Token))
		copy(m.Token[:], b.Token)
	}
	return m, c.err
}

func (b *probeBody) message() (any, error) {
	var c check
	c.count("ports", len(b.Ports), maxPorts)
	c.count("UDP ports", len(b.UDP), maxPorts)
	c.count("bells", len(b.Bells), maxPorts)
	for _, all := range []map[uint16]string{b.Ports, b.UDP} {
		for _, why := range all {
			c.text("why a port is closed", why, maxWhy)
		}
	}
	c.count("facts", len(b.Facts), maxExtra)
	for k, v := range b.Facts {
		c.text("a fact", k, maxText)
		c.text("a fact", v, maxWhy)
	}
	m := Probe{
		Hello: b.Hello.hello(&c), Tag: b.Tag.tag(&c), Digest: c.text("the digest", b.Digest, maxDigest),
		Seen: c.text("the address", b.Seen, maxText), Ports: b.Ports, Facts: b.Facts,
		UDP: b.UDP, Bells: b.Bells,
	}
	return m, c.err
}
