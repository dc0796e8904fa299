package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/pion/stun/v3"
)

// maxRefused is how often one request may be answered by 401 or 438: once for the
// first nonce and once for a new one.
const maxRefused = 2

// errNotMine is returned for what is no answer to the session's request.
var errNotMine = errors.New("not the answer")

// codec writes the requests and reads the answers. It keeps the message and the key
// from one to the next: all clients are one user.
type codec struct {
	user, password string
	out, in        stun.Message
	realm          []byte // that key is for
	key            stun.MessageIntegrity
}

func newCodec(user, password string) *codec { return &codec{user: user, password: password} }

// request returns the session's current request; it is valid until the next.
func (c *codec) request(s *session) ([]byte, error) {
	e, m := s.script[s.pos], &c.out
	m.Reset()
	m.Type = stun.NewType(e.method, stun.ClassRequest)
	m.TransactionID = s.id
	m.WriteHeader()
	if err := c.body(m, s, e); err != nil {
		return nil, err
	}
	if s.nonce != nil {
		m.Add(stun.AttrUsername, []byte(c.user))
		m.Add(stun.AttrRealm, s.realm)
		m.Add(stun.AttrNonce, s.nonce)
		if err := c.keyFor(s.realm).AddTo(m); err != nil {
			return nil, err
		}
	}
	return m.Raw, nil
}

func (c *codec) body(m *stun.Message, s *session, e exchange) error {
	switch e.method {
	case stun.MethodAllocate:
		m.Add(stun.AttrRequestedTransport, []byte{17, 0, 0, 0})
		m.Add(stun.AttrLifetime, binary.BigEndian.AppendUint32(nil, e.lifetime))
		if s.peers[0].Addr().Is6() {
			m.Add(stun.AttrRequestedAddressFamily, []byte{2, 0, 0, 0})
		}
	case stun.MethodRefresh:
		m.Add(stun.AttrLifetime, binary.BigEndian.AppendUint32(nil, e.lifetime))
	case stun.MethodCreatePermission:
		for i, p := range s.peers {
			if i > 0 && p.Addr() == s.peers[i-1].Addr() {
				continue
			}
			if err := addPeer(m, p); err != nil {
				return err
			}
		}
	case stun.MethodChannelBind:
		m.Add(stun.AttrChannelNumber, binary.BigEndian.AppendUint32(nil, (FirstChannel+uint32(e.peer))<<16))
		return addPeer(m, s.peers[e.peer])
	}
	return nil
}

func addPeer(m *stun.Message, p netip.AddrPort) error {
	return stun.XORMappedAddress{IP: net.IP(p.Addr().AsSlice()), Port: int(p.Port())}.AddToAs(m, stun.AttrXORPeerAddress)
}

func (c *codec) keyFor(realm []byte) stun.MessageIntegrity {
	if !bytes.Equal(c.realm, realm) {
		c.realm = bytes.Clone(realm)
		c.key = stun.NewLongTermIntegrity(c.user, string(realm), c.password)
	}
	return c.key
}

// answer takes a datagram into the session: it goes to the next request, repeats
// this one with the server's nonce, or fails.
func (c *codec) answer(s *session, datagram []byte) error {
	if !stun.IsMessage(datagram) {
		return errNotMine
	}
	m := &c.in
	if _, err := m.Write(datagram); err != nil || m.TransactionID != s.id || s.done() {
		return errNotMine
	}
	switch m.Type.Class {
	case stun.ClassSuccessResponse:
		return s.success(m)
	case stun.ClassErrorResponse:
		return s.refusal(m)
	default:
		return errNotMine
	}
}

func (s *session) success(m *stun.Message) error {
	e := s.script[s.pos]
	switch {
	case e.method == stun.MethodAllocate:
		var a stun.XORMappedAddress
		if err := a.GetFromAs(m, stun.AttrXORRelayedAddress); err != nil {
			return fmt.Errorf("allocate answer: %w", err)
		}
		ip, _ := netip.AddrFromSlice(a.IP)
		s.relayed = netip.AddrPortFrom(ip.Unmap(), uint16(a.Port))
	case e.method == stun.MethodRefresh && e.lifetime == 0:
		s.relayed = netip.AddrPort{}
	}
	s.pos++
	s.refused = 0
	return nil
}

func (s *session) refusal(m *stun.Message) error {
	method := s.script[s.pos].method
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(m); err != nil {
		return fmt.Errorf("%s refused without a code: %w", method, err)
	}
	s.refused++
	if s.refused > maxRefused || code.Code != stun.CodeUnauthorized && code.Code != stun.CodeStaleNonce {
		return fmt.Errorf("%s refused: %d %s", method, code.Code, code.Reason)
	}
	s.challenged++
	var err error
	if s.nonce, err = bytesOf(m, stun.AttrNonce); err != nil {
		return fmt.Errorf("%s: %d without nonce: %w", method, code.Code, err)
	}
	if realm, err := bytesOf(m, stun.AttrRealm); err == nil {
		s.realm = realm
	}
	return nil
}

func bytesOf(m *stun.Message, t stun.AttrType) ([]byte, error) {
	v, err := m.Get(t)
	return bytes.Clone(v), err
}
