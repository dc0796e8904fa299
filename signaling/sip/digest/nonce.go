package digest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"net/netip"
	"sync"
	"time"
)

const (
	nonceSkew  = time.Minute // a clock that was set back must not refuse everyone
	nonceMAC   = 16          // bytes
	nonceHead  = 4 + 8       // time of issue, and what makes two of the same second differ
	nonceBytes = nonceHead + nonceMAC
)

// nonces makes nonces that need no memory: the time of issue and a code over it and the
// client's address, so that a nonce is worth nothing elsewhere. As the key outlives the
// process, a restart makes none of them stale.
type nonces struct {
	lifetime time.Duration
	macs     sync.Pool
}

func newNonces(key []byte, lifetime time.Duration) *nonces {
	return &nonces{lifetime: lifetime, macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

func (n *nonces) issue(client netip.Addr, now time.Time) string {
	var raw [nonceBytes]byte
	binary.BigEndian.PutUint32(raw[:4], uint32(now.Unix()))
	_, _ = rand.Read(raw[4:nonceHead]) // never fails
	n.mac(raw[nonceHead:], raw[:nonceHead], client)
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// stamp is what is known of a nonce: the second of its issue, and what tells it from the
// others of that second.
type stamp struct {
	at uint32
	id uint64
}

// read tells whether the node made the nonce for this client, and it is still good.
func (n *nonces) read(nonce string, client netip.Addr, now time.Time) (stamp, bool) {
	var raw [nonceBytes + 2]byte
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceBytes) {
		return stamp{}, false
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(nonce)); err != nil {
		return stamp{}, false
	}
	var mac [nonceMAC]byte
	n.mac(mac[:], raw[:nonceHead], client)
	if !hmac.Equal(mac[:], raw[nonceHead:nonceBytes]) {
		return stamp{}, false
	}
	s := stamp{binary.BigEndian.Uint32(raw[:4]), binary.BigEndian.Uint64(raw[4:nonceHead])}
	age := now.Sub(time.Unix(int64(s.at), 0))
	return s, age > -nonceSkew && age < n.lifetime
}

// network is what stays of a client's address from request to request: of IPv6 the /64,
// within which its own host may change it (RFC 8981).
func network(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is4() || !a.IsValid() {
		return a
	}
	p, _ := a.Prefix(64) // cannot fail: 64 fits IPv6
	return p.Addr()
}

func (n *nonces) mac(dst, head []byte, client netip.Addr) {
	h := n.macs.Get().(hash.Hash)
	defer n.macs.Put(h)
	h.Reset()
	h.Write(head)
	ip := network(client).As16()
	h.Write(ip[:])
	var sum [sha256.Size]byte
	copy(dst, h.Sum(sum[:0])[:nonceMAC])
}
