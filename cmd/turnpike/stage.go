package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/cmd/turnpike/tryout"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/perf/lab"
)

// stage is a node to play with: in a small network of namespaces where the process
// may make one, else on loopback.
type stage struct {
	lab    *lab.Lab // nil: loopback
	whyNot string   // there is no lab
	state  string
	self   string // this program

	more string // sections of the node file besides the usual

	server netip.AddrPort // of TURN
	peer   netip.Addr
	api    *api.Client

	child   *exec.Cmd
	ended   chan struct{} // closed when the child has ended
	echoes  []net.PacketConn
	running sync.WaitGroup
}

// tryUser is who may use the node of dev and demo.
const tryUser, tryPassword, tryRealm = "dev", "dev", "turnpike"

// echoPort is where the peer sends everything back.
const echoPort = 3480

// newStage makes the network, starts a node in it and an echo at the peer, and
// returns when the node is ready. Close it.
func newStage(ctx context.Context, state string) (*stage, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return newStageOf(ctx, self, state)
}

// newStageOf is newStage with another program as the node.
func newStageOf(ctx context.Context, self, state string) (*stage, error) {
	// What a run left that was killed goes first; a node that is alive stays.
	if err := removeState(state); err != nil {
		return nil, err
	}
	s := &stage{state: state, self: self, api: api.NewClient(state)}
	return s.begin(ctx)
}

func (s *stage) begin(ctx context.Context) (*stage, error) {
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stage) build(ctx context.Context) error {
	sum := sha256.Sum256([]byte(s.state))
	l, err := lab.New(lab.Options{Name: "turnpike-" + hex.EncodeToString(sum[:3]), Clients: 2, Peers: 2})
	if err != nil {
		s.whyNot = err.Error()
		s.server, s.peer = netip.MustParseAddrPort("127.0.0.1:3478"), netip.MustParseAddr("127.0.0.1")
	} else {
		s.lab = l
		s.server, s.peer = netip.MustParseAddrPort("198.18.0.1:3478"), l.PeerAddrs.V4[0]
	}
	if err := s.startNode(ctx); err != nil {
		return err
	}
	return s.startEcho()
}

const labConfig = `system: {name: %s, role: E, platform: CE1200, state: %q}
interfaces: {internal: {name: s0}, external: {name: s1}}
turn: {mode: on, realm: %s, users: [{name: %s, password: %s}]}
`

const loopbackConfig = `system: {name: %s, role: E, platform: Small, state: %q}
interfaces: {external: {name: lo}}
turn: {mode: on, allow_loopback: on, realm: %s, users: [{name: %s, password: %s}]}
dataplane: {mode: userspace}
`

// nodeFile is where a stage keeps the file of its node.
func nodeFile(state string) string { return filepath.Join(state, "node.yaml") }

// startNode starts this program as the node and waits until it is ready.
func (s *stage) startNode(ctx context.Context) error {
	if err := os.MkdirAll(s.state, 0o750); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	text := labConfig
	if s.lab == nil {
		text = loopbackConfig
	}
	text = fmt.Sprintf(text, "dev", s.state, tryRealm, tryUser, tryPassword)
	text += s.more
	if err := os.WriteFile(nodeFile(s.state), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the node file: %w", err)
	}
	args := []string{"serve", "-c", nodeFile(s.state)}
	if s.lab != nil {
		s.child = s.lab.Node.Command(context.Background(), s.self, args...)
	} else {
		s.child = exec.Command(s.self, args...)
	}
	var said strings.Builder
	s.child.Stdout, s.child.Stderr = nil, &said
	// Ctrl-C reaches the whole group; the node must live until the stage ends it.
	s.child.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := s.child.Start(); err != nil {
		return fmt.Errorf("start the node: %w", err)
	}
	child, ended := s.child, make(chan struct{})
	s.ended = ended
	go func() {
		_ = child.Wait() // said tells why
		close(ended)
	}()
	return s.awaitReady(ctx, &said)
}

func (s *stage) awaitReady(ctx context.Context, said *strings.Builder) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("a minute is over"))
	defer cancel()
	ended := s.ended
	go func() {
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	_, err := s.api.WaitReady(ctx)
	select {
	case <-ended:
		return fmt.Errorf("the node ended at its start: %s", strings.TrimSpace(said.String()))
	default:
		return err
	}
}

// startEcho has the peer send back what it gets.
func (s *stage) startEcho() error {
	conn, err := s.listen(s.peerHost(), netip.AddrPortFrom(s.peer, echoPort))
	if err != nil {
		return fmt.Errorf("start the echo peer: %w", err)
	}
	s.echoes = append(s.echoes, conn)
	s.running.Go(func() { tryout.Echo(conn) })
	return nil
}

func (s *stage) peerHost() *lab.Host {
	if s.lab == nil {
		return nil
	}
	return s.lab.Peer
}

func (s *stage) clientHost() *lab.Host {
	if s.lab == nil {
		return nil
	}
	return s.lab.Client
}

// listen opens a UDP socket on a host of the lab, or here.
func (s *stage) listen(h *lab.Host, at netip.AddrPort) (conn net.PacketConn, err error) {
	open := func() error {
		conn, err = tryout.Listen(at)
		return err
	}
	if h == nil {
		return conn, open()
	}
	return conn, h.Do(open)
}

// open makes a relay as the client and binds a channel to the echo peer.
func (s *stage) open(ctx context.Context) (*tryout.Stream, error) {
	local := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if s.lab != nil {
		local = s.lab.ClientAddrs.V4[0]
	}
	conn, err := s.listen(s.clientHost(), netip.AddrPortFrom(local, 0))
	if err != nil {
		return nil, fmt.Errorf("open the client's socket: %w", err)
	}
	stream, err := tryout.Open(conn, s.server, netip.AddrPortFrom(s.peer, echoPort),
		tryout.Credentials{User: tryUser, Password: tryPassword, Realm: tryRealm})
	if err != nil {
		return nil, err
	}
	if err := stream.Bind(ctx); err != nil {
		return nil, errors.Join(err, stream.Close())
	}
	return stream, nil
}

// close ends the node and removes every trace of the stage.
func (s *stage) close() error {
	for _, c := range s.echoes {
		_ = c.Close()
	}
	s.running.Wait()
	if s.child != nil && s.child.Process != nil {
		_ = s.child.Process.Signal(unix.SIGTERM)
		select {
		case <-s.ended:
		case <-time.After(10 * time.Second):
			_ = s.child.Process.Kill()
			<-s.ended
		}
	}
	_ = os.Remove(nodeFile(s.state))
	err := removeState(s.state)
	if s.lab != nil {
		err = errors.Join(err, s.lab.Close())
	}
	return err
}
