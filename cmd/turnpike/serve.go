package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/turn"
	"turnpike.dev/turnpike/dataplane/userspace"
	"turnpike.dev/turnpike/dataplane/xdp"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

func serveCommand(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node",
		Long: `Run a node until SIGTERM or SIGINT. The process ends then, but relayed media goes
on in the kernel for 30 s: start the node again within them and no packet is lost.
SIGHUP reads the node file again, as "turnpike reload" does. docs/configuration.md
lists what may stand in the file.`,
		Example: `  turnpike serve -c node.yaml
  turnpike config check node.yaml && turnpike serve -c node.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usage(errors.New("which node file? write `turnpike serve -c FILE`"))
			}
			n, err := config.Load(file)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("state") {
				n.System.State = a.state
			}
			return serve(cmd.Context(), n, file, a.stdout)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "node file")
	return cmd
}

// serve runs a node. Top to bottom it is what a start does and in which order; what
// must be undone at the end is undone in the opposite order.
func serve(ctx context.Context, n *config.Node, file string, stdout io.Writer) (err error) {
	all, err := sides(ctx, n.Interfaces)
	if err != nil {
		return err
	}

	// Up to here things were only read. From here on the machine is changed.
	state, err := openState(n.System.State)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.close()) }()
	// Who reads standard output may be slow or go away; the node must not notice.
	signal.Ignore(unix.SIGPIPE)
	records := eventlog.NewQueue(stdout)
	defer records.Close()
	remote := eventlog.NewSyslog(n.System.Name)
	defer remote.Close()
	log, err := eventlog.New(eventlog.Config{Out: records, File: n.LogFile(), Level: string(n.Log.Level), Syslog: remote, Node: n.System.Name})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()

	told, err := openAlarms(state, log.Module("control.alarms"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, told.Close()) }()

	// The configuration: what the store has, with what of the file counts at a start.
	certs, err := openCertificates(state, n)
	if err != nil {
		return err
	}
	stored, err := openStore(state, told, log.Module("control.config"))
	if err != nil {
		return err
	}
	resetIfArmed(state, stored, certs, told, log.Module("control.node"))
	ignored, err := settle(stored, file, n)
	if err != nil {
		return err
	}
	n = stored.Current().Node
	certificate, err := loadCertificate(n.TURN.TLS)
	if err != nil {
		return err
	}
	node := newNode(n, file, state, all, log.Module("control.node"))
	node.records, node.syslog, node.board = records, remote, told
	node.certificate.Store(certificate)
	node.certificates = certs
	if err := node.follow(stored); err != nil {
		return err
	}
	if err := node.route(stored); err != nil {
		return err
	}
	cdr, err := node.carry(n, state, log)
	if err != nil {
		return err
	}
	if ignored != "" {
		node.note(ignored)
	}
	if err := node.join(ctx, n, state, log); err != nil {
		return err
	}

	// A node's heap is some 10 MiB: half the collections cost less than they save.
	debug.SetGCPercent(200)

	// The data plane: the process's relay, the kernel's where it can run, one table over both.
	var kernel *xdp.Backend
	process, err := userspace.New(userspace.Config{MaxFlows: maxFlows(n), Pressed: func() {
		if kernel != nil { // it is there, or not, before a socket is
			kernel.Pressed()
		}
	}})
	if err != nil {
		return err
	}
	var whyNot string
	kernel, whyNot = openKernel(n)
	if kernel != nil {
		defer func() { err = errors.Join(err, kernel.Close()) }()
	}
	defer func() { err = errors.Join(err, process.Close()) }() // first: it takes from the kernel's buckets
	if whyNot != "" && n.Dataplane.Mode == config.PathXDP {
		return fmt.Errorf("dataplane.mode is xdp, and XDP cannot run: %s", whyNot)
	}
	engine := newEngine(kernel, whyNot, process)
	engine.SetMargin(n.Bandwidth.PolicingMargin)
	node.attach(engine, kernel, whyNot, process)
	node.resources.Police(engine)
	node.notify("STATUS=starting: taking over what an earlier process left")
	for _, ports := range portsToReserve(n) {
		if err := reservePorts(ports); err != nil {
			node.note("media ports are not reserved: " + err.Error())
		}
	}
	if err := enoughFiles(n.MaxRelays() + mediaSockets(n)); err != nil {
		node.note(err.Error())
	}

	// TURN, with what an earlier process left.
	run, ctx := newGroup(ctx)
	defer run.end()
	run.Go(func() error { return giveBack(ctx) })
	run.Go(func() error { return engine.Run(ctx) })
	run.Go(func() error { return told.Run(ctx) })
	run.Go(func() error { return cdr.Run(ctx) })
	run.Go(func() error { return node.bound.Run(ctx) })
	run.Go(func() error { return node.resources.Run(ctx) })
	run.Go(func() error { return node.licences.Run(ctx) })
	if n.TURN.Mode {
		server, err := newTURN(n, all, state, node, process, log)
		if err != nil {
			return err
		}
		restored, err := server.Restore()
		if err != nil {
			return err
		}
		log.Module("dataplane.turn").Event("TURN Relays Restored", "Count", restored)
		node.totals.begin()
		node.turn = server
		run.Go(func() error { return server.Run(ctx) })
	}
	// The cluster's first word from this process is what is in use: before all that an earlier one left is counted,
	// peers could have the rest (CA-02).
	if node.cluster != nil {
		run.Go(func() error { return node.peering.run(ctx) })
	}

	// SIP, over the same relay.
	if n.SIP.Mode {
		if node.phones, err = newPhones(ctx, n, all, node, process, state.nonce, transaction.Timers{}, log); err != nil {
			return err
		}
		stored.Subscribe(node.phones.change, "sip", "zones", "accounts", "domains", "subzones", "default_subzone", "default_zone", "dns", "licensing")
		node.phones.run(ctx, run)
	}

	// The ways to ask and tell. The node answers from here on, and says that it is starting.
	metrics := newMetrics(node)
	socket, err := api.Listen(state.path)
	if err != nil {
		return err
	}
	server := newServer(node, metrics, log.Module("control.api"))
	run.Go(func() error { return server.Serve(ctx, socket) })
	https := newRemote(node, server)
	stored.Subscribe(https.change, "admin.https")
	run.Go(func() error { return https.run(ctx) })
	if err := admin(ctx, run, n, node, metrics); err != nil {
		return err
	}
	run.Go(func() error { return node.reloadOnSIGHUP(ctx) })
	run.Go(func() error { return node.watchCertificates(ctx) })
	run.Go(func() error { return node.untilRestart(ctx) })

	// Packets meet the program when everything they may need is there.
	run.Go(func() error { return node.begin(ctx) })
	err = run.wait()
	node.stopped(err)
	return err
}

// maxFlows leaves each relay several channels.
func maxFlows(n *config.Node) int { return max(65536, 4*n.MaxRelays()+2*mediaSockets(n)) }

// openKernel opens the kernel's relay, or returns why there is none.
func openKernel(n *config.Node) (*xdp.Backend, string) {
	if n.Dataplane.Mode == config.PathUserspace {
		return nil, "dataplane.mode is userspace"
	}
	if len(n.Interfaces.Names()) == 0 {
		return nil, "no interface is named"
	}
	pins, err := xdp.PinDir(n.System.Name, n.System.State)
	if err != nil {
		return nil, err.Error()
	}
	kernel, err := xdp.Open(xdp.Config{
		PinDir:     pins,
		Interfaces: n.Interfaces.Names(),
		MaxFlows:   maxFlows(n),
		Generic:    bool(n.Dataplane.GenericXDP),
	})
	if err != nil {
		return nil, err.Error()
	}
	return kernel, ""
}

// newEngine keeps a missing back end a nil interface.
func newEngine(kernel *xdp.Backend, whyNot string, process *userspace.Relay) *relay.Engine {
	if kernel == nil {
		return relay.NewEngine(nil, whyNot, process)
	}
	return relay.NewEngine(kernel, "", process)
}

func newTURN(n *config.Node, all []side, state *stateDir, node *node, sockets relay.Sockets, log *eventlog.Log) (*turn.Server, error) {
	relays, err := relayAddrs(all, n.Interfaces)
	if err != nil {
		return nil, err
	}
	own, networks, err := ownAddresses(n.Interfaces)
	if err != nil {
		return nil, err
	}
	cfg := turn.Config{
		Realm:    n.TURN.Realm,
		Software: "Turnpike",
		Listen:   listenOn(all, n.Ports()...),
		TCP:      bool(n.TURN.TCP),

		RelayAddrs: relays,
		PortMin:    n.TURN.MediaPorts.Start,
		PortMax:    n.TURN.MediaPorts.End,
		MediaPorts: callPorts(n),

		MaxRelays:    n.MaxRelays(),
		Capacity:     node.resources.Relays(),
		MaxPerPort:   n.MaxPerPort(),
		QuotaPerUser: n.TURN.QuotaPerUser,
		Alternates:   node.alternates(),

		GuestsPerSource: n.TURN.Connections,

		Users:   n.TURN.Passwords(),
		Secrets: n.TURN.SharedSecrets(),

		Deny:          n.TURN.DenyList(),
		AllowLoopback: bool(n.TURN.Loopback),
		OwnAddrs:      own,
		Subnets:       networks,

		RateKbps:    n.TURN.RateKbps,
		NonceKey:    state.nonce,
		JournalPath: state.file(journalFile),
	}
	if node.kernel != nil {
		cfg.Known = node.kernel.Known
	}
	if n.TURN.TLS != nil {
		cfg.TLS = turnTLS(&node.certificate, node.certificates)
		cfg.TLSListen = listenOn(all, n.TURN.TLS.Port)
	}
	return turn.New(cfg, node.totals, node.engine, sockets, log.Module("dataplane.turn"))
}

// admin serves metrics, health and profiles on loopback. Where the file does not
// name the address, a node does without it: another may have it.
func admin(ctx context.Context, run *group, n *config.Node, node *node, metrics http.Handler) error {
	if !n.Admin.Metrics.IsValid() {
		node.metricsAt("off")
		return nil
	}
	at := n.Admin.Metrics.String()
	l, err := net.Listen("tcp", at)
	switch {
	case err == nil:
		node.metricsAt("http://" + at + "/metrics")
		run.Go(func() error { return api.Admin(ctx, l, node, metrics, bool(n.Admin.Pprof)) })
	case n.Admin.Metrics == config.Default().Admin.Metrics:
		node.metricsAt(fmt.Sprintf("off (%v: set admin.metrics)", err))
	default:
		return fmt.Errorf("listen on admin.metrics %s: %w", at, err)
	}
	return nil
}

// reloadOnSIGHUP reads the node file again whenever SIGHUP comes.
func (n *node) reloadOnSIGHUP(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, unix.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			if _, err := n.Reload(); err != nil {
				n.log.Error("System Configuration Refused", "Detail", err)
			}
		}
	}
}

// begin lets packets in, says so to whoever waits for it, and watches until ctx ends.
func (n *node) begin(ctx context.Context) error {
	if n.turn != nil {
		select {
		case <-n.turn.Listening():
			n.shared.listens(n.turn)
		case <-ctx.Done():
			return nil
		}
	}
	if n.phones != nil {
		select {
		case <-n.phones.stack.Transport().Listening():
		case <-ctx.Done():
			return nil
		}
	}
	if n.kernel != nil {
		if strays, err := n.engine.Sweep(); err != nil || strays > 0 {
			n.log.Warn("Kernel Flows Swept", "Detail", "left by an earlier process, wanted by nobody", "Count", strays, "Reason", fmt.Sprint(err))
		}
		if err := n.kernel.Activate(); err != nil {
			return fmt.Errorf("start relaying in the kernel: %w", err)
		}
	}
	if err := n.requireXDP(); err != nil {
		return err
	}
	n.ready()
	n.notify("READY=1")
	defer n.notifyStop(ctx)
	return n.watch(ctx)
}
