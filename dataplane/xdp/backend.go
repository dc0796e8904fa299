// Package xdp relays in the kernel: it loads the program of package bpf, attaches it
// to the node's interfaces, and keeps the flows, permissions and next hops that the
// program reads. Everything is pinned, so that media goes on while no process lives
// and a new process takes over what the old one left.
package xdp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

var _ relay.Kernel = (*Backend)(nil)

// Config says where and how large.
type Config struct {
	PinDir     string   // see PinDir
	Interfaces []string // by name
	MaxFlows   int      // at most 65536, which 0 means too; further flows stay in the process
	// Generic allows generic XDP where there is no native one (ME-03).
	Generic bool
}

// Backend is the kernel's relay. Its methods may be called from any goroutine; mu is
// the innermost lock of the data plane.
type Backend struct {
	cfg    Config
	pins   pins
	cpus   int
	maps   bpf.RelayMaps
	prog   *ebpf.Program
	memory *memory

	crowd  sync.Mutex // guards memory.crowd against Close
	secret uint64     // of its hashes

	mu       sync.Mutex
	running  *ebpf.Program // prog, or what stands in for it
	progID   uint32        // of running
	active   bool
	swept    bool
	ports    []*port
	attached map[int]*attachment // by device
	router   *router
	gate     *gate
	ids      ids
	hops     *hopTable
	buckets  *buckets
	flows    map[uint32]*installed
	byKey    map[bpf.RelayFlowKey]uint32
	orphans  map[bpf.RelayFlowKey]uint32 // key to slot, of an earlier process
	tx       map[int]uint32              // interface to index in tx_devices

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// maxFlows is MAX_FLOWS in bpf/layout.h.
const maxFlows = 65536

// Open loads the program and its maps, taking over the maps that an earlier process
// pinned. Packets meet the program from Activate on; put the flows in before.
func Open(cfg Config) (*Backend, error) {
	r, err := newRouter()
	if err != nil {
		return nil, err
	}
	return openOn(cfg, r)
}

// openOn opens on the system as a router sees it.
func openOn(cfg Config, r *router) (*Backend, error) {
	if cfg.MaxFlows <= 0 || cfg.MaxFlows > maxFlows {
		cfg.MaxFlows = maxFlows
	}
	b := &Backend{
		cfg:      cfg,
		router:   r,
		attached: map[int]*attachment{},
		ids:      ids{limit: uint32(cfg.MaxFlows)},
		flows:    map[uint32]*installed{},
		byKey:    map[bpf.RelayFlowKey]uint32{},
		orphans:  map[bpf.RelayFlowKey]uint32{},
		tx:       map[int]uint32{},
	}
	if err := b.load(); err != nil {
		b.router.close()
		return nil, err
	}
	b.findTx()
	if err := errors.Join(b.findOrphans(), b.router.reload()); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	for _, name := range cfg.Interfaces {
		b.ports = append(b.ports, &port{name: name, why: "not attached yet"})
	}
	return b, nil
}

// load brings program and maps into the kernel.
func (b *Backend) load() error {
	if err := rlimit.RemoveMemlock(); err != nil {
		return fmt.Errorf("lift the limit on locked memory: %w", err)
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count CPUs: %w", err)
	}
	b.cpus = cpus
	if b.pins, err = openPins(b.cfg.PinDir, b.cfg.MaxFlows, cpus); err != nil {
		return err
	}
	spec, err := bpf.LoadRelay()
	if err != nil {
		return fmt.Errorf("read XDP program: %w", err)
	}
	b.size(spec)
	b.secret = rand.Uint64() | 1
	if err := b.setConstants(spec); err != nil {
		return err
	}
	tables, err := b.openTables(spec)
	if err != nil {
		return err
	}
	defer tables.Close() //nolint:errcheck // the collection has its own
	loaded, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		Maps:            ebpf.MapOptions{PinPath: b.pins.maps},
		MapReplacements: map[string]*ebpf.Map{variables: tables},
	})
	if err != nil {
		return fmt.Errorf("load XDP program: %w", err)
	}
	defer loaded.Close() // what Assign takes out of it stays
	if b.memory, err = mapMemory(loaded.Maps[variables], loaded.Maps[bpf.RelayMapStats], loaded.Maps[bpf.RelayMapMoreStats],
		loaded.Maps[bpf.RelayMapShares], loaded.Maps[bpf.RelayMapCrowds]); err != nil {
		return err
	}
	var objects bpf.RelayObjects
	if err := loaded.Assign(&objects); err != nil {
		b.memory.unmap()
		return fmt.Errorf("load XDP program: %w", err)
	}
	b.maps, b.prog = objects.RelayMaps, objects.Turnpike
	b.running, b.progID = b.prog, programID(b.prog)
	b.gate, b.hops = newGate(&b.maps, b.memory), newHopTable(b.memory)
	b.buckets = newBuckets(b.memory, cpus, b.cfg.MaxFlows)
	return nil
}

