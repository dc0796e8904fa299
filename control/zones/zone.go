// Package zones is what surrounds a node and what it is divided into: neighbours,
// traversal and DNS zones and everybody else outside, subzones inside.
//
// It exists to answer three questions from an immutable snapshot, with no clock, no
// socket and no lock: which zone does a request come from, which addresses of a zone
// should be tried now and in which order (RG-06), and may an endpoint register, and
// into which subzone (BW-01, facts A1.1 and A8). Who measures whether peers live, and
// who keeps registrations, are others.
package zones

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Limits of a node (facts A1.1).
const (
	MaxZones = 1000
	MaxName  = 50
	// MaxPeers is how many addresses a zone lists (RG-06).
	MaxPeers = 6
	MaxHops  = 255
)

// Type is what a zone is.
type Type uint8

// Types. A node has one Local and one Default zone; the others are configured.
const (
	Local Type = iota
	Default
	Neighbour
	TraversalClient
	TraversalServer
	DNS
)

var typeNames = [...]string{"local", "default", "neighbour", "traversal_client", "traversal_server", "dns"}

// String returns the type as configuration and traces write it.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("zone type %d", uint8(t))
}

// MarshalText writes the type for JSON.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Zone is one zone. It never changes once compiled.
type Zone struct {
	Name      string
	Type      Type
	SIP, H323 bool // what it speaks
	Peers     []Peer
	Monitor   bool // whether peers are asked if they live
	HopCount  int  // the largest that is sent there
}

// Peer is an address of a zone: an IP address or a name that has one address.
type Peer struct {
	Host string
	Port uint16 // 0: the protocol's own
}

// String returns the peer as it is written.
func (p Peer) String() string {
	a, err := netip.ParseAddr(p.Host)
	switch {
	case p.Port == 0:
		return p.Host
	case err == nil && a.Is6():
		return fmt.Sprintf("[%s]:%d", p.Host, p.Port)
	}
	return fmt.Sprintf("%s:%d", p.Host, p.Port)
}

// Slots is how many peers a zone may have: those it lists, or on a traversal server
// the clients that may connect.
func (z *Zone) Slots() int {
	if z.Type == TraversalServer {
		return MaxPeers
	}
	return len(z.Peers)
}

// Listed says whether the zone is one that was configured by name: what comes from it
// is known.
func (z *Zone) Listed() bool { return z.Type != Local && z.Type != Default }

// Config is what a Directory is compiled from.
type Config struct {
	Zones []Zone
	// LocalName and DefaultName are what rules call the two that are always there.
	LocalName, DefaultName string
	DefaultHopCount        int
	// Resolved are the addresses of peers that are names, as far as they are known.
	Resolved map[string][]netip.Addr
	// Cluster are the peers of this node's own cluster: they cannot be neighbours (RG-07).
	Cluster []string
	Access  []AccessRule
}

// Directory is all zones of a node. It never changes: a change of configuration or
// of what names resolve to makes a new one.
type Directory struct {
	zones   []Zone
	local   Zone
	outside Zone
	byName  map[string]*Zone
	byPeer  map[netip.AddrPort]*Zone
	byAddr  map[netip.Addr]*Zone
	access  access
}

// Compile makes a directory, or returns everything that is wrong, each with the zone's
// name.
func Compile(c Config) (*Directory, error) {
	d := &Directory{
		zones:   slices.Clone(c.Zones),
		local:   Zone{Name: orElse(c.LocalName, "local"), Type: Local, SIP: true, H323: true},
		outside: Zone{Name: orElse(c.DefaultName, "DefaultZone"), Type: Default, SIP: true, H323: true, HopCount: orElse(c.DefaultHopCount, 15)},
		byName:  make(map[string]*Zone, len(c.Zones)+2),
		byPeer:  map[netip.AddrPort]*Zone{},
		byAddr:  map[netip.Addr]*Zone{},
	}
	d.byName[d.local.Name], d.byName[d.outside.Name] = &d.local, &d.outside
	var errs []error
	if len(c.Zones) > MaxZones {
		errs = append(errs, fmt.Errorf("%d zones are too many: a node has up to %d", len(c.Zones), MaxZones))
	}
	for i := range d.zones {
		if err := d.add(&d.zones[i], c); err != nil {
			errs = append(errs, fmt.Errorf("zone %q: %w", d.zones[i].Name, err))
		}
	}
	var err error
	if d.access, err = compileAccess(c.Access); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return d, nil
}

