package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/deploy/sipp/baresip"
	"turnpike.dev/turnpike/deploy/sipp/runner"
)

// Where SIP is in the demo. Phones have the second address of each side.
const (
	demoDomain   = "example.test"
	demoPassword = "secret"
	demoSIP      = 5060
	demoTLS      = 5061
	demoCaller   = 5062
	demoPhone    = 5066
	demoCallee   = 5070
)

// demoSections make the stage's node a registrar, and let calls in from one side go out of
// the other, to an address of IPv4 or, for six@, of IPv6.
const demoSections = `sip: {mode: on, udp: 5060, tcp: 5060, tls: 5061}
domains: [example.test]
accounts: [{name: alice, password: secret}, {name: bob, password: secret}]
zones:
- {name: in, type: neighbour, protocol: sip, peers: ["198.18.0.2:5062"], monitor: off}
- {name: out, type: neighbour, protocol: sip, peers: ["198.18.1.2:5070"], monitor: off}
- {name: six, type: neighbour, protocol: sip, peers: ["[fd00:0:0:2::2]:5070"], monitor: off}
search_rules:
- {name: local, priority: 50, pattern: {type: any}, target: local}
- {name: six, priority: 60, pattern: {type: prefix, string: "six@"}, target: six}
- {name: out, priority: 100, pattern: {type: any}, target: out}
`

// callsReport is what phones and SIPp did, and what the node says of it.
type callsReport struct {
	Talks []demoTalk   `json:"talks"`
	Calls []calls.Call `json:"calls"`
	// Skipped are reasons why something was left out.
	Skipped []string `json:"skipped,omitempty"`
}

// demoTalk is the media of some calls, counted by the kernels of both ends: RTP and RTCP.
type demoTalk struct {
	What     string `json:"what"`
	Calls    int    `json:"calls"`
	Sent     uint64 `json:"sent"` // by the caller
	Arrived  uint64 `json:"arrived"`
	Returned uint64 `json:"returned"` // by the callee
	Back     uint64 `json:"back"`
	Late     uint64 `json:"late"` // so many may meet a phone that has hung up
}

// good reports whether all that was sent arrived.
func (t demoTalk) good() bool {
	within := func(sent, arrived uint64) bool { return sent > 0 && arrived <= sent && sent-arrived <= t.Late }
	return within(t.Sent, t.Arrived) && within(t.Returned, t.Back)
}

// good reports whether nothing was lost and the kernel carried every stream.
func (r callsReport) good() bool {
	number := 0
	for _, t := range r.Talks {
		number += t.Calls
		if !t.good() {
			return false
		}
	}
	for _, c := range r.Calls {
		if len(c.Streams) == 0 || slices.ContainsFunc(c.Streams, func(s calls.Stream) bool { return s.Path != "xdp" }) {
			return false
		}
	}
	return len(r.Calls) == number
}

func (r callsReport) write(w *tabwriter.Writer) {
	_, _ = fmt.Fprint(w, "\n# phones call each other through the node\n")
	for _, s := range r.Skipped {
		_, _ = fmt.Fprintf(w, "left out: %s\n", s)
	}
	if len(r.Talks) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w, "WHAT\tCALLS\tCALLER SENT\tCALLEE GOT\tCALLEE SENT\tCALLER GOT")
	for _, t := range r.Talks {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\n", t.What, t.Calls, t.Sent, t.Arrived, t.Returned, t.Back)
	}
	_, _ = fmt.Fprint(w, "\n$ turnpike call list --ended\n")
	writeCalls(w, r.Calls, true)
}

// demoCalls has a node of its own, so that the tour finds an empty one.
func demoCalls(ctx context.Context, state string) (r callsReport, err error) {
	if err := removeState(state); err != nil {
		return r, err
	}
	self, err := os.Executable()
	if err != nil {
		return r, fmt.Errorf("find this program: %w", err)
	}
	s, err := (&stage{state: state, self: self, api: api.NewClient(state), more: demoSections}).begin(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("two minutes are over"))
	defer cancel()
	for _, part := range []func(context.Context) (demoTalk, error){
		func(ctx context.Context) (demoTalk, error) { return s.phones(ctx, "udp") },
		func(ctx context.Context) (demoTalk, error) { return s.phones(ctx, "tcp") },
		func(ctx context.Context) (demoTalk, error) { return s.phones(ctx, "tls") },
		func(ctx context.Context) (demoTalk, error) {
			return s.sipp(ctx, "SIPp to SIPp", "uas", s.lab.PeerAddrs.V4[0], 10)
		},
		func(ctx context.Context) (demoTalk, error) {
			return s.sipp(ctx, "SIPp, IPv4 to IPv6", "six", s.lab.PeerAddrs.V6[0], 3)
		},
	} {
		t, err := part(ctx)
		switch {
		case errors.Is(err, baresip.ErrMissing), errors.Is(err, runner.ErrMissing):
			r.skip(err)
		case err != nil:
			return r, fmt.Errorf("%s: %w", t.What, err)
		default:
			r.Talks = append(r.Talks, t)
		}
	}
	r.Calls, err = s.api.Calls(ctx, true)
	return r, err
}

