package dialplan

import (
	"fmt"
	"net/netip"
	"slices"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/zones"
)

// Request is what is searched for, and by whom. Of an H.323 location request only the
// first destination alias is searched (facts A2.1); whoever has several aliases for
// other reasons asks for one after the other.
type Request struct {
	Alias    alias.Alias
	Protocol Protocol
	// Zone is where the request comes from; nil is the Default Zone.
	Zone    *zones.Zone
	Subzone string // of a caller that is registered
	// Peer says that the request comes from a peer of the cluster: everything up to the
	// search rules and what they change was done there, and it is about this node's own
	// registrations only. So no request goes from peer to peer to peer.
	Peer bool
	// Endpoints are those that the peer means of who has the name; empty: all.
	Endpoints     []uint64
	Authenticated bool
	Caller        alias.Alias
	// HopCount is how far the request may still go, this hop included: Max-Forwards or
	// hopCount as received. 0 goes to no zone.
	HopCount int
	// Seen are the names that this node has searched for in the same call before, as
	// they were received.
	Seen []string
	// Trail are the names that led to this one by redirection.
	Trail []string
}

func (r *Request) zoneType() zones.Type {
	switch {
	case r.Peer:
		return zones.Local
	case r.Zone == nil:
		return zones.Default
	}
	return r.Zone.Type
}

// known says whether policy may be open to the caller where no rule speaks: it comes
// from a zone of the list, or is registered and authenticated.
func (r *Request) known() bool {
	switch r.zoneType() {
	case zones.Default:
		return false
	case zones.Local:
		return r.Authenticated
	}
	return true
}

// Binding is a registration of an alias.
type Binding struct {
	ID       uint64 // whatever the registrar calls it
	Protocol Protocol
	Peer     uint8  // index of the peer that holds it; 0: this node
	Contact  string // address or URI, for people
	// Endpoint names who is reached, alike on all peers; 0: nobody knows. Bindings of one
	// endpoint are never tried at a time (RFC 5626 section 7).
	Endpoint uint64
}

// Registrations are all that is registered here and on peers that live: one Local Zone
// (RG-01, RG-04).
type Registrations interface {
	// Lookup appends the bindings of a canonical name to dst: this node's own first,
	// then those of its peers.
	Lookup(dst []Binding, name string) []Binding
}

// Network is what changes from one moment to the next. Both may be nil: then nobody is
// registered, and every peer of a zone lives.
type Network struct {
	Registrations Registrations
	Health        zones.Health
}

// TargetKind is what a target is.
type TargetKind uint8

// Target kinds.
const (
	ToBinding TargetKind = iota // a registration, here or on a peer of the cluster
	ToZone                      // peers of a zone, in Order
	ToDNS                       // whatever DNS says of the alias's domain
	ToAddress                   // the address that was called
)

var targetNames = [...]string{"registration", "zone", "dns", "address"}

// String returns the kind as traces show it.
func (k TargetKind) String() string { return targetNames[k%4] }

// MarshalText writes the kind for JSON.
func (k TargetKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Target is one place to try.
type Target struct {
	Kind  TargetKind
	Alias alias.Alias // what to ask for there
	// Group numbers the targets that are tried at once, in turn from 0.
	Group    int
	Priority int    // of the rule
	Rule     string // empty for an address
	Protocol Protocol
	// Interworked says that this is not the protocol of the request.
	Interworked bool
	Zone        *zones.Zone
	Order       zones.Order // the peers of Zone to try, best first
	Binding     Binding     // of ToBinding
	// More are further endpoints behind Binding.Peer: a peer is asked once for all of them.
	More []uint64
	// Peers are those that have the endpoints too, as a set of bits from 1<<1 on: they are
	// asked when the first way fails (RG-03).
	Peers   PeerSet
	Address netip.AddrPort // of ToAddress
	// HopCount is the smaller of what was received and what the zone allows, this hop
	// included: the message that leaves carries one less (RFC 3261 section 16.6).
	HopCount int
}

// MaxPeers is the largest cluster (CL-01): the highest index of a peer.
const MaxPeers = 6

// PeerSet is a set of peers by index.
type PeerSet uint8

// With adds a peer.
func (s PeerSet) With(index uint8) PeerSet { return s | 1<<index }

// Has says whether a peer is in the set.
func (s PeerSet) Has(index uint8) bool { return s&(1<<index) != 0 }

// Endpoints returns the endpoints of a registration that are meant; none: all of the name.
func (t *Target) Endpoints() []uint64 {
	if t.Binding.Endpoint == 0 || slices.Contains(t.More, 0) {
		return nil
	}
	return append([]uint64{t.Binding.Endpoint}, t.More...)
}

// found says that the target need not be asked whether it knows the alias.
func (t *Target) found() bool { return t.Kind == ToBinding || t.Kind == ToAddress }

// Reason is why a search gave no target.
type Reason uint8

// Reasons.
const (
	Found        Reason = iota
	NotFound            // no rule led to a target
	Denied              // by call policy
	SearchLoop          // this call was here before with the same alias
	PolicyLoop          // new aliases led in a circle
	HopsUsedUp          // only zones were left, and the hop count is 0
	NoInterwork         // only the other protocol was left
	IPRefused           // calls to unknown addresses are off
	Unreachable         // the peers of all zones that matched are silent or in maintenance
	InvalidAlias        // a transform, policy or rule made something that is no alias
)

var reasonTexts = [...]string{
	"found", "not found", "denied by call policy", "search loop detected", "policy loop detected",
	"hop count used up", "interworking is not allowed", "calls to unknown IP addresses are off",
	"no peer of a matching zone can be reached", "no alias was left",
}

// String returns the reason as the log and traces show it.
func (r Reason) String() string {
	if int(r) < len(reasonTexts) {
		return reasonTexts[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// MarshalText writes the reason for JSON.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Result is what a search gave. A caller that keeps one and hands it in again searches
// without allocating.
type Result struct {
	Targets []Target
	Reason  Reason
	// Rule is the policy rule that denied the call; empty where its default did.
	Rule string

	bindings []Binding
}

func (r *Result) reset() { r.Targets, r.Reason, r.Rule = r.Targets[:0], Found, "" }
