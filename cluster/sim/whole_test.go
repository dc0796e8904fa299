package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/pool"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/sim"
)

// broken is what a wrapper around the cores does wrong.
type broken int

const (
	sound   broken = iota
	hasty          // a document is in force before it is durable
	talking        // what is a node's own is handed in
	ghosts         // rows of the lost are offered
	strange        // whoever answers is taken for a member
	lasting        // the ledger goes on as before in another history
)

func whole(b broken) sim.Trial {
	return sim.Trial{
		Name: "whole", Sizes: []int{1, 2, 3, 4, 5, 6}, Seeds: 1, Steps: 4000, Long: 10_000, Settle: 75 * time.Second, Calm: 3 * time.Second,
		New: func(w *sim.World) sim.Program { return newNodes(w, b) },
		Must: []string{
			"crash", "pause", "message lost", "message doubled", "message overtaken", "message cut off",
			"cut one way", "cut both ways", "cut off alone", "cut in a bridge", "cut in two",
			"founded", "joined", "primary changed", "peer taken off the list", "address changed", "reset", "forced", "upgrade", "TLS mode changed",
			"maintenance", "left", "policy changed", "used without a lease", "accepted", "deposed", "superseded", "lost", "granted", "denied", "leader changed", "counts aside",
			"alarm 20004", "alarm 20008", "alarm 20012", "alarm 20016", "alarm 20017", "alarm 20020",
		},
		Rare: []string{"torn write lost", "torn write kept"},
	}
}

// CL-01 to CL-04, CL-10, CL-12 to CL-18, RG-01, RG-04, LI-06: nodes with all their cores, to which everything happens that networks,
// disks, clocks and operators do. See checks_test.go for what must hold.
func TestSimulated(t *testing.T) { whole(sound).Run(t) }

func TestBrokenVariantsAreCaught(t *testing.T) {
	for name, b := range map[string]broken{
		"in force before it is durable": hasty,
		"what is a node's own travels":  talking,
		"rows of the lost are offered":  ghosts,
		"whoever answers is a member":   strange,
		"a ledger of another history":   lasting,
	} {
		t.Run(name, func(t *testing.T) {
			tr := whole(b)
			tr.Sizes = []int{2, 5}
			tr.Catch(t)
		})
	}
}

// nodes is a cluster of whole nodes.
type nodes struct {
	w         *sim.World
	broken    broken
	err       error
	ids       int
	texts     int
	version   int
	histories map[string]*history
	carried   map[string]map[int]bool // id, machine
	said      []string                // the id that a machine last told others
	policy    ledger.Policy           // of what is mixed
	branched  bool                    // the operator's word has freed what somebody may still use

	top     []revisions.Tag // the latest that a machine had in force
	what    map[revisions.Tag]string
	past    map[life][]rows.Digest // of an owner's table, by number
	aside   map[counting]*ledger.Table
	apart   [][]time.Duration // when two machines last did not reach each other, or one did not run
	near    [][]time.Duration // when messages last got from one to the other
	watched time.Duration
	final   string
	begun   time.Duration // when it was proposed
	who     int
	want    uint32
}

// keys are of all rows that there may be.
var keys = func() (out []rows.Key) {
	for k := range 20 {
		out = append(out, rows.Key(fmt.Sprint("k", k)))
	}
	return out
}()

type life struct {
	owner       cluster.ID
	incarnation cluster.Incarnation
}

func newNodes(w *sim.World, b broken) *nodes {
	size := len(w.Machines)
	n := &nodes{
		w: w, broken: b, histories: map[string]*history{}, carried: map[string]map[int]bool{}, said: make([]string, size),
		top: make([]revisions.Tag, size), what: map[revisions.Tag]string{}, past: map[life][]rows.Digest{},
		aside: map[counting]*ledger.Table{},
	}
	for _, m := range w.Machines {
		n.apart = append(n.apart, make([]time.Duration, size))
		n.near = append(n.near, make([]time.Duration, size))
		m.Put("software", "1")
		n.reset(m)
	}
	return n
}

func name(i int) cluster.ID { return cluster.ID(rune('a' + i)) }

func index(id cluster.ID) int { return int(id[0] - 'a') }

// entry is a machine's address: it has two.
func entry(i int, fqdn bool) string {
	if fqdn {
		return string(name(i)) + ".example.test"
	}
	return string(name(i)) + "-192.0.2." + fmt.Sprint(i)
}

// of is whose address an entry is.
func of(entry string) int { return int(entry[0] - 'a') }

// own is what each node has for itself (PS).
type own struct {
	name, tls string
	list      []string
	primary   int // machine
	decision  uint64
}

func (o own) at(i int) int {
	return slices.IndexFunc(o.list, func(e string) bool { return of(e) == i })
}

