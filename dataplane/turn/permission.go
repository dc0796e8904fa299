package turn

import (
	"errors"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// createPermission follows RFC 8656 section 10.2: all peers get a permission, or none.
func (s *Server) createPermission(r *request, a *allocation) stun.ErrorCode {
	var peers []netip.Addr
	for _, attr := range r.msg.Attributes {
		if attr.Type != stun.AttrXORPeerAddress {
			continue
		}
		peer, valid := xorAddress(attr.Value, r.msg.TransactionID)
		if !valid {
			return stun.CodeBadRequest
		}
		local, code := s.checkPeer(a, peer, r.now, s.mayPermit)
		if code != success {
			return code
		}
		if len(peers) == int(families)*s.cfg.MaxPermissions {
			return stun.CodeInsufficientCapacity
		}
		peers = append(peers, local.Addr())
	}
	if len(peers) == 0 {
		return stun.CodeBadRequest
	}
	if !s.roomForPermissions(a, peers, r.now) {
		return stun.CodeInsufficientCapacity
	}
	var err error
	for _, peer := range peers {
		err = errors.Join(err, s.permit(a, a.relayTo(peer, r.now), peer, r.now))
	}
	s.settle(a, "", r.now)
	if err != nil {
		s.warn("TURN permission failed", append(a.fields(), "Detail", err.Error())...)
		return stun.CodeInsufficientCapacity
	}
	return success
}

// checkPeer returns the peer as it is relayed to, or why it cannot be. A refusal
// comes before a family mismatch: nobody learns more of a refused address.
func (s *Server) checkPeer(a *allocation, peer netip.AddrPort, now time.Time,
	may func(netip.AddrPort) bool,
) (netip.AddrPort, stun.ErrorCode) {
	peer = s.local(peer)
	if !may(peer) {
		return peer, stun.CodeForbidden
	}
	if a.relayTo(peer.Addr(), now) == nil {
		return peer, stun.CodePeerAddrFamilyMismatch
	}
	return peer, success
}

// roomForPermissions reports whether the peers fit into the allocation.
func (s *Server) roomForPermissions(a *allocation, peers []netip.Addr, now time.Time) bool {
	var added [families]map[netip.Addr]bool
	for _, peer := range peers {
		if x := a.relayTo(peer, now); x.permission(peer) == nil {
			f := familyOf(peer)
			if added[f] == nil {
				added[f] = make(map[netip.Addr]bool)
			}
			added[f][peer] = true
		}
	}
	for f, x := range a.relays {
		if x != nil && len(x.permissions)+len(added[f]) > s.cfg.MaxPermissions {
			return false
		}
	}
	return true
}

// permit installs or refreshes a permission, and what depends on it.
func (s *Server) permit(a *allocation, x *relayed, peer netip.Addr, now time.Time) error {
	end := now.Add(permissionLifetime)
	if err := s.gate.Permit(x.local, peer, end); err != nil {
		return err
	}
	if p := x.permission(peer); p != nil {
		p.expires = end
	} else {
		x.permissions = append(x.permissions, permission{peer: peer, expires: end})
	}
	for i := range x.channels {
		if x.channels[i].peer.Addr() == peer {
			s.syncPair(a, x, &x.channels[i], now)
		}
	}
	return nil
}

// forbid ends the permission at index i and what depends on it.
func (s *Server) forbid(a *allocation, x *relayed, i int, now time.Time) {
	peer := x.permissions[i].peer
	x.permissions = append(x.permissions[:i], x.permissions[i+1:]...)
	for i := range x.channels {
		if x.channels[i].peer.Addr() == peer {
			s.syncPair(a, x, &x.channels[i], now)
		}
	}
	s.failed(s.gate.Revoke(x.local, peer), "revoke permission", x.local)
}
