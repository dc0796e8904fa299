package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/deploy/sipp/baresip"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
)

func demoClusterCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "cluster",
		Short: "Show a cluster: four nodes form, phones on two of them talk, one is killed",
		Long: `Show a cluster: four nodes in namespaces of their own form by their node files. A
change on the primary shows on all. Two phones that registered on different peers call
each other, with media on XDP. The keys of two peers give one pool of licences, which
devices at both use up. The callee's peer is killed: its registrations are not offered
any more, its phone registers on another peer and is called there, and another peer
takes over its licences. The peer comes back, and all count by one table again. Exit
code 0 says that all of it happened in time; each step is told as it happens. Needs
root, and the Debian packages baresip-core and nftables.`,
		Example: "  sudo turnpike demo cluster\n  sudo turnpike demo cluster -o json | jq .ok",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := demoCluster(cmd.Context(), a.tryState(cmd, "demo-cluster"), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return a.showDemo(report, report.OK, report.write)
		},
	}
}

// clusterReport is what a demo of a cluster showed.
type clusterReport struct {
	OK    bool          `json:"ok"`
	Steps []clusterStep `json:"steps"`
	Talks []clusterTalk `json:"talks"`
	// Pool is how the licences of the cluster were shared out, from step to step.
	Pool []poolPicture `json:"pool"`
	// Cluster is how it was at the end, as the primary sees it.
	Cluster clustering.Status `json:"cluster"`
}

// clusterStep is something that had to happen in time.
type clusterStep struct {
	What    string  `json:"what"`
	Seconds float64 `json:"seconds"`
	Within  float64 `json:"within_seconds"`
	Failed  string  `json:"failed,omitempty"`
}

// clusterTalk is a call between peers: its media at both ends, and what each peer says of it.
type clusterTalk struct {
	demoTalk
	Caller []calls.Call `json:"at_the_callers_peer"`
	Callee []calls.Call `json:"at_the_callees_peer"`
}

func (r clusterReport) good() bool {
	return len(r.Talks) == 2 && len(r.Pool) == 5 && !slices.ContainsFunc(r.Steps, func(s clusterStep) bool { return s.Failed != "" || s.Seconds > s.Within }) &&
		!slices.ContainsFunc(r.Talks, func(t clusterTalk) bool { return !t.demoTalk.good() || !onXDP(t.Caller) || !onXDP(t.Callee) })
}

// onXDP reports whether a call was there, with media that the kernel carried.
func onXDP(list []calls.Call) bool {
	return len(list) == 1 && len(list[0].Streams) > 0 &&
		!slices.ContainsFunc(list[0].Streams, func(s calls.Stream) bool { return s.Path != "xdp" })
}

func (r clusterReport) write(w *tabwriter.Writer) {
	_, _ = fmt.Fprintln(w, "STEP\tTOOK\tMAY TAKE\t")
	for _, s := range r.Steps {
		_, _ = fmt.Fprintf(w, "%s\t%.2f s\t%g s\t%s\n", s.What, s.Seconds, s.Within, s.Failed)
	}
	_, _ = fmt.Fprintln(w, "\nCALL\tCALLER SENT\tCALLEE GOT\tCALLEE SENT\tCALLER GOT")
	for _, t := range r.Talks {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", t.What, t.Sent, t.Arrived, t.Returned, t.Back)
	}
	for _, p := range r.Pool {
		p.write(w)
	}
	for _, t := range r.Talks {
		_, _ = fmt.Fprintf(w, "\n# %s, at the caller's peer and at the callee's\n", t.What)
		writeCalls(w, append(slices.Clone(t.Caller), t.Callee...), true)
	}
	_, _ = fmt.Fprint(w, "\n$ turnpike cluster status\n")
	writeCluster(w, r.Cluster)
	verdict := "FAILED: something did not happen in time, media was lost, a call was not on XDP, or licences were counted wrong"
	if r.OK {
		verdict = "OK: the cluster formed, every call was on XDP at both peers, nothing was lost, and no licence was used twice"
	}
	_, _ = fmt.Fprintf(w, "\n%s\n", verdict)
}