func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

func (d *Directory) add(z *Zone, c Config) error {
	if z.HopCount == 0 {
		z.HopCount = 15
	}
	if err := check(z, c.Cluster); err != nil {
		return err
	}
	if d.byName[z.Name] != nil {
		return errors.New("there is another one of this name: rename one")
	}
	d.byName[z.Name] = z
	for _, p := range z.Peers {
		addrs := c.Resolved[p.Host]
		if a, err := netip.ParseAddr(p.Host); err == nil {
			addrs = []netip.Addr{a}
		}
		for _, a := range addrs {
			d.listen(z, a.Unmap(), p.Port)
		}
	}
	return nil
}

// check looks at one zone for itself.
func check(z *Zone, cluster []string) error {
	switch {
	case z.Name == "" || len(z.Name) > MaxName:
		return fmt.Errorf("a name has 1 to %d characters", MaxName)
	case z.Type == Local || z.Type == Default || z.Type > DNS:
		return fmt.Errorf("%s cannot be made: it is there already", z.Type)
	case !z.SIP && !z.H323:
		return errors.New("it speaks neither SIP nor H.323: switch one on")
	case len(z.Peers) > MaxPeers:
		return fmt.Errorf("%d peers are too many: a zone lists up to %d", len(z.Peers), MaxPeers)
	case z.HopCount < 1 || z.HopCount > MaxHops:
		return fmt.Errorf("hop count %d: want 1 to %d", z.HopCount, MaxHops)
	case len(z.Peers) == 0 && (z.Type == Neighbour || z.Type == TraversalClient):
		return errors.New("it lists no peer: add the address of one")
	case len(z.Peers) > 0 && (z.Type == TraversalServer || z.Type == DNS):
		return fmt.Errorf("a zone of type %s lists no peers: take them out", z.Type)
	}
	for _, p := range z.Peers {
		if slices.ContainsFunc(cluster, func(own string) bool { return strings.EqualFold(own, p.Host) }) {
			return fmt.Errorf("peer %s is in this node's own cluster, and a cluster is not its own neighbour: take it out", p)
		}
	}
	return nil
}

// listen notes that what comes from an address comes from a zone. Where two zones
// list an address, the first has it: both can be called, but who calls cannot be told
// apart.
func (d *Directory) listen(z *Zone, a netip.Addr, port uint16) {
	if at := netip.AddrPortFrom(a, port); d.byPeer[at] == nil {
		d.byPeer[at] = z
	}
	if d.byAddr[a] == nil {
		d.byAddr[a] = z
	}
}

// Zones returns the configured zones in their order.
func (d *Directory) Zones() []Zone { return d.zones }

// Local returns the Local Zone: all that is registered.
func (d *Directory) Local() *Zone { return &d.local }

// Default returns the Default Zone: everybody whom no other zone knows.
func (d *Directory) Default() *Zone { return &d.outside }

// ByName returns a zone, or nil.
func (d *Directory) ByName(name string) *Zone { return d.byName[name] }

// BySource returns the zone that a message from an address comes from: that of the
// peer with this address and port, or else of the first peer with this address, or
// else the Default Zone. It does not say whether the sender is who it claims to be:
// over TLS the certificate does.
func (d *Directory) BySource(from netip.AddrPort) *Zone {
	addr := from.Addr().Unmap()
	if z := d.byPeer[netip.AddrPortFrom(addr, from.Port())]; z != nil {
		return z
	}
	if z := d.byAddr[addr]; z != nil {
		return z
	}
	return &d.outside
}
