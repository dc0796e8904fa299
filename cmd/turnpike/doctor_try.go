package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"

	"turnpike.dev/turnpike/cmd/turnpike/tryout"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/doctor"
)

// What doctor sends through a relay, and how long it may take.
const (
	tryPackets  = 20
	tryInterval = 5 * time.Millisecond
	tryTime     = 15 * time.Second
)

// tryRelay makes a relay through the running node as a client would, tells what address it
// was told, and has packets go there and back between two of them.
func tryRelay(ctx context.Context, n *config.Node, st api.Status) doctor.Told {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	var t doctor.Told
	err := errors.New("nobody may use TURN: add turn.users or turn.secrets and reload")
	if near, far, ok := someUsers(n); ok {
		if t.Server, err = requestPort(st); err == nil {
			err = talk(ctx, &t, mayFace(n, st), near, far)
		}
	}
	if err != nil {
		t.Err = err.Error()
	}
	return t
}

// talk fills in what a client was told, and what came back.
func talk(ctx context.Context, t *doctor.Told, both bool, near, far tryout.Credentials) (err error) {
	open := func() (net.PacketConn, error) { return tryout.Listen(netip.AddrPortFrom(t.Server.Addr(), 0)) }
	if !both {
		return allocate(t, open, near)
	}
	s, closeBoth, err := tryout.Facing(open, t.Server, near, far)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeBoth()) }()
	if t.Relay, err = netip.ParseAddrPort(s.Relay()); err != nil {
		return fmt.Errorf("read the relayed address: %w", err)
	}
	if err := s.Bind(ctx); err != nil {
		return err
	}
	result, err := s.Talk(ctx, tryPackets, tryInterval)
	t.Sent, t.Received = result.Sent, result.Received
	return err
}

// allocate only makes a relay.
func allocate(t *doctor.Told, open func() (net.PacketConn, error), c tryout.Credentials) error {
	conn, err := open()
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	s, err := tryout.Open(conn, t.Server, t.Server, c)
	if err != nil {
		return err
	}
	t.Relay, err = netip.ParseAddrPort(s.Relay())
	return errors.Join(err, s.Close())
}

// mayFace reports whether two relays may be each other's peers: neither the quota nor
// the deny list forbids it.
func mayFace(n *config.Node, st api.Status) bool {
	if n.TURN.QuotaPerUser == 1 && len(n.TURN.Users) == 1 && len(n.TURN.Secrets) == 0 {
		return false
	}
	return !slices.ContainsFunc(n.TURN.DenyList(), func(p netip.Prefix) bool {
		return slices.ContainsFunc(st.TURN.Relay, func(r api.RelayAddress) bool {
			a, err := netip.ParseAddr(r.Public)
			return err == nil && p.Contains(a)
		})
	})
}

// someUsers returns two users, who may be the same one.
func someUsers(n *config.Node) (near, far tryout.Credentials, ok bool) {
	users := n.TURN.Users
	switch {
	case len(users) > 0:
		of := func(u config.User) tryout.Credentials {
			return tryout.Credentials{User: u.Name, Password: string(u.Password), Realm: n.TURN.Realm}
		}
		return of(users[0]), of(users[len(users)-1]), true
	case len(n.TURN.Secrets) > 0:
		// The REST convention makes each name a user of its own.
		name, password, err := turn.GenerateLongTermTURNRESTCredentials(string(n.TURN.Secrets[0]), "doctor", time.Minute)
		c := tryout.Credentials{User: name, Password: password, Realm: n.TURN.Realm}
		return c, c, err == nil
	}
	return near, far, false
}

// requestPort returns a UDP port that the node takes requests at, on the relays' own side
// if there is one.
func requestPort(st api.Status) (netip.AddrPort, error) {
	var first netip.AddrPort
	for _, l := range st.TURN.Listen {
		text, udp := strings.CutPrefix(l, "udp ")
		at, err := netip.ParseAddrPort(text)
		if !udp || err != nil {
			continue
		}
		if !first.IsValid() {
			first = at
		}
		if slices.ContainsFunc(st.TURN.Relay, func(r api.RelayAddress) bool { return r.Local == at.Addr().String() }) {
			return at, nil
		}
	}
	if !first.IsValid() {
		return first, errors.New("the node takes no requests over UDP")
	}
	return first, nil
}

// askOutside asks a STUN server which address the packets of the relay interface come
// from (RFC 8489).
func askOutside(ctx context.Context, server string, n *config.Node) doctor.Outside {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	o := doctor.Outside{Server: server}
	mapped, err := mappedBy(ctx, server, n)
	if err != nil {
		o.Err = err.Error()
	}
	o.Mapped = mapped
	return o
}

func mappedBy(ctx context.Context, server string, n *config.Node) (netip.Addr, error) {
	all, err := sides(ctx, n.Interfaces)
	if err != nil {
		return netip.Addr{}, err
	}
	relays, err := relayAddrs(all, n.Interfaces)
	if err != nil || len(relays) == 0 {
		return netip.Addr{}, errors.Join(err, errors.New("the relay interface has no address"))
	}
	to, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		return netip.Addr{}, err
	}
	from := relays[0].Local
	for _, r := range relays {
		if r.Local.Is4() == to.AddrPort().Addr().Unmap().Is4() {
			from = r.Local
		}
	}
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), to)
	if err != nil {
		return netip.Addr{}, err
	}
	return askMapped(ctx, conn)
}

// askMapped makes one Binding transaction.
func askMapped(ctx context.Context, conn net.Conn) (mapped netip.Addr, err error) {
	c, err := stun.NewClient(conn)
	if err != nil {
		return mapped, errors.Join(err, conn.Close())
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	answer := make(chan stun.Event, 1)
	if err := c.Start(stun.MustBuild(stun.TransactionID, stun.BindingRequest), func(e stun.Event) { answer <- e }); err != nil {
		return mapped, err
	}
	select {
	case <-ctx.Done():
		return mapped, errors.New("no answer")
	case e := <-answer:
		if e.Error != nil {
			return mapped, fmt.Errorf("no answer: %w", e.Error)
		}
		var x stun.XORMappedAddress
		if err := x.GetFrom(e.Message); err != nil {
			return mapped, err
		}
		mapped, _ = netip.AddrFromSlice(x.IP)
		return mapped.Unmap(), nil
	}
}