// skip notes a reason once.
func (r *callsReport) skip(why error) {
	if text := why.Error(); !slices.Contains(r.Skipped, text) {
		r.Skipped = append(r.Skipped, text)
	}
}

// counted counts the media of both ends while something talks.
func (s *stage) counted(ctx context.Context, t demoTalk, talking func(near *runner.Media) error) (demoTalk, error) {
	near, err := runner.CountMedia(ctx, s.lab.Client, runner.NodePorts)
	if err != nil {
		return t, err
	}
	far, err := runner.CountMedia(ctx, s.lab.Peer, runner.NodePorts)
	if err != nil {
		return t, err
	}
	if err := talking(near); err != nil {
		return t, err
	}
	if t.Sent, t.Back, err = near.Totals(ctx); err != nil {
		return t, err
	}
	t.Returned, t.Arrived, err = far.Totals(ctx)
	return t, err
}

// phones has two baresips register and call each other.
func (s *stage) phones(ctx context.Context, transport string) (demoTalk, error) {
	const packets, late = 100, 10
	t := demoTalk{What: "baresip over " + strings.ToUpper(transport), Calls: 1, Late: late}
	c := baresip.Config{Password: demoPassword, Domain: demoDomain, Transport: transport, Control: 4444}
	port := uint16(demoSIP)
	if transport == "tls" {
		port = demoTLS
	}
	c.Host, c.Name = s.lab.Client, "alice"
	c.Local, c.Server = netip.AddrPortFrom(s.lab.ClientAddrs.V4[1], demoPhone), netip.AddrPortFrom(s.nodeAddr("s0"), port)
	alice, err := takenPhone(ctx, c)
	if err != nil {
		return t, err
	}
	defer alice.Close() //nolint:errcheck // its files are in a folder for such
	c.Host, c.Name = s.lab.Peer, "bob"
	c.Local, c.Server = netip.AddrPortFrom(s.lab.PeerAddrs.V4[1], demoPhone), netip.AddrPortFrom(s.nodeAddr("s1"), port)
	bob, err := takenPhone(ctx, c)
	if err != nil {
		return t, err
	}
	defer bob.Close() //nolint:errcheck // its files are in a folder for such
	return s.counted(ctx, t, func(near *runner.Media) error {
		if err := baresip.Call(ctx, alice, bob, "sip:bob@"+demoDomain); err != nil {
			return err
		}
		if err := baresip.Talk(ctx, near, packets); err != nil {
			return err
		}
		return baresip.HangUp(ctx, alice, bob)
	})
}

// takenPhone starts a phone and returns when the node knows it.
func takenPhone(ctx context.Context, c baresip.Config) (*baresip.Phone, error) {
	p, err := baresip.Start(ctx, c)
	if err != nil {
		return nil, err
	}
	if _, err := p.Await(ctx, baresip.Registered); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// sipp has SIPp call SIPp, which echoes what it hears.
func (s *stage) sipp(ctx context.Context, what, whom string, callee netip.Addr, number int) (demoTalk, error) {
	t := demoTalk{What: what, Calls: number}
	answering, err := runner.Start(ctx, runner.Config{
		Host: s.lab.Peer, Scenario: "callee", Local: netip.AddrPortFrom(callee, demoCallee), MediaPort: 6000, Calls: number,
	})
	if err != nil {
		return t, err
	}
	defer answering.Close() //nolint:errcheck // its files are in a folder for such
	return s.counted(ctx, t, func(*runner.Media) error {
		_, err := runner.Run(ctx, runner.Config{
			Host: s.lab.Client, Scenario: "caller", Local: netip.AddrPortFrom(s.lab.ClientAddrs.V4[0], demoCaller),
			Target: netip.AddrPortFrom(s.nodeAddr("s0"), demoSIP), Service: whom, Calls: number, Hold: 2 * time.Second,
		})
		return err
	})
}

// nodeAddr is the node's IPv4 address on a link.
func (s *stage) nodeAddr(link string) netip.Addr { return s.lab.Node.Link(link).Prefixes[0].Addr() }
