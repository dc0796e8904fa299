package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/dataplane/relay"
)

func demoCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show it: media of two clients through a node, and a tour of its commands",
		Long: `Show it: make the network of "turnpike dev", send media through the node with
coturn's turnutils_uclient and with a pion client, report each relay, and play a
tour of the operator's commands. Then phones call each other through a node: two
baresips over UDP, TCP and TLS, SIPp through the node to SIPp, and from IPv4 to IPv6.
Last, calls fill a line of 2 Mbit/s between two sites: one is granted less than it
asked for, one is refused, and one that sends several times its grant is held to it.
Exit code 0 says that nothing else was lost, every relay and call was on XDP and every
command did what it should. Needs root and the Debian package coturn; for the calls
baresip-core, sip-tester and nftables, without which they are left out.`,
		Example: `  sudo turnpike demo
  sudo turnpike demo -o json | jq .ok`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := demo(cmd.Context(), a.tryState(cmd, "demo"))
			if err != nil {
				return err
			}
			return a.showDemo(report, report.OK, report.write)
		},
	}
	cmd.AddCommand(demoClusterCommand(a))
	return cmd
}

// tryState is the state directory that a demo was told, or one of its own.
func (a *app) tryState(cmd *cobra.Command, name string) string {
	if cmd.Flags().Changed("state") {
		return a.state
	}
	return tryState(name)
}

// showDemo shows a report; exit code 1 says that not all of it went as it should.
func (a *app) showDemo(report any, ok bool, write func(*tabwriter.Writer)) error {
	if err := a.show(report, write); err != nil {
		return err
	}
	if !ok {
		return &exitError{code: exitFailed}
	}
	return nil
}

// clientReport is what one client says of its packets.
type clientReport struct {
	Client   string `json:"client"`
	Relays   int    `json:"relays"`
	Sent     int    `json:"sent"`
	Received int    `json:"received"`
	Lost     int    `json:"lost"`
}

// demoReport is what a demo showed.
type demoReport struct {
	OK      bool           `json:"ok"`
	Clients []clientReport `json:"clients"`
	Relays  []api.Relay    `json:"relays"`
	Tour    []tourStep     `json:"tour"`
	Calls   callsReport    `json:"calls"`
	// Bandwidth is what became of calls that filled a line.
	Bandwidth bandwidthReport `json:"bandwidth"`
}

func (r demoReport) write(w *tabwriter.Writer) {
	_, _ = fmt.Fprintln(w, "RELAY\tCLIENT\tPEER\tPACKETS UP\tDOWN\tPATH")
	for _, x := range r.Relays {
		up, down := x.Packets()
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\tpath=%s%s\n", strings.Join(x.Relay, " "), x.Client, busiestPeer(x), up, down, x.Path, parenthesised(x.Reason))
	}
	_, _ = fmt.Fprintln(w)
	_, _ = fmt.Fprintln(w, "CLIENT\tRELAYS\tSENT\tCAME BACK\tLOST")
	for _, c := range r.Clients {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", c.Client, c.Relays, c.Sent, c.Received, c.Lost)
	}
	writeTour(w, r.Tour)
	r.Calls.write(w)
	r.Bandwidth.write(w)
	verdict := "FAILED: something was lost, a relay or a call was not on XDP, or a command did not do what it should"
	if r.OK {
		verdict = "OK: nothing lost, every relay and every call on XDP, every command as expected"
	}
	_, _ = fmt.Fprintf(w, "\n%s\n", verdict)
}

func demo(ctx context.Context, state string) (r demoReport, err error) {
	if _, err := exec.LookPath("turnutils_uclient"); err != nil {
		return r, fmt.Errorf("%w: run `make deps`, or apt-get install coturn", err)
	}
	s, err := newStage(ctx, state)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if s.lab == nil {
		return r, fmt.Errorf("the demo needs its network: %s", s.whyNot)
	}
	watch := watchRelays(ctx, s.api)
	pion, err := s.pion(ctx, watch)
	if err == nil {
		r.Clients = append(r.Clients, pion)
		var coturn clientReport
		coturn, err = s.uclient(ctx)
		r.Clients = append(r.Clients, coturn)
	}
	r.Relays = watch.end()
	if err == nil {
		r.Tour, err = s.tour(ctx)
	}
	if err == nil {
		r.Calls, err = demoCalls(ctx, state+"-calls")
	}
	if err == nil {
		r.Bandwidth, err = demoBandwidth(ctx, state+"-bandwidth")
	}
	r.OK = err == nil && r.good() && r.Calls.good() && r.Bandwidth.good()
	return r, err
}

