package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/cmd/turnpike/tryout"
	"turnpike.dev/turnpike/control/api"
)

func devCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "dev",
		Short: "Try it: a node in a small network of its own, with a relay through it",
		Long: `Try it: as root, make three network namespaces (client, node, peer), run a node in
the middle one and carry a relay through it on XDP. Otherwise run the node on
loopback, where the process relays. It stays until Ctrl-C, says how to try more,
and leaves nothing behind.`,
		Example: `  sudo turnpike dev
  turnpike dev                       # on loopback
  sudo turnpike dev --state /run/x   # a second one`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			state := a.state
			if !cmd.Flags().Changed("state") {
				state = tryState("dev")
			}
			err := dev(cmd.Context(), state, a.stdout)
			if cmd.Context().Err() != nil && !errors.Is(err, errCleanup) {
				return nil // Ctrl-C is how it ends, however far it was
			}
			return err
		},
	}
}

// tryState is the state directory of dev and demo.
func tryState(what string) string {
	if os.Geteuid() == 0 {
		return "/run/turnpike-" + what
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("turnpike-%s-%d", what, os.Geteuid()))
}

// errCleanup says that something is left behind.
var errCleanup = errors.New("not everything could be removed")

func dev(ctx context.Context, state string, out io.Writer) (err error) {
	s, err := newStage(ctx, state)
	if err != nil {
		return err
	}
	defer func() {
		if left := s.close(); left != nil {
			err = errors.Join(err, errCleanup, left)
		}
	}()
	stream, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	result, err := stream.Talk(ctx, 500, time.Millisecond)
	if err != nil {
		return err
	}
	relays, err := s.api.Relays(ctx)
	if err != nil {
		return err
	}
	if err := s.tell(out, stream, result, relays); err != nil {
		return err
	}
	return keepTalking(ctx, s, stream)
}

// keepTalking carries a call's worth of packets until ctx ends, so that there is
// something to watch.
func keepTalking(ctx context.Context, s *stage, stream *tryout.Stream) error {
	for ctx.Err() == nil {
		select {
		case <-s.ended:
			return errors.New("the node has ended: see what else is running, and start again")
		default:
		}
		if _, err := stream.Talk(ctx, 1000, 20*time.Millisecond); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// tell says what runs, that it works, and how to try more.
func (s *stage) tell(out io.Writer, stream *tryout.Stream, r tryout.Result, relays []api.Relay) error {
	path, why := "none", ""
	for _, x := range relays {
		path, why = pathOf(x), x.Reason
	}
	text := fmt.Sprintf("Turnpike runs: TURN server %s, user %s, password %s, realm %s\n", s.server, tryUser, tryPassword, tryRealm)
	if s.lab == nil {
		text += fmt.Sprintf("on loopback, because %s\n", s.whyNot)
		if os.Geteuid() != 0 {
			text += fmt.Sprintf("See it on XDP: sudo %s dev\n", s.self)
		}
	} else {
		text += fmt.Sprintf("in network namespaces %s (client), %s (node), %s (peer)\n", s.lab.Client.Name, s.lab.Node.Name, s.lab.Peer.Name)
	}
	text += fmt.Sprintf("\nrelay %s to peer %s:%d: %d packets sent, %d came back, %d lost, path=%s\n",
		stream.Relay(), s.peer, echoPort, r.Sent, r.Received, r.Lost(), path)
	if why != "" {
		text += fmt.Sprintf("not on XDP: %s\n", why)
	}
	text += "\nTry it in another terminal:\n\n" + s.commands() + "\nCtrl-C ends it and removes everything.\n"
	_, err := io.WriteString(out, text)
	return err
}

// commands are for copying into another terminal.
func (s *stage) commands() string {
	sudo, inClient := "", ""
	if s.lab != nil {
		sudo, inClient = "sudo ", fmt.Sprintf("sudo ip netns exec %s ", s.lab.Client.Name)
	}
	own := fmt.Sprintf("  %s%s --state %s ", sudo, s.self, s.state)
	return own + "status\n" +
		own + "relay list\n" +
		own + "dataplane top\n" +
		fmt.Sprintf("  %sturnutils_uclient -u %s -w %s -e %s -r %d -m 10 -n 500 -z 5 %s\n", inClient, tryUser, tryPassword, s.peer, echoPort, s.server.Addr())
}
