package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/certificates"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/licences"
	"turnpike.dev/turnpike/control/pooling"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/turn"
	"turnpike.dev/turnpike/dataplane/userspace"
	"turnpike.dev/turnpike/dataplane/xdp"
)

var _ api.Node = (*node)(nil)

// node is a running node as the API sees it: it asks the parts and puts their
// answers together. What serve sets once is read without the lock.
type node struct {
	file    string
	id      string
	started time.Time
	sides   []side
	log     *eventlog.Log
	syslog  *eventlog.Syslog
	store   *store.Store

	certificates *certificates.Store
	resetFile    string
	restart      chan struct{}

	engine  *relay.Engine
	totals  *totals // over engine
	process *userspace.Relay
	kernel  *xdp.Backend // nil: none
	whyNot  string       // there is no kernel back end
	turn    *turn.Server // nil: off
	phones  *phones      // SIP; nil: off
	router  *routing.Router
	calls   *calls.Book
	bound   *registrations.Table
	shared  *shared          // with the cluster; nil: the node stands alone
	cluster *member.Member   // nil: the node is alone
	peering *peering         // what runs it
	pooling *pooling.Pooling // its licences with those of its peers
	damaged error            // why a node with peers runs without its part in the cluster; nil: it does not

	purgeFile string

	resources *resources.Resources
	licences  *licences.Keeper
	supplying sync.Mutex // one supply after the other

	board *alarms.Alarms

	records *eventlog.Queue // to standard output
	spread  spread
	unsent  unsent

	captures captures

	certificate atomic.Pointer[tls.Certificate]
	told        []string          // what watch has told to be degraded
	full        map[string]bool   // objects that watch has told to have no bandwidth left
	fullPeers   map[string]string // alarms that watch has raised about peers
	manager     manager

	routing  sync.Mutex // one dial plan after the other; guards resolved
	resolved map[string][]netip.Addr

	mu      sync.Mutex // guards what follows; the innermost lock of the node
	config  *config.Node
	state   api.State
	changed chan struct{}
	metrics string
	notes   []string

	https       []string // where administration over HTTPS is
	httpsFailed string   // why it is not

	maintenance bool
}

func newNode(n *config.Node, file string, state *stateDir, all []side, log *eventlog.Log) *node {
	log.Event("System Start", "Detail", "turnpike "+version(), "Platform", n.System.Platform, "Node-id", state.id)
	return &node{
		file: file, id: state.id, started: time.Now(), sides: all, log: log,
		config: n, state: api.Starting, changed: make(chan struct{}),
		resetFile: state.file(resetFile), restart: make(chan struct{}, 1),
	}
}

// attach gives the node its data plane.
func (n *node) attach(engine *relay.Engine, kernel *xdp.Backend, whyNot string, process *userspace.Relay) {
	n.engine, n.kernel, n.whyNot, n.process = engine, kernel, whyNot, process
	n.totals = &totals{Table: engine}
}

// note adds something an operator should know.
func (n *node) note(text string) {
	n.mu.Lock()
	n.notes = append(n.notes, text)
	n.mu.Unlock()
	n.log.Warn("System Note", "Detail", text)
}

func (n *node) metricsAt(where string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.metrics = where
}

func (n *node) ready() {
	n.become(api.Ready)
	n.spread.since(n.kernel) // counts from now on
	st := n.Status()
	n.log.Event("System Ready", "Detail", "path="+st.Path, "Degraded", len(st.Degraded))
}

// stopped tells how the node ended.
func (n *node) stopped(err error) {
	n.become(api.Stopping)
	if err != nil && !errors.Is(err, errRestart) {
		n.log.Error("System Stop", "Detail", err)
		return
	}
	n.log.Event("System Stop", "Detail", "media goes on in the kernel for "+relay.LeaseTime.String())
}

func (n *node) become(s api.State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state = s
	close(n.changed)
	n.changed = make(chan struct{})
}

// Changed is closed at the next change of state.
func (n *node) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

