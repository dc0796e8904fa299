package flood

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/perf/gen"
)

// signers is how many ports the signed requests of one source come from: a nonce is one
// port's.
const signers = 32

// wrongPassword is Allocate requests that are right but for the password.
func wrongPassword(t Target) ([]gen.Raw, error) { return t.signedAllocates("wrong" + t.Password) }

// repeated is Allocate requests that were granted once, sent again and again: each has to
// be answered as the first was.
func repeated(t Target) ([]gen.Raw, error) { return t.signedAllocates(t.Password) }

func (t Target) signedAllocates(password string) ([]gen.Raw, error) {
	return many(signers, func(i int) (gen.Raw, error) {
		from := netip.AddrPortFrom(t.Attackers[1], uint16(20000+i))
		realm, nonce, err := t.challenge(from)
		if err != nil {
			return gen.Raw{}, fmt.Errorf("get a nonce from %s: %w", t.Server, err)
		}
		m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest))
		m.Add(stun.AttrRequestedTransport, []byte{17, 0, 0, 0})
		m.Add(stun.AttrUsername, []byte(t.User))
		m.Add(stun.AttrRealm, realm)
		m.Add(stun.AttrNonce, nonce)
		if err := stun.NewLongTermIntegrity(t.User, string(realm), password).AddTo(m); err != nil {
			return gen.Raw{}, err
		}
		return t.fromClients().udp(from, t.Server, m.Raw)
	})
}

// challenge asks the server for realm and nonce.
func (t Target) challenge(from netip.AddrPort) (realm, nonce []byte, err error) {
	if t.Alone {
		return []byte("test"), make([]byte, 40), nil
	}
	var conn *net.UDPConn
	err = t.Lab.Client.Do(func() (err error) {
		conn, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(from), net.UDPAddrFromAddrPort(t.Server))
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close() //nolint:errcheck // nothing is lost
	m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest))
	m.Add(stun.AttrRequestedTransport, []byte{17, 0, 0, 0})
	answer := &stun.Message{Raw: make([]byte, 1500)}
	for range 5 {
		if _, err = conn.Write(m.Raw); err != nil {
			return nil, nil, err
		}
		_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err = answer.ReadFrom(conn); err == nil {
			break
		}
	}
	if err != nil {
		return nil, nil, err
	}
	if realm, err = answer.Get(stun.AttrRealm); err != nil {
		return nil, nil, err
	}
	nonce, err = answer.Get(stun.AttrNonce)
	return realm, nonce, err
}
