// Package lab makes small networks of namespaces and veth pairs, in which a node
// can be tried and measured on one machine without touching its real interfaces.
//
// A frame sent through a lab must look as if it had come over a wire, or an XDP
// program sees what no wire carries. So the links have transmit checksums,
// segmentation and duplicate address detection switched off, and GRO switched on:
// without it a veth end that has no XDP program throws away what another program
// redirects to it.
package lab

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
)

// ErrUnsupported is returned by New where network namespaces cannot be made.
var ErrUnsupported = errors.New("a lab needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN)")

// Shape is how the hosts of a lab are connected.
type Shape uint8

// Shapes. Addresses are in 198.18.0.0/15 (RFC 2544) and fd00::/8.
const (
	// ThreeNodes is client c0 – s0 node s1 – p0 peer:
	//
	//	client 198.18.0.2, fd00:0:0:1::2   node s0 198.18.0.1, fd00:0:0:1::1
	//	peer   198.18.1.2, fd00:0:0:2::2   node s1 198.18.1.1, fd00:0:0:2::1
	ThreeNodes Shape = iota
	// SingleInterface is client and peer c0 – s0 node. Client and peer are one
	// namespace with addresses of their own: client 198.18.0.2, fd00:0:0:1::2,
	// peer 198.18.0.130, fd00:0:0:1::130.
	SingleInterface
)

// Options says what lab to make. The zero value is three namespaces with one
// client and one peer address.
type Options struct {
	// Name is unique on the machine; namespaces are called NAME-node, NAME-client
	// and NAME-peer. New removes a lab of this name that a crashed run left. Empty:
	// a new random name.
	Name    string
	Shape   Shape
	Clients int // addresses of the client per family, consecutive; 0 means 1, at most 100
	Peers   int // addresses of the peer per family, consecutive; 0 means 1, at most 100
	Queues  int // receive and transmit queues of each link; 0 means 1
	MTU     int // of each link; 0 means 1500
}

// Lab is a running network. Peer and Client are the same host in SingleInterface.
type Lab struct {
	Name               string
	Node, Client, Peer *Host

	// ClientAddrs and PeerAddrs are the addresses to use as client and as peer:
	// Options.Clients (Peers) of IPv4, and as many of IPv6.
	ClientAddrs, PeerAddrs Addrs

	opts Options
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// New makes a lab. Close it. The error wraps ErrUnsupported where the process may
// not make namespaces.
func New(opts Options) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, ErrUnsupported
	}
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := removeNamed(opts.Name); err != nil {
		return nil, fmt.Errorf("remove the old lab %s: %w", opts.Name, err)
	}
	l := &Lab{Name: opts.Name, opts: opts}
	if err := l.build(opts); err != nil {
		return nil, errors.Join(fmt.Errorf("make lab %s: %w", opts.Name, err), l.Close())
	}
	return l, nil
}

// Close removes the namespaces and with them every link. Programs that still run
// in them keep theirs until they end.
func (l *Lab) Close() error {
	var errs []error
	for _, h := range l.hosts() {
		errs = append(errs, h.close())
	}
	return errors.Join(errs...)
}

// hosts returns each host once, as far as they exist.
func (l *Lab) hosts() []*Host {
	var hs []*Host
	for _, h := range []*Host{l.Node, l.Client, l.Peer} {
		if h != nil && (h != l.Peer || l.Peer != l.Client) {
			hs = append(hs, h)
		}
	}
	if l.Client != nil && l.Client == l.Peer {
		hs = append(hs, l.Client)
	}
	return hs
}

func (o Options) withDefaults() (Options, error) {
	if o.Name == "" {
		o.Name = "lab-" + randomHex()
	}
	if !validName.MatchString(o.Name) {
		return o, fmt.Errorf("lab name %q: use at most 32 lower case letters, digits and hyphens", o.Name)
	}
	o.Clients, o.Peers, o.Queues = max(o.Clients, 1), max(o.Peers, 1), max(o.Queues, 1)
	if o.Clients > maxAddrs || o.Peers > maxAddrs {
		return o, fmt.Errorf("lab %s: at most %d client and peer addresses", o.Name, maxAddrs)
	}
	if o.MTU == 0 {
		o.MTU = 1500
	}
	return o, nil
}

func randomHex() string {
	var b [4]byte
	rand.Read(b[:]) //nolint:errcheck // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