// clusterStage is four nodes and their phones.
type clusterStage struct {
	lab    *lab.Peers
	nodes  []*stagePeer
	report clusterReport
	live   io.Writer // steps are told as they happen

	alice, bob *baresip.Phone
}

const (
	demoPeers = 4                     // nodes
	demoAway  = 20 * time.Millisecond // of each from the middle: 80 ms there and back (CL-09)
)

const peerConfig = `system: {name: tp%d, host_name: tp%d, domain: example.test, role: E, platform: CE1200, state: %q}
interfaces: {internal: {name: in}, external: {name: out}}
turn: {mode: off}
sip: {mode: on, udp: 5060, tcp: 5060, tls: 5061}
domains: [example.test]
accounts: [{name: alice, password: secret}, {name: bob, password: secret}]
subzones: [{name: desks, authentication: treat_as_authenticated}]
membership_rules: [{name: desks, type: alias, pattern: {type: prefix, string: desk}, subzone: desks}]
search_rules:
- {name: local, priority: 50, pattern: {type: any}, target: local}
cluster: {name: cluster1.example.test, primary: 1, ip: ipv4, peers: [%s]}
`

func demoCluster(ctx context.Context, state string, live io.Writer) (r clusterReport, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, fmt.Errorf("find this program: %w", err)
	}
	return demoClusterOf(ctx, self, state, live)
}

// demoClusterOf is demoCluster with another program as the nodes.
func demoClusterOf(ctx context.Context, self, state string, live io.Writer) (r clusterReport, err error) {
	sum := sha256.Sum256([]byte(state))
	l, err := lab.NewDistantPeers("turnpike-"+hex.EncodeToString(sum[:3]), demoPeers, demoAway)
	if err != nil {
		return r, err
	}
	s := &clusterStage{lab: l, live: live}
	defer func() { err = errors.Join(err, s.close(), os.RemoveAll(state)) }()
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("five minutes are over"))
	defer cancel()
	if err := s.prepare(self, state); err != nil {
		return r, err
	}
	if err := s.play(ctx); err != nil {
		return s.report, s.explain(err)
	}
	s.report.Cluster, err = s.nodes[0].api.Cluster(ctx)
	s.report.OK = err == nil && s.report.good()
	return s.report, err
}