// good reports whether nothing was lost, every relay was seen on XDP and every command of
// the tour did what it should.
func (r demoReport) good() bool {
	relays := 0
	for _, c := range r.Clients {
		relays += c.Relays
		if c.Lost != 0 || c.Sent == 0 {
			return false
		}
	}
	if slices.ContainsFunc(r.Tour, func(s tourStep) bool { return !s.OK }) {
		return false
	}
	offPath := slices.ContainsFunc(r.Relays, func(x api.Relay) bool { return x.Path != string(relay.PathXDP) })
	return !offPath && len(r.Relays) >= relays
}

// pion sends with a pion client over one relay.
func (s *stage) pion(ctx context.Context, w *watch) (c clientReport, err error) {
	stream, err := s.open(ctx)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	result, err := stream.Talk(ctx, 5000, 200*time.Microsecond)
	w.look(ctx)
	return clientReport{"pion", 1, result.Sent, result.Received, result.Lost()}, err
}

// uclientRelays is how many clients turnutils_uclient plays.
const uclientRelays = 20

// uclient sends with coturn's test client over many relays.
func (s *stage) uclient(ctx context.Context) (clientReport, error) {
	cmd := s.clientHost().Command(ctx, "turnutils_uclient", "-u", tryUser, "-w", tryPassword,
		"-e", s.peer.String(), "-r", strconv.Itoa(echoPort), "-m", strconv.Itoa(uclientRelays), "-n", "200", "-z", "10", "-c",
		s.server.Addr().String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		return clientReport{}, fmt.Errorf("turnutils_uclient: %w: %s", err, lastLines(out))
	}
	return parseUclient(string(out))
}

var (
	sentAndCame = regexp.MustCompile(`tot_send_msgs=(\d+), tot_recv_msgs=(\d+)`)
	lostPackets = regexp.MustCompile(`Total lost packets (\d+)`)
)

// parseUclient reads the totals that turnutils_uclient prints at its end.
func parseUclient(out string) (clientReport, error) {
	all := sentAndCame.FindAllStringSubmatch(out, -1)
	lost := lostPackets.FindStringSubmatch(out)
	if len(all) == 0 || lost == nil {
		return clientReport{}, fmt.Errorf("turnutils_uclient gave no totals: %s", lastLines([]byte(out)))
	}
	last := all[len(all)-1]
	c := clientReport{Client: "coturn turnutils_uclient", Relays: uclientRelays}
	c.Sent, _ = strconv.Atoi(last[1])
	c.Received, _ = strconv.Atoi(last[2])
	c.Lost, _ = strconv.Atoi(lost[1])
	return c, nil
}

func lastLines(out []byte) string {
	text := strings.TrimSpace(string(out))
	return text[max(len(text)-600, 0):]
}

// watch looks at the relays while clients come and go, and keeps each that carried
// media as it was last seen.
type watch struct {
	api    *api.Client
	cancel context.CancelFunc
	done   sync.WaitGroup
	mu     sync.Mutex
	seen   map[uint64]api.Relay
}

func watchRelays(ctx context.Context, c *api.Client) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{api: c, cancel: cancel, seen: map[uint64]api.Relay{}}
	w.done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			w.look(ctx)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return w
}

func (w *watch) look(ctx context.Context) {
	relays, _ := w.api.Relays(ctx) // the next look brings it
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range relays {
		if len(r.Channels) > 0 {
			w.seen[r.ID] = r
		}
	}
}

// end stops looking and gives what was seen, oldest first.
func (w *watch) end() []api.Relay {
	w.cancel()
	w.done.Wait()
	list := slices.Collect(maps.Values(w.seen))
	slices.SortFunc(list, func(a, b api.Relay) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// busiestPeer is the peer of the channel that carried most: clients bind some that
// they do not use.
func busiestPeer(r api.Relay) string {
	return slices.MaxFunc(r.Channels, func(a, b api.Channel) int { return cmp.Compare(a.Up.Packets, b.Up.Packets) }).Peer
}
