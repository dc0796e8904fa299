package peers

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

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
}

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
	if err := s.start(l.Node, binary, "serve", "-c", config); err != nil {
		return nil, s.failed(err)
	}
	s.cleanup = append(s.cleanup, func() error { return command(context.Background(), l, binary, "--state", state, "cleanup") })
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if err := command(ctx, l, binary, "--state", state, "status", "--wait"); err != nil {
		return nil, s.failed(err)
	}
	return s, nil
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
	return fmt.Sprintf(`system: {name: %s, role: E, platform: %s, state: %s}
interfaces: %s
turn: {mode: on, port: %d, multiplexing: on, realm: %s, users: [{name: %s, password: %s}]%s}
dataplane: {mode: %s}
`, l.Name, platform, state, interfaces, Port, Realm, User, Password, limits, o.Mode)
}
