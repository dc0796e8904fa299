package turn

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"net/netip"
	"sync"
	"time"
)

const (
	nonceLifetime = time.Hour
	nonceSkew     = time.Minute // a clock that was set back must not refuse everyone
	nonceMAC      = 16          // bytes
	nonceBytes    = 4 + nonceMAC
)

// nonces makes nonces that need no memory: the time of issue and a MAC over it and
// the client's address, so that a nonce is worth nothing to another client. As the
// key outlives the process, a restart makes none of them stale.
type nonces struct{ macs sync.Pool }

func newNonces(key []byte) *nonces {
	return &nonces{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// issue returns a nonce for the client, in hex.
func (n *nonces) issue(client netip.AddrPort, now time.Time) []byte {
	var raw [nonceBytes]byte
	binary.BigEndian.PutUint32(raw[:4], uint32(now.Unix()))
	copy(raw[4:], n.mac(raw[:4], client))
	return hex.AppendEncode(make([]byte, 0, 2*nonceBytes), raw[:])
}

// valid reports whether the nonce was issued to this client within the lifetime.
func (n *nonces) valid(nonce []byte, client netip.AddrPort, now time.Time) bool {
	if len(nonce) != 2*nonceBytes {
		return false
	}
	var raw [nonceBytes]byte
	if _, err := hex.Decode(raw[:], nonce); err != nil {
		return false
	}
	if !hmac.Equal(raw[4:], n.mac(raw[:4], client)) {
		return false
	}
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint32(raw[:4])), 0))
	return age > -nonceSkew && age < nonceLifetime
}

func (n *nonces) mac(issued []byte, client netip.AddrPort) []byte {
	h := n.macs.Get().(hash.Hash)
	defer n.macs.Put(h)
	h.Reset()
	ip := client.Addr().As16()
	h.Write(issued)
	h.Write(ip[:])
	h.Write(binary.BigEndian.AppendUint16(nil, client.Port()))
	return h.Sum(nil)[:nonceMAC]
}