// reset gives a machine what a node file says: all of the list, the first as the primary.
func (n *nodes) reset(m *sim.Machine) {
	o := own{name: "cluster", tls: "permissive", decision: 1}
	for i := range n.w.Machines {
		o.list = append(o.list, entry(i, false))
	}
	m.Put("own", o)
	m.Put("revision", revisions.Stored{})
	m.Put("belonging", belonging{})
	m.Put("bindings", map[rows.Key]rows.Row{})
	m.Put("pool", map[cluster.ID]pool.Kept{})
	m.Put("use", map[ledger.Resource]uint32{})
	m.Put("reset", true)
	m.Put("maintenance", false)
	n.said[m.Index], n.top[m.Index] = "", revisions.Tag{}
}

func (n *nodes) fail(format string, args ...any) {
	if n.err == nil {
		n.err = fmt.Errorf(format, args...)
	}
}

func (n *nodes) Every() time.Duration { return 100 * time.Millisecond }

func (n *nodes) Start(m *sim.Machine) sim.Process {
	kept := m.Read("belonging").(belonging)
	stored := m.Read("revision").(revisions.Stored)
	if said := n.said[m.Index]; said != "" && kept.Cluster != said && !slices.Contains(kept.Earlier, said) {
		n.fail("%s starts with %q, and told others that it carries %q", name(m.Index), kept.Cluster, said)
	}
	if stored.Tag.Compare(n.top[m.Index]) < 0 {
		n.fail("%s starts with %s, and had %s in force", name(m.Index), stored.Tag, n.top[m.Index])
	}
	n.carry(m.Index, kept)
	for _, h := range n.histories {
		if h.leader == m.Index {
			h.leader = -1 // its process is another
		}
	}
	p := &node{
		n: n, m: m, id: name(m.Index), incarnation: cluster.Incarnation(m.Starts), software: m.Read("software").(string), tls: m.Read("own").(own).tls,
		contacts: map[cluster.ID]hello{}, inForce: stored.Tag.Digest, at: map[cluster.ID]rows.Copy{}, standing: map[alarm]time.Duration{}, free: map[ledger.Resource]bool{},
		bindings: maps.Clone(m.Read("bindings").(map[rows.Key]rows.Row)), use: maps.Clone(m.Read("use").(map[ledger.Resource]uint32)),
	}
	p.ceiling = maps.Clone(p.use)
	p.liveness = liveness.New(p.id, p.incarnation)
	p.rows = rows.New(rows.Config{
		Self: p.id, Incarnation: p.incarnation, Rows: p.bindings, Log: 24, Bytes: 200, Newer: func(a, b string) bool { return a > b },
	})
	p.revisions = revisions.New(revisions.Config{
		Self: p.id, Incarnation: p.incarnation, Software: p.software, Stored: stored, Initial: revisions.Propose{Bytes: "initial", Digest: "initial"},
	})
	p.membership = membership.New(membership.Config{Self: p.id, Stored: kept.Stored})
	p.ledger = ledger.New(ledger.Config{
		Self: p.id, Incarnation: p.incarnation, Cluster: kept.Cluster, Recovered: maps.Clone(p.use),
	}, ledger.NewTable())
	p.pool = pool.New(p.id, m.Now(), m.Read("pool").(map[cluster.ID]pool.Kept))
	n.past[life{p.id, p.incarnation}] = make([]rows.Digest, p.rows.Own().Seq+1)
	n.note(p)
	p.count(m.Now(), ledger.Members{Peers: []cluster.ID{p.id}})
	p.brings(m.Now(), pool.Brings{Peer: p.id, Amounts: pool.Amounts{loose: bring}})
	p.configure()
	return p
}

// carry notes that a machine has an id, and begins its history where it is the first.
func (n *nodes) carry(i int, b belonging) {
	if b.Cluster == "" {
		return
	}
	if n.carried[b.Cluster] == nil {
		n.carried[b.Cluster] = map[int]bool{}
	}
	n.carried[b.Cluster][i] = true
	if n.histories[b.Cluster] == nil && len(b.state.voters) > 0 {
		n.histories[b.Cluster] = &history{id: b.Cluster, version: b.state.version, newest: b.state, table: b.state.table(), leader: -1}
		if len(n.histories) > 1 {
			n.branched = true
		}
	}
}

// note remembers what a node's own rows are at their number.
func (n *nodes) note(p *node) {
	own := p.rows.Own()
	past := n.past[life{p.id, p.incarnation}]
	for int(own.Seq) >= len(past) {
		past = append(past, 0)
	}
	past[own.Seq] = own.Digest
	n.past[life{p.id, p.incarnation}] = past
}

// The same seed gives the same run of whole nodes: a core that does something in the order of a map would be found once and never again.
func TestSameSeedSameRunOfNodes(t *testing.T) {
	run := func() string {
		w := sim.NewWorld(3, 4, func(w *sim.World) sim.Program { return newNodes(w, sound) })
		if err := w.Run(5000); err != nil {
			t.Fatal(err)
		}
		return strings.Join(w.Trace(), "\n")
	}
	if diff := cmp.Diff(run(), run()); diff != "" {
		t.Error(diff)
	}
}
