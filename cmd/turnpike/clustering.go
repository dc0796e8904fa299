package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/cluster/mesh"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/troubles"
	"turnpike.dev/turnpike/cluster/wire"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/pooling"
	"turnpike.dev/turnpike/control/registrations/peers"
)

const (
	// clusterDir is where a node keeps what it knows of its cluster in its state directory.
	clusterDir = "cluster"
	memberFile = "member.json"
	// agreementDir is raft's, in it.
	agreementDir = "agreement"
	// farewell is how long a node that ends takes to tell its peers.
	farewell = 500 * time.Millisecond
)

// peering is a running node's part in its cluster: the member, and what it speaks over.
type peering struct {
	node   *node
	member *member.Member
	mesh   *mesh.Mesh
	agreed *agreement.Agreement
	names  names
	dir    string
	local  netip.Addr             // that peers reach this node at; unspecified: nobody can tell
	entry  string                 // this node's in the list at its start
	found  atomic.Pointer[string] // which it was when DNS was asked last
	again  chan struct{}

	settling sync.Mutex // so that what is configured is told in its order
}

// join makes a node's part in its cluster, where it has peers. A list that comes later waits for a restart.
func (n *node) join(ctx context.Context, c *config.Node, state *stateDir, log *eventlog.Log) error {
	if len(c.Cluster.Peers) == 0 {
		n.tellPermissive()
		n.board.Lower(alarmDatabase, "")
		n.lowerCluster()
		return nil
	}
	own, err := localNames(c)
	if err != nil {
		return err
	}
	p := &peering{node: n, names: own, dir: state.file(clusterDir), again: make(chan struct{}, 1)}
	n.purgeFile = state.file(purgeFile)
	index, local := p.names.index(c), p.names.local(c)
	if index < 0 {
		index, local = p.names.ask(ctx, c)
	}
	if index >= 0 {
		p.entry = c.Cluster.Peers[index]
		p.found.Store(&p.entry)
	}
	p.local = local
	if err := p.open(c, log); err != nil {
		n.withoutCluster(err)
		return nil
	}
	n.board.Lower(alarmDatabase, "")
	n.shared.connect(p.member)
	n.answers(p.member)
	n.pool(p.member, p.agreed)
	p.answerPeers()
	n.peering, n.cluster = p, p.member
	p.settle()
	n.store.SetCluster(p)
	n.store.SetGuard(func(changes []config.Change) error { return clustering.Guard(n.Clustering(), changes) })
	n.store.Subscribe(func(store.Update) { p.take() }, "cluster", "cluster_tls", "cluster_mapping", "h323.mode")
	return nil
}

// open opens what the node keeps of its cluster, and makes the parts that work with it. Nothing runs yet.
func (p *peering) open(c *config.Node, log *eventlog.Log) (err error) {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("make the cluster's folder: %w", err)
	}
	if err := purgeIfArmed(p.node.purgeFile, p.dir, log.Module("cluster.database")); err != nil {
		return err
	}
	if p.member, err = p.newMember(c, p.dir, log); err != nil {
		return err
	}
	if p.agreed, err = p.openAgreement(p.dir, log); err != nil {
		return err
	}
	p.member.Agree(p.agreed)
	if p.mesh, err = p.newMesh(c, p.local, p.dir, log); err != nil {
		return errors.Join(err, p.agreed.Close())
	}
	p.member.Connect(p.mesh)
	return nil
}

func (p *peering) newMember(c *config.Node, dir string, log *eventlog.Log) (*member.Member, error) {
	file := filepath.Join(dir, memberFile)
	kept, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read what the cluster kept: %w", err)
	}
	n := p.node
	return member.New(member.Config{
		Self: cluster.ID(n.id), Name: c.System.Name, Software: version(), Protocol: wire.Protocol,
		Port: uint16(c.Cluster.Port), SIPTLS: sipTLSPort(c), ActiveTLS: string(c.ClusterTLS),
		Kept: kept, Keep: func(data []byte) error { return n.keep(file, data) },
		Documents: n.store, Rows: n.shared.rows(), Newer: peers.Newer, Alarms: n.board, Standing: n.standingTroubles(), Log: log.Module("cluster.member"),
		Now: time.Now, Boot: sinceBoot, NewID: newID,
	})
}

func (p *peering) openAgreement(dir string, log *eventlog.Log) (*agreement.Agreement, error) {
	return agreement.Open(agreement.Config{
		Self: cluster.ID(p.node.id), Dir: filepath.Join(dir, agreementDir), Boot: sinceBoot, Log: log.Module("cluster.agreement"),
		Dial:    func(ctx context.Context, to cluster.ID) (net.Conn, error) { return p.mesh.Raft(ctx, to) },
		Applied: p.member.Applied,
	})
}

func (p *peering) newMesh(c *config.Node, local netip.Addr, dir string, log *eventlog.Log) (*mesh.Mesh, error) {
	return mesh.New(mesh.Config{
		Self: cluster.ID(p.node.id), Local: local, Port: uint16(c.Cluster.Port), RecoveryPort: uint16(c.Cluster.RecoveryPort),
		SourcePorts: [2]uint16{c.Cluster.SourcePorts.Start, c.Cluster.SourcePorts.End}, UDPPort: rasPort(c),
		Certificate: p.node.certificates.Server, Verify: p.node.trusts, Enforce: c.ClusterTLS == config.TLSEnforce,
		Files: stateFiles{}, Dir: dir, Resolve: p.names.resolve,
		Hello: p.member.Hello, Probe: p.node.probe, Handler: p.member.Handler(), Log: log.Module("cluster.mesh"),
	})
}

