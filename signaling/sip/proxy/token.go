package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// signer writes what only this node can have written: where a dialog goes on, and marks of requests that passed.
type signer struct{ key []byte }

func newSigner(key []byte) signer {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("proxy")) // the key has other uses
	return signer{h.Sum(nil)}
}

const macSize = 10

func (s signer) sum(what byte, data []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte{what})
	h.Write(data)
	return h.Sum(nil)[:macSize]
}

// route is our URI in a Record-Route: the user part says where requests that are sent to it go on.
func (s signer) route(h transport.Hop, at netip.AddrPort) message.Address {
	uri := message.URI{Scheme: "sip", User: s.token(h), Host: at.Addr().String(), Port: at.Port(), Params: message.Params{{Name: "lr"}}}
	if h.Transport != loop.UDP {
		uri.Params = uri.Params.With("transport", h.Transport.String())
	}
	return message.Address{URI: uri}
}

// text writes tokens: one spelling for each.
var text = base64.RawURLEncoding.Strict()

// Flags of a token.
const (
	flagOnly = 1
	flagKey  = 2 // a key follows the addresses
)

// token is a hop and a code over it: transport, flags, remote port, remote and local address, a peer's key, verified name.
func (s signer) token(h transport.Hop) string {
	b := make([]byte, 0, 128)
	b = append(b, byte(h.Transport), 0)
	if h.Only {
		b[1] |= flagOnly
	}
	peer := h.Key != [sha256.Size]byte{}
	if peer {
		b[1] |= flagKey
	}
	b = binary.BigEndian.AppendUint16(b, h.Remote.Port())
	remote, local := h.Remote.Addr().As16(), [16]byte{}
	if h.Local.IsValid() {
		local = h.Local.As16()
	}
	b = append(append(b, remote[:]...), local[:]...)
	if peer {
		b = append(b, h.Key[:]...)
	}
	b = append(b, h.Name...)
	return text.EncodeToString(append(b, s.sum('t', b)...))
}

// fixed is the length of a token's hop without key and name.
const fixed = 4 + 16 + 16

// hop reads a token; false: it is not ours.
func (s signer) hop(token string) (h transport.Hop, ours bool) {
	b, err := text.DecodeString(token)
	if err != nil || len(b) < fixed+macSize {
		return h, false
	}
	b, mac := b[:len(b)-macSize], b[len(b)-macSize:]
	if !hmac.Equal(mac, s.sum('t', b)) {
		return h, false
	}
	rest := b[fixed:]
	if b[1]&flagKey != 0 {
		if len(rest) < sha256.Size {
			return h, false
		}
		h.Key, rest = [sha256.Size]byte(rest), rest[sha256.Size:]
	}
	h.Transport, h.Only, h.Name = loop.Transport(b[0]), b[1]&flagOnly != 0, string(rest)
	h.Remote = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[4:20])).Unmap(), binary.BigEndian.Uint16(b[2:]))
	if local := netip.AddrFrom16([16]byte(b[20:36])); !local.IsUnspecified() {
		h.Local = local.Unmap()
	}
	return h, true
}

// follow takes our routes off a request; the last one says where it goes (RFC 3261 section 16.4). A request that a strict
// router sent has ours as its Request-URI, and its own as the last route.
func (s signer) follow(m *message.Message) (h transport.Hop, ours bool) {
	routes := m.Routes()
	if _, strict := s.hop(m.URI().User); strict && len(routes) > 0 {
		first := message.Address{URI: m.URI()}
		m.SetURI(routes[len(routes)-1].URI)
		routes = append([]message.Address{first}, routes[:len(routes)-1]...)
	}
	for len(routes) > 0 {
		next, signed := s.hop(routes[0].URI.User)
		if !signed {
			break
		}
		h, ours, routes = next, true, routes[1:]
	}
	m.SetRoutes(routes...)
	return h, ours
}

// markName is the parameter of our Via that knows a request again.
const markName = "tp-mark"

// mark is what a request has in common with itself when it comes round a loop, and a spiral has not (RFC 5393 section
// 4.2.1): everything that decides where it goes.
func (s signer) mark(m *message.Message) message.Param {
	seq, method := m.CSeq()
	var b []byte
	for _, part := range []string{
		m.URI().String(), m.To().Tag(), m.From().Tag(), m.CallID(), strconv.FormatUint(uint64(seq), 10), string(method),
		m.Get("Proxy-Require"), m.Get("Proxy-Authorization"),
	} {
		b = append(append(b, part...), 0)
	}
	return message.Param{Name: markName, Value: text.EncodeToString(s.sum('m', b))}
}

// looped reports whether a request was here before, and nothing of it has changed since.
func (s signer) looped(m *message.Message) bool {
	if m.Vias() < 2 {
		return false
	}
	mark := s.mark(m).Value
	for _, value := range m.All("Via") {
		via, err := message.ParseVia(value)
		if err != nil {
			continue
		}
		if had, there := via.Params.Get(markName); there && hmac.Equal([]byte(had), []byte(mark)) {
			return true
		}
	}
	return false
}

func isFlow(err error) bool    { return errors.Is(err, transport.ErrFlow) }
func isTimeout(err error) bool { return errors.Is(err, transaction.ErrTimeout) }