// explain adds to an error how far it went, and what the nodes say.
func (s *clusterStage) explain(err error) error {
	var b strings.Builder
	for _, done := range s.report.Steps {
		fmt.Fprintf(&b, "\n%.2f s: %s", done.Seconds, done.What)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for i, n := range s.nodes {
		st, askErr := n.api.Cluster(ctx)
		if askErr != nil {
			continue // it does not run
		}
		_, missing := st.Settled()
		fmt.Fprintf(&b, "\ntp%d: %s", i+1, strings.Join(missing, "; "))
	}
	return fmt.Errorf("%w%s", err, b.String())
}

func (s *clusterStage) prepare(self, state string) error {
	var list []string
	for i := range demoPeers {
		list = append(list, s.lab.Inside(i).String())
	}
	for i, host := range s.lab.Nodes {
		dir := filepath.Join(state, fmt.Sprintf("tp%d", i+1))
		if err := removeState(dir); err != nil {
			return err
		}
		n := newStagePeer(host, self, dir)
		s.nodes = append(s.nodes, n)
		if err := n.write(fmt.Sprintf(peerConfig, i+1, i+1, dir, strings.Join(list, ", "))); err != nil {
			return err
		}
	}
	return nil
}

// play is the demo, step by step.
func (s *clusterStage) play(ctx context.Context) error {
	pool := &demoPool{stage: s, at: map[int]int{}}
	for _, part := range []func(context.Context, *demoPool) error{s.begin, s.meet, s.lose, s.comeBack} {
		if err := part(ctx, pool); err != nil {
			return err
		}
	}
	return nil
}

// begin forms the cluster, and gives it licences.
func (s *clusterStage) begin(ctx context.Context, pool *demoPool) error {
	if err := s.step("four nodes form", time.Minute, func() error { return s.form(ctx) }); err != nil {
		return err
	}
	if err := s.step("a change on the primary is on all peers", time.Second, func() error { return s.change(ctx, "hello") }); err != nil {
		return err
	}
	err := s.step("the keys of tp1 and tp3 are one pool for all", 10*time.Second, func() error { return pool.license(ctx) })
	return errors.Join(err, pool.show(ctx, "at first"))
}

// meet has phones on two peers talk, and devices there use up the pool.
func (s *clusterStage) meet(ctx context.Context, pool *demoPool) (err error) {
	if s.alice, err = s.phone(ctx, "alice", 0, 0); err != nil {
		return err
	}
	if s.bob, err = s.phone(ctx, "bob", 2, 2); err != nil {
		return err
	}
	if err := s.talk(ctx, "alice on tp1 calls bob on tp3", s.alice, s.bob, 2); err != nil {
		return err
	}
	err = s.step("devices at tp1 and tp3 use up the pool, and no more", 30*time.Second, func() error { return pool.empty(ctx, 0, 2) })
	return errors.Join(err, pool.show(ctx, "used up at tp1 and tp3"))
}

// lose kills a peer: others take over its phone and its licences.
func (s *clusterStage) lose(ctx context.Context, pool *demoPool) error {
	if err := s.step("tp3 is killed, and missed by all", 8*time.Second, func() error { return s.kill(ctx, 2) }); err != nil {
		return err
	}
	if err := s.step("nobody offers its registrations", 8*time.Second, func() error { return s.gone(ctx, "bob") }); err != nil {
		return err
	}
	err := s.step("its devices go to tp1, which takes over its licences", 15*time.Second, func() error { return pool.takeOver(ctx, 2, 0) })
	if err = errors.Join(err, pool.show(ctx, "without tp3")); err != nil {
		return err
	}
	_ = s.bob.Close() // its peer is gone: the phone looks for another
	if s.bob, err = s.phone(ctx, "bob", 2, 3); err != nil {
		return err
	}
	if err := s.talk(ctx, "bob has moved to tp4, and alice calls him there", s.alice, s.bob, 3); err != nil {
		return err
	}
	return s.change(ctx, "while tp3 is away")
}

// comeBack starts the peer again: it has what it missed, and all count by one table.
func (s *clusterStage) comeBack(ctx context.Context, pool *demoPool) error {
	err := s.step("tp3 comes back, with the change that it missed", 30*time.Second, func() error {
		if err := s.nodes[2].start(ctx); err != nil {
			return err
		}
		if err := s.settled(ctx); err != nil {
			return err
		}
		return pool.uses(ctx, 2, 0) // its devices are elsewhere: it forgets what it kept of them
	})
	if err = errors.Join(err, pool.show(ctx, "tp3 is back")); err != nil {
		return err
	}
	err = s.step("devices leave tp1, and tp3 has their licences", 30*time.Second, func() error { return pool.hand(ctx, 0, 2) })
	return errors.Join(err, pool.show(ctx, "healed"))
}

// tell shows something while it happens.
func (s *clusterStage) tell(write func(*tabwriter.Writer)) {
	w := tabwriter.NewWriter(s.live, 0, 0, 2, ' ', 0)
	write(w)
	_ = w.Flush() // who does not see it sees the report
}

// step times something. What fails by itself ends the demo; what is late is told.
func (s *clusterStage) step(what string, within time.Duration, do func() error) error {
	start := time.Now()
	err := do()
	st := clusterStep{What: what, Seconds: time.Since(start).Seconds(), Within: within.Seconds()}
	if err != nil {
		st.Failed = err.Error()
		err = fmt.Errorf("%s: %w", what, err)
	}
	s.report.Steps = append(s.report.Steps, st)
	_, _ = fmt.Fprintf(s.live, "%6.2f s  %s\n", st.Seconds, what)
	return err
}

// form starts the primary, then the others.
func (s *clusterStage) form(ctx context.Context) error {
	for i, n := range s.nodes {
		if err := n.start(ctx); err != nil {
			return fmt.Errorf("start tp%d: %w", i+1, err)
		}
	}
	return s.settled(ctx)
}

// settled waits until every peer that runs sees all of them complete.
func (s *clusterStage) settled(ctx context.Context) error {
	for i, n := range s.nodes {
		if _, err := askCluster(ctx, n.api, true, time.Minute); err != nil {
			return fmt.Errorf("tp%d: %w", i+1, err)
		}
	}
	return nil
}

// change sets a shared item on the primary, and returns when all peers that run have it.
func (s *clusterStage) change(ctx context.Context, text string) error {
	const item = "search_rules[local].description"
	_, err := s.nodes[0].api.ConfigPropose(ctx, api.Proposal{Operations: []config.Operation{{Verb: config.Set, Path: item, Text: text}}})
	if err != nil {
		return err
	}
	return s.everywhere(ctx, func(n *stagePeer) (bool, error) {
		got, err := n.api.ConfigItem(ctx, item)
		return err == nil && got.Value == text, err
	})
}

// everywhere waits until something is so on all peers that run.
func (s *clusterStage) everywhere(ctx context.Context, so func(*stagePeer) (bool, error)) error {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for _, n := range s.nodes {
		for n.runs() {
			is, err := so(n)
			if err != nil {
				return err
			}
			if is {
				break
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-look.C:
			}
		}
	}
	return nil
}

// kill ends a node without a word, and returns when the others know.
func (s *clusterStage) kill(ctx context.Context, which int) error {
	s.nodes[which].kill()
	return s.everywhere(ctx, func(n *stagePeer) (bool, error) {
		st, err := n.api.Cluster(ctx)
		return err == nil && st.Peers[which].State == clustering.Failed, err
	})
}

// gone returns when no peer finds an alias.
func (s *clusterStage) gone(ctx context.Context, name string) error {
	return s.everywhere(ctx, func(n *stagePeer) (bool, error) {
		found, err := n.finds(ctx, name+"@"+demoDomain)
		return !found, err
	})
}

// phone starts a phone at one place and registers it with a node.
func (s *clusterStage) phone(ctx context.Context, name string, host, node int) (*baresip.Phone, error) {
	p, err := takenPhone(ctx, baresip.Config{
		Host: s.lab.Phones[host], Name: name, Password: demoPassword, Domain: demoDomain, Transport: "tcp", Control: 4444,
		Local: netip.AddrPortFrom(s.lab.Phone(host, 0), demoPhone), Server: netip.AddrPortFrom(s.lab.Outside(node), demoSIP),
	})
	if err != nil {
		return nil, fmt.Errorf("register %s on tp%d: %w", name, node+1, err)
	}
	return p, s.everywhere(ctx, func(n *stagePeer) (bool, error) { return n.finds(ctx, name+"@"+demoDomain) })
}

// talk has alice, who is on the first node, call bob on another, and counts the media at both ends.
func (s *clusterStage) talk(ctx context.Context, what string, alice, bob *baresip.Phone, node int) error {
	const packets, late = 100, 25 // so far apart the callee talks for half a second before and after the caller hears it
	t := clusterTalk{demoTalk: demoTalk{What: what, Calls: 1, Late: late}}
	near, err := runner.CountMedia(ctx, s.lab.Phones[0], runner.NodePorts)
	if err != nil {
		return err
	}
	far, err := runner.CountMedia(ctx, s.lab.Phones[2], runner.NodePorts)
	if err != nil {
		return err
	}
	for _, do := range []func() error{
		func() error { return baresip.Call(ctx, alice, bob, "sip:bob@"+demoDomain) },
		func() error { return baresip.Talk(ctx, near, packets) },
		func() error { return baresip.HangUp(ctx, alice, bob) },
		func() error { _, err := alice.Await(ctx, baresip.Closed); return err }, // she calls again
		func() (err error) { t.Sent, t.Back, err = near.Totals(ctx); return err },
		func() (err error) { t.Returned, t.Arrived, err = far.Totals(ctx); return err },
		func() (err error) { t.Caller, err = s.nodes[0].lastCall(ctx); return err },
		func() (err error) { t.Callee, err = s.nodes[node].lastCall(ctx); return err },
	} {
		if err := do(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	s.report.Talks = append(s.report.Talks, t)
	return nil
}

// close ends the nodes and removes every trace.
func (s *clusterStage) close() error {
	var errs []error
	for _, p := range []*baresip.Phone{s.alice, s.bob} {
		if p != nil {
			_ = p.Close() // its files are in a folder for such
		}
	}
	for _, n := range s.nodes {
		errs = append(errs, n.close())
	}
	return errors.Join(append(errs, s.lab.Close())...)
}