func sipTLSPort(c *config.Node) uint16 {
	if !c.SIP.Mode {
		return 0
	}
	return uint16(c.SIP.TLS)
}

// run is the node in its cluster. At the end the others are told, so that they need not find out.
func (p *peering) run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 5)
	var parts sync.WaitGroup
	for _, part := range []func(context.Context) error{p.mesh.Run, p.member.Run, p.search, p.share, p.node.pooling.Run} {
		parts.Go(func() { ended <- part(inner) })
	}
	var err error
	select {
	case <-ctx.Done():
		leaving, done := context.WithTimeout(inner, farewell)
		_ = p.member.Leave(leaving) // they find out
		done()
	case err = <-ended:
	}
	cancel() // from here on shared items cannot be changed any more
	parts.Wait()
	return errors.Join(err, p.agreed.Close())
}

// share tells the peers of this node's rows, and knows theirs.
func (p *peering) share(ctx context.Context) error { return p.node.shared.run(ctx, p.member) }

// take follows a change of the configuration.
func (p *peering) take() {
	p.settle()
	select {
	case p.again <- struct{}{}:
	default:
	}
}

// place is which entry of the list this node is, as far as that can be seen without DNS, or was by DNS when it was asked
// last; -1: none.
func (p *peering) place(c *config.Node) int {
	if index := p.names.index(c); index >= 0 {
		return index
	}
	found := p.found.Load()
	return slices.IndexFunc(c.Cluster.Peers, func(entry string) bool { return found != nil && entry == *found })
}

// search asks DNS which entry of the list this node is, where that cannot be seen.
func (p *peering) search(ctx context.Context) error {
	every := time.NewTicker(10 * time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.again:
		case <-every.C:
		}
		c := p.node.store.Current().Node
		if p.names.index(c) >= 0 {
			continue
		}
		if index, _ := p.names.ask(ctx, c); index >= 0 && index != p.place(c) {
			p.found.Store(&c.Cluster.Peers[index])
			p.settle()
		}
	}
}

// settle tells the member what is configured now: who waited for DNS has nothing to say that is newer.
func (p *peering) settle() {
	p.settling.Lock()
	defer p.settling.Unlock()
	c := p.node.store.Current().Node
	mapping := map[string]netip.Addr(nil)
	if c.Mapping.Mode {
		mapping = make(map[string]netip.Addr, len(c.Mapping.Entries))
		for _, e := range c.Mapping.Entries {
			mapping[e.Name] = e.Address
		}
	}
	p.node.tellPermissive()
	p.member.Settings(p.node.settings(c), p.place(c), mapping)
	p.member.Local(member.Local{NoH323: !bool(c.H323.Mode), Restart: p.waiting(p.node.running(), c), Reset: p.node.store.Fresh() || p.agreedToLose()})
}

// alarmPermissive is "Cluster TLS permissive" (facts A5).
const alarmPermissive = 40049

// tellPermissive tells that peers do not check each other's certificates, in the mode that is active (CL-05).
func (n *node) tellPermissive() {
	if n.cluster != nil && n.running().ClusterTLS != config.TLSEnforce {
		n.board.Raise(alarmPermissive, "", "cluster_tls is permissive")
		return
	}
	n.board.Lower(alarmPermissive, "")
}

// waiting lists the items of the cluster, but its TLS mode, that take effect at the next start.
func (p *peering) waiting(running, c *config.Node) []string {
	var out []string
	if p.entry != "" && !slices.Contains(c.Cluster.Peers, p.entry) {
		out = append(out, "cluster.peers")
	}
	for _, change := range config.Diff(running, c) {
		if item, ok := config.Lookup(change.Path); ok && item.Section() == "cluster" && !item.Live() {
			out = append(out, change.Path)
		}
	}
	return out
}

var _ store.Cluster = (*peering)(nil)

// Propose implements store.Cluster.
func (p *peering) Propose(ctx context.Context, c revisions.Propose) error {
	return p.member.Propose(ctx, c)
}

// Primary implements store.Cluster.
func (p *peering) Primary() (address string, here bool) {
	s := p.member.Status()
	for _, peer := range s.Peers {
		if peer.ID != "" && peer.ID == s.Follows {
			address = peer.Address
		}
	}
	return address, s.Acting
}

// clusterNumbers are the alarms that a node's part in its cluster raises.
var clusterNumbers = []int{20003, 20004, 20005, 20006, 20008, 20009, 20011, 20012, 20014, 20015, 20016, 20017, 20018, 20019, 20020, 20021, 20024, 20025, 20026, 29001, 29002, 29003}

// standingTroubles are those of an earlier process.
func (n *node) standingTroubles() []troubles.Trouble {
	var out []troubles.Trouble
	for _, a := range n.board.List() {
		if a.Stands() && slices.Contains(clusterNumbers, a.Number) {
			out = append(out, troubles.Trouble{Number: a.Number, Key: a.Key, Detail: a.Detail})
		}
	}
	return out
}

// lowerCluster lowers what an earlier process has raised as a member of a cluster, where this one has no part in any:
// nobody else does.
func (n *node) lowerCluster() {
	for _, t := range n.standingTroubles() {
		n.board.Lower(t.Number, t.Key)
	}
	pooling.LowerAway(n.board, n.board.List())
	for _, a := range n.board.List() {
		if a.Number == alarmPeerFull && a.Stands() {
			n.board.Lower(a.Number, a.Key)
		}
	}
}

// newID returns an id that was never used.
func newID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return hex.EncodeToString(id[:])
}

// sinceBoot reads CLOCK_BOOTTIME: it goes on while the machine sleeps, and nobody sets it.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // the clock is there, and so is the memory
	return time.Duration(ts.Nano())
}
