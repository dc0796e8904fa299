package peers

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/pion/turn/v4"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
)

// PionCommand is the argument on which a program should call ServePion.
const PionCommand = "serve-pion"

// pionSockets is how many sockets share the listening port: pion reads each with
// one goroutine.
const pionSockets = 2

// Pion starts pion's own server: the program that runs, once more, with PionCommand.
func Pion(ctx context.Context, l *lab.Lab) (*Server, error) {
	near, far := nodeAddrs(l)
	s := &Server{Name: "pion", Listen: []netip.AddrPort{netip.AddrPortFrom(near, Port)}}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := s.start(l.Node, self, PionCommand, s.Listen[0].String(), far.String()); err != nil {
		return nil, s.failed(err)
	}
	if err := s.answering(ctx, l.Client, s.Listen[0]); err != nil {
		return nil, s.failed(err)
	}
	return s, nil
}

// ServePion serves TURN by pion alone until ctx ends. Its arguments are the address
// to listen on and that of the relays.
func ServePion(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: %s LISTEN RELAY", PionCommand)
	}
	key := turn.GenerateAuthKey(User, Realm, Password)
	relays := &turn.RelayAddressGeneratorStatic{RelayAddress: net.ParseIP(args[1]), Address: args[1]}
	cfg := turn.ServerConfig{
		Realm: Realm,
		AuthHandler: func(user, _ string, _ net.Addr) ([]byte, bool) {
			return key, user == User
		},
	}
	for range pionSockets {
		conn, err := reusePort.ListenPacket(ctx, "udp", args[0])
		if err != nil {
			return err
		}
		cfg.PacketConnConfigs = append(cfg.PacketConnConfigs, turn.PacketConnConfig{PacketConn: conn, RelayAddressGenerator: relays})
	}
	server, err := turn.NewServer(cfg)
	if err != nil {
		return err
	}
	<-ctx.Done()
	return server.Close()
}

// reusePort lets several sockets have one address.
var reusePort = net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); e != nil {
		return e
	}
	return err
}}
