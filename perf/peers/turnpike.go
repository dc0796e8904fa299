package peers

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
)

// Mode is Turnpike's back end as its configuration names it.
type Mode string

// Modes.
const (
	XDP       Mode = "xdp"
	Userspace Mode = "userspace"
)

// Options is what a node has besides its back end. The zero value is a CE1200.
type Options struct {
	Mode     Mode
	Relays   int // of platform custom, with as many ports from 24000 on; 0: a CE1200
	RateKbps int // of each flow; 0: no limit
	// Second adds SecondUser, who can be taken away, and Deny a prefix that is refused.
	Second bool
	Deny   string
	// SIP adds what Kamailio is measured for: see sip.go.
	SIP *SIPOptions
	// CPUs that the node is tied to, as taskset takes them; empty: any.
	CPUs string
}

// SecondUser has the same password as User.
const SecondUser = "v"

// Turnpike starts a node from a built binary and returns when it is ready.
func Turnpike(ctx context.Context, l *lab.Lab, binary string, mode Mode) (*Server, error) {
	return TurnpikeWith(ctx, l, binary, Options{Mode: mode})
}

// TurnpikeWith is Turnpike with more options.
func TurnpikeWith(ctx context.Context, l *lab.Lab, binary string, o Options) (*Server, error) {
	mode := o.Mode
	near, _ := nodeAddrs(l)
	s := &Server{Name: "turnpike-" + string(mode), Listen: []netip.AddrPort{netip.AddrPortFrom(near, Port)}}
	dir, err := os.MkdirTemp("", "bench-turnpike-")
	if err != nil {
		return nil, err
	}
	s.cleanup = append(s.cleanup, func() error { return os.RemoveAll(dir) })
	state := filepath.Join(dir, "state")
	config := filepath.Join(dir, "node.yaml")
	s.State, s.Config = state, config
	if err := os.WriteFile(config, []byte(nodeYAML(l, o, state)), 0o600); err != nil {
		return nil, s.failed(err)
	}
	s.cleanup = append(s.cleanup, func() error { return command(context.Background(), l, binary, "--state", state, "cleanup") })
	s.cpus = o.CPUs
	if err := s.serve(ctx, l, binary); err != nil {
		return nil, s.failed(err)
	}
	return s, nil
}

// serve starts the node's process and returns when it is ready.
func (s *Server) serve(ctx context.Context, l *lab.Lab, binary string) error {
	if err := s.startOn(l.Node, s.cpus, binary, "serve", "-c", s.Config); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	return command(ctx, l, binary, "--state", s.State, "status", "--wait")
}

// Restart ends a node's process by a signal, starts another, and returns when that is
// ready.
func (s *Server) Restart(ctx context.Context, l *lab.Lab, binary string, by unix.Signal) error {
	s.end(by)
	return s.serve(ctx, l, binary)
}

// Reload changes a node's options while it runs.
func (s *Server) Reload(ctx context.Context, l *lab.Lab, binary string, o Options) error {
	if err := os.WriteFile(s.Config, []byte(nodeYAML(l, o, s.State)), 0o600); err != nil {
		return err
	}
	return command(ctx, l, binary, "--state", s.State, "reload")
}

// Command runs Turnpike's client on the node.
func (s *Server) Command(ctx context.Context, l *lab.Lab, binary string, args ...string) error {
	return command(ctx, l, binary, append([]string{"--state", s.State}, args...)...)
}

// command runs Turnpike's client on the node.
func command(ctx context.Context, l *lab.Lab, binary string, args ...string) error {
	cmd := l.Node.Command(ctx, binary, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("turnpike %v: %w\n%s", args, err, out)
	}
	return nil
}

func nodeYAML(l *lab.Lab, o Options, state string) string {
	interfaces := "{internal: {name: s0}, external: {name: s1}}"
	if len(l.Node.Links) == 1 {
		interfaces = "{external: {name: s0}}"
	}
	platform, limits := "CE1200", ""
	if o.Relays > 0 {
		platform = "custom"
		limits = fmt.Sprintf(", max_relays: %d, media_ports: {start: %d, end: %d}", o.Relays, FirstRelayPort, (FirstRelayPort+o.Relays)|1)
	}
	if o.RateKbps > 0 {
		limits += fmt.Sprintf(", rate_kbps: %d", o.RateKbps)
	}
	users := fmt.Sprintf("{name: %s, password: %s}", User, Password)
	if o.Second {
		users += fmt.Sprintf(", {name: %s, password: %s}", SecondUser, Password)
	}
	if o.Deny != "" {
		limits += fmt.Sprintf(", deny: [%s]", o.Deny)
	}
	return fmt.Sprintf(`system: {name: %s, role: E, platform: %s, state: %s}
interfaces: %s
turn: {mode: on, port: %d, multiplexing: on, realm: %s, users: [%s]%s}
dataplane: {mode: %s}
%s`, l.Name, platform, state, interfaces, Port, Realm, users, limits, o.Mode, o.SIP.yaml(l))
}