// Status says how the node is.
func (n *node) Status() api.Status {
	ifs := n.interfaces()
	n.mu.Lock()
	c := n.config
	st := api.Status{
		Version: version(), ID: n.id, Name: c.System.Name, Role: string(c.System.Role), Platform: string(c.System.Platform), File: absolute(n.file),
		State: n.state, PID: os.Getpid(), Started: n.started, Uptime: time.Since(n.started).Seconds(),
		Path: overall(ifs), Interfaces: ifs, Metrics: n.metrics, Notes: slices.Clone(n.notes), Degraded: []string{},
	}
	st.Draining = n.maintenance
	st.HTTPS = slices.Clone(n.https)
	if n.httpsFailed != "" {
		st.Degraded = append(st.Degraded, n.httpsFailed)
	}
	n.mu.Unlock()
	st.TURN = n.turnStatus(c)
	st.Relays = n.relaysUsed(c)
	n.addCarried(&st, c)
	st.Degraded = append(st.Degraded, degraded(c, ifs, st)...)
	if banner := n.resetBanner(); banner != "" {
		st.Degraded = append(st.Degraded, banner)
	}
	if n.damaged != nil {
		st.Degraded = append(st.Degraded, "the node serves without its cluster: "+n.damaged.Error())
	}
	st.Cluster = n.Clustering().Brief()
	st.Alarms = n.standing()
	if st.Draining && st.Relays.Used+st.Calls.Used+st.Registrations.Used == 0 {
		st.Notes = append(st.Notes, "maintenance mode is on and the node is empty")
	}
	if c.TURN.Loopback {
		st.Notes = append(st.Notes, "peers in 127.0.0.0/8 are allowed (turn.allow_loopback): for trying out only")
	}
	return st
}

// degraded lists what does not work as configured.
func degraded(c *config.Node, ifs []api.Interface, st api.Status) []string {
	var out []string
	if !c.TURN.Mode && len(ifs) == 0 {
		out = append(out, "closed: nothing is served: name interfaces and users in the node file, write turn: {mode: on} and restart")
	}
	for _, i := range ifs {
		if i.Path != string(relay.PathXDP) && c.Dataplane.Mode != config.PathUserspace {
			out = append(out, fmt.Sprintf("%s: media goes through the process: %s", i.Name, i.Reason))
		}
	}
	if c.TURN.Mode && len(c.TURN.Users)+len(c.TURN.Secrets) == 0 {
		out = append(out, "nobody may use TURN: add turn.users or turn.secrets and reload")
	}
	if c.Admin.HTTPS.Mode && len(c.Admin.Accounts) == 0 {
		out = append(out, "nobody may log in over HTTPS: make an account with `turnpike account set NAME --role admin`")
	}
	if st.Relays.Used >= st.Relays.Limit && st.Relays.Limit > 0 {
		out = append(out, fmt.Sprintf("all %d relays are in use: new ones are refused", st.Relays.Limit))
	}
	return out
}

// overall names the path of the whole node.
func overall(ifs []api.Interface) string {
	path := ""
	for _, i := range ifs {
		switch {
		case path == "":
			path = i.Path
		case path != i.Path:
			return "mixed"
		}
	}
	return path
}

func (n *node) turnStatus(c *config.Node) api.TURN {
	if n.turn == nil {
		return api.TURN{Mode: "off"}
	}
	t := api.TURN{Mode: "on", Realm: c.TURN.Realm}
	for _, l := range listenOn(n.sides, c.Ports()...) {
		t.Listen = append(t.Listen, "udp "+l.String())
		if c.TURN.TCP {
			t.Listen = append(t.Listen, "tcp "+l.String())
		}
	}
	if c.TURN.TLS != nil {
		for _, l := range listenOn(n.sides, c.TURN.TLS.Port) {
			t.Listen = append(t.Listen, "tls "+l.String())
		}
	}
	relays, _ := relayAddrs(n.sides, c.Interfaces) // they were right at the start
	for _, r := range relays {
		t.Relay = append(t.Relay, api.RelayAddress{Local: r.Local.String(), Public: r.Public.String()})
	}
	return t
}

// interfaces says of each side who relays on it.
func (n *node) interfaces() []api.Interface {
	byName := map[string]xdp.Interface{}
	if n.kernel != nil {
		for _, i := range n.kernel.Status().Interfaces {
			byName[i.Name] = i
		}
	}
	var out []api.Interface
	for _, s := range n.sides {
		i := api.Interface{Name: s.name, Side: "external", Addresses: texts(s.addrs), MTU: s.mtu, Driver: s.driver, Path: string(relay.PathUserspace), Reason: n.whyNot}
		if s.internal {
			i.Side = "internal"
		}
		if k, ok := byName[s.name]; ok {
			i.Reason, i.VLAN, i.Under = k.Reason, k.VLAN, k.Under
			if k.Mode != xdp.ModeNone {
				i.Path, i.Mode = string(relay.PathXDP), string(k.Mode)
			}
		}
		out = append(out, i)
	}
	return out
}

func texts(addrs []netip.Addr) []string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return out
}

// requireXDP ends a start that was told to have XDP everywhere and does not.
func (n *node) requireXDP() error {
	if n.config.Dataplane.Mode != config.PathXDP {
		return nil
	}
	var errs []error
	for _, i := range n.interfaces() {
		if i.Path != string(relay.PathXDP) {
			errs = append(errs, fmt.Errorf("dataplane.mode is xdp, and XDP cannot run: %s", i.Reason))
		}
	}
	return errors.Join(errs...)
}
