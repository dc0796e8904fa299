package capture

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// Relay is a relay by the addresses that its packets have.
type Relay struct {
	ID   uint64
	User string
	// Client and Server are the ends of the client's side over UDP. Those of a TCP or TLS
	// client are not given: the program does not see into its stream.
	Client, Server netip.AddrPort
	Relayed        []netip.AddrPort // our addresses on the peers' side
	Public         []netip.AddrPort // the same, as clients are told
	Channels       []Channel
	Permissions    []netip.Addr
}

// Channel is a channel number bound to a peer.
type Channel struct {
	Number uint16
	Peer   netip.AddrPort
}

// Source tells which relays there are. It is asked again and again while a capture runs.
type Source interface{ Relays() []Relay }

// Selector chooses relays. What fits any of its parts is chosen.
type Selector struct {
	Relays []uint64 `json:"relays,omitempty"`
	Users  []string `json:"users,omitempty"`
	// Addresses are of clients, relays (then all of the relay is chosen) or peers (then
	// what goes to them and comes from them). Port 0 stands for every port.
	Addresses []netip.AddrPort `json:"addresses,omitempty"`
}

// MaxSelected bounds each part of a selector.
const MaxSelected = 1000

// Check says what is wrong with a selector.
func (s Selector) Check() error {
	switch n := max(len(s.Relays), len(s.Users), len(s.Addresses)); {
	case n > MaxSelected:
		return fmt.Errorf("%w: %d relays, users or addresses: at most %d", ErrOptions, n, MaxSelected)
	case n == 0:
		return fmt.Errorf("%w: choose relays, users or addresses", ErrOptions)
	}
	return nil
}

// Chosen returns those of the relays that are chosen, in whole or for a peer.
func (s Selector) Chosen(relays []Relay) []Relay {
	return slices.DeleteFunc(slices.Clone(relays), func(r Relay) bool { return !s.whole(&r) && len(s.peers(&r)) == 0 })
}

// whole tells whether everything of a relay is chosen.
func (s Selector) whole(r *Relay) bool {
	return slices.Contains(s.Relays, r.ID) || slices.Contains(s.Users, r.User) ||
		slices.ContainsFunc(s.Addresses, func(a netip.AddrPort) bool {
			return fits(a, r.Client) || slices.ContainsFunc(slices.Concat(r.Relayed, r.Public), func(x netip.AddrPort) bool { return fits(a, x) })
		})
}

// peers returns the chosen addresses that are peers of a relay.
func (s Selector) peers(r *Relay) []netip.AddrPort {
	return slices.DeleteFunc(slices.Clone(s.Addresses), func(a netip.AddrPort) bool {
		return !slices.Contains(r.Permissions, a.Addr()) &&
			!slices.ContainsFunc(r.Channels, func(c Channel) bool { return fits(a, c.Peer) })
	})
}

// fits tells whether an address is the one that was asked for.
func fits(asked, a netip.AddrPort) bool {
	return a.IsValid() && asked.Addr() == a.Addr() && (asked.Port() == 0 || asked.Port() == a.Port())
}

// owner says whose the packets of a key are.
type owner struct {
	relay     uint64
	direction relay.Direction
}

// key is what packets are chosen by: an entry of the program's table.
type key struct {
	scope         bpf.CaptureScope
	local, remote netip.AddrPort
	channel       uint16
}

// maxKeys is max_entries of chosen in bpf/capture.bpf.c.
const maxKeys = 16384

// errTooMany says that a selector chooses more than the kernel's table holds.
var errTooMany = errors.New("the relays chosen have too many addresses and channels: choose fewer")

// keys returns the keys of the packets that a selector chooses.
func (s Selector) keys(relays []Relay) (map[key]owner, error) {
	keys := map[key]owner{}
	whole := map[netip.AddrPort]uint64{} // by relayed address
	chosen := map[uint64]bool{}
	for i := range relays {
		if r := &relays[i]; s.whole(r) {
			addWhole(keys, r)
			chosen[r.ID] = true
			for _, a := range slices.Concat(r.Relayed, r.Public) {
				whole[a] = r.ID
			}
		}
	}
	for i := range relays {
		if r := &relays[i]; !chosen[r.ID] {
			for _, peer := range s.peers(r) {
				addPeer(keys, r, peer)
			}
			addJoined(keys, r, whole)
		}
	}
	if len(keys) > maxKeys {
		return nil, errTooMany
	}
	return keys, nil
}

// addWhole adds everything of a relay: requests and strangers, too.
func addWhole(keys map[key]owner, r *Relay) {
	if r.Client.IsValid() {
		keys[key{scope: bpf.CaptureScopeSCOPE_REMOTE, local: r.Server, remote: r.Client}] = owner{r.ID, relay.Up}
	}
	for _, a := range r.Relayed {
		keys[key{scope: bpf.CaptureScopeSCOPE_PORT, local: a}] = owner{r.ID, relay.Down}
	}
}

// addPeer adds what a relay sends to one peer by a channel, and what comes from it.
func addPeer(keys map[key]owner, r *Relay, peer netip.AddrPort) {
	for _, a := range r.Relayed {
		if a.Addr().Is4() != peer.Addr().Is4() {
			continue
		}
		scope := bpf.CaptureScopeSCOPE_REMOTE
		if peer.Port() == 0 {
			scope = bpf.CaptureScopeSCOPE_ADDRESS
		}
		keys[key{scope: scope, local: a, remote: peer}] = owner{r.ID, relay.Down}
	}
	for _, c := range r.Channels {
		if r.Client.IsValid() && fits(peer, c.Peer) {
			addChannel(keys, r, c, owner{r.ID, relay.Up})
		}
	}
}

// addJoined adds what another relay of this node sends to a chosen one: the two are
// joined in the kernel, and such packets never reach the relayed address.
func addJoined(keys map[key]owner, r *Relay, whole map[netip.AddrPort]uint64) {
	for _, c := range r.Channels {
		if id, ok := whole[c.Peer]; ok && r.Client.IsValid() {
			addChannel(keys, r, c, owner{id, relay.Down})
		}
	}
}

func addChannel(keys map[key]owner, r *Relay, c Channel, o owner) {
	k := key{scope: bpf.CaptureScopeSCOPE_CHANNEL, local: r.Server, remote: r.Client, channel: c.Number}
	if _, taken := keys[k]; !taken {
		keys[k] = o
	}
}
