// Package transport carries SIP messages over the loop's sockets: it says which connection
// a message takes, opens those that are missing, and answers by itself what is too broken
// to be anybody's request.
//
// It exists so that transactions see hops and messages, and never a socket, a dial or a
// certificate. Nothing here blocks: a connection that has to be opened first is opened
// beside, and what waits for it is bounded.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// Hop is where a message goes next.
type Hop struct {
	Transport loop.Transport
	Remote    netip.AddrPort
	Local     netip.Addr // ours; invalid: by route
	Conn      *loop.Conn
	Name      string // TLS: domain that is verified (RFC 5922); empty: none is
	Only      bool   // this connection or none: a flow (RFC 5626)
}

// Config says what to listen on and who gets what comes in.
type Config struct {
	UDP, TCP, TLS []netip.AddrPort
	// Certificate is the node's, asked at each handshake so that it can be reloaded. Without
	// one there is no TLS.
	Certificate func() (*tls.Certificate, error)
	// Roots are who is believed about others, asked at each handshake; nil: the system's.
	Roots func() *x509.CertPool
	// AskClients lets those who connect show a certificate (mTLS); what it is good for is
	// for the receiver to say.
	AskClients bool
	Limits     loop.Limits
	DialPorts  loop.Ports

	// Receive gets each good message on the loop: it must not block.
	Receive func(src loop.Source, m *message.Message)
	// Closed is told of the end of each connection that Receive has shown; may be nil.
	Closed func(*loop.Conn)
	// Panicked is told of a message that Receive panicked at; may be nil.
	Panicked func(src loop.Source, data []byte, reason any)
}

// Transport is the node's SIP sockets.
type Transport struct {
	cfg  Config
	loop *loop.Loop
}

// New binds the addresses.
func New(Config) (*Transport, error) { return nil, errors.New("not there yet") }

// Run carries messages until ctx ends.
func (t *Transport) Run(ctx context.Context) error { return t.loop.Run(ctx) }

// Listening is closed when messages come in from everywhere.
func (t *Transport) Listening() <-chan struct{} { return t.loop.Listening() }

// Local returns our address and listening port towards a hop: what Via, Contact and
// Record-Route say.
func (t *Transport) Local(Hop) (netip.AddrPort, error) {
	return netip.AddrPort{}, errors.New("not there yet")
}

// Send sends a message. It never blocks; data may be used again when it returns. failed is
// called at most once, from any goroutine, and may be nil.
func (t *Transport) Send(_ Hop, _ []byte, failed func(error)) {
	failed(errors.New("not there yet"))
}