func (b *Backend) setConstants(spec *ebpf.CollectionSpec) error {
	err := errors.Join(
		spec.Variables[bpf.RelayVarFlowsPerCpu].Set(uint32(b.cfg.MaxFlows)),
		spec.Variables[bpf.RelayVarCrowdSecret].Set(b.secret),
	)
	if err != nil {
		return fmt.Errorf("set the program's constants: %w", err)
	}
	return nil
}

// openTables makes the tables, or opens those that an earlier process left. The loader
// would write the variables' first values, zeros, over the flows in them.
func (b *Backend) openTables(spec *ebpf.CollectionSpec) (*ebpf.Map, error) {
	empty := spec.Maps[variables].Copy()
	empty.Contents = nil
	m, err := ebpf.NewMapWithOptions(empty, ebpf.MapOptions{PinPath: b.pins.maps})
	if err != nil {
		return nil, fmt.Errorf("make the program's tables: %w", err)
	}
	return m, nil
}

func programID(p *ebpf.Program) uint32 {
	if info, err := p.Info(); err == nil {
		if id, ok := info.ID(); ok {
			return uint32(id)
		}
	}
	return 0 // only before Linux 4.13
}

// variables is the map of the program's global variables, which are its tables.
const variables = ".bss"

// size gives the maps their sizes and has them pinned.
func (b *Backend) size(spec *ebpf.CollectionSpec) {
	n := uint32(b.cfg.MaxFlows)
	spec.Maps[bpf.RelayMapFlows].MaxEntries = n
	spec.Maps[bpf.RelayMapStats].MaxEntries = n * uint32(b.cpus)
	spec.Maps[bpf.RelayMapMoreStats].MaxEntries = n * uint32(b.cpus)
	spec.Maps[bpf.RelayMapShares].MaxEntries = n * uint32(b.cpus)
	spec.Maps[bpf.RelayMapPermissions].MaxEntries = 2 * n
	spec.Maps[variables].Name = "tables" // bpffs takes no dots
	spec.Maps[variables].Flags |= unix.BPF_F_MMAPABLE
	spec.Maps[variables].Contents = nil // zeroes: the kernel has them, 20 MiB
	for name, m := range spec.Maps {
		if !ofOneProgram(name) {
			m.Pinning = ebpf.PinByName
		}
	}
}

// ofOneProgram: constants, and what only matters for a moment, are not taken over.
func ofOneProgram(name string) bool {
	return name == bpf.RelayMapCrowds || name[0] == '.' && name != variables
}

// Activate has the program meet packets: it is attached to the interfaces, or takes
// the place of an earlier process's program without a packet in between. From here on
// the process's heartbeat beats and changes of links, routes and neighbours are followed.
func (b *Backend) Activate() error {
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	b.heartbeat()
	b.done.Go(func() { b.beatUntil(ctx) })
	b.mu.Lock()
	b.active = true
	err := b.router.loadDevices() // they may have changed since Open
	b.takeOverWaiting()
	b.disinherit()
	b.attachAll()
	links := b.links()
	b.mu.Unlock()
	b.done.Go(func() { b.watch(ctx) })
	return errors.Join(err, b.pins.dropLinks(links), b.pins.dropOthers())
}

func (b *Backend) heartbeat() { atomic.StoreUint64(b.memory.heartbeat, monotonic()) }

// Heartbeat is when the kernel last heard that the process lives.
func (b *Backend) Heartbeat() time.Time {
	return fromMonotonic(atomic.LoadUint64(b.memory.heartbeat))
}

func (b *Backend) beatUntil(ctx context.Context) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			b.heartbeat()
		}
	}
}

// reload reads the system anew: devices, routes and neighbours.
func (b *Backend) reload() {
	if b.readSystem(b.router.reload) {
		b.refresh()
	}
}

// recheck reads the devices anew; routes are as they were. Flows are gone through when
// a device or, as the caller says, a neighbour is not as it was.
func (b *Backend) recheck(neighbours bool) {
	b.mu.Lock()
	before := b.router.devices
	b.mu.Unlock()
	if !b.readSystem(b.router.loadDevices) {
		return
	}
	b.mu.Lock()
	same := maps.EqualFunc(before, b.router.devices, device.equal)
	b.mu.Unlock()
	if neighbours || !same {
		b.refresh()
	}
}

// readSystem reports whether the system could be read; else the next look brings it.
func (b *Backend) readSystem(read func() error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := read(); err != nil {
		return false
	}
	if b.active {
		b.attachAll()
	}
	return true
}

// ingressReason says why packets to a local address do not meet the program.
func (b *Backend) ingressReason(local netip.Addr) string {
	index, ok := b.router.ownerOf(local)
	if !ok {
		return fmt.Sprintf("no interface has the address %s", local)
	}
	for _, p := range b.ports {
		if p.index != index {
			continue
		}
		if mode, why := p.state(); mode == ModeNone {
			return why
		}
		return ""
	}
	return fmt.Sprintf("interface %s is not one of the node's", b.router.devices[index].name)
}

// txIndex returns where the program finds an interface to send by.
func (b *Backend) txIndex(ifindex int) (uint32, error) {
	if i, ok := b.tx[ifindex]; ok {
		return i, nil
	}
	used := map[uint32]bool{}
	for old, i := range b.tx {
		if _, there := b.router.devices[old]; there {
			used[i] = true
		} else {
			delete(b.tx, old) // an interface that is gone leaves its place
		}
	}
	for _, u := range b.hops.byHop {
		if u.entry.Usable != 0 { // packets still go by it
			used[uint32(u.entry.Tx)] = true
		}
	}
	free := uint32(0)
	for used[free] {
		free++
	}
	return free, b.setTx(ifindex, free)
}

func (b *Backend) setTx(ifindex int, index uint32) error {
	if err := b.maps.TxDevices.Put(index, uint32(ifindex)); err != nil {
		return fmt.Errorf("add interface %d to send by: %w", ifindex, err)
	}
	b.tx[ifindex] = index
	return nil
}

// findTx reads which interfaces an earlier process's flows leave by.
func (b *Backend) findTx() {
	for i := range b.maps.TxDevices.MaxEntries() {
		var ifindex uint32
		if err := b.maps.TxDevices.Lookup(i, &ifindex); err == nil {
			b.tx[int(ifindex)] = i
		}
	}
}

// Close lets go of everything. What is pinned stays: media goes on under its lease.
func (b *Backend) Close() error {
	if b.cancel != nil {
		b.cancel()
		b.done.Wait()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.attached {
		a.close()
	}
	b.crowd.Lock()
	b.memory.crowd = nil
	b.crowd.Unlock()
	b.memory.unmap()
	b.router.close()
	return errors.Join(b.prog.Close(), b.maps.Close())
}

// Program is the program that packets meet, for whoever measures it.
func (b *Backend) Program() *ebpf.Program {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running
}
