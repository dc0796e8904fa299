package turn

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// network is a network inside the test: sockets of the node, a flow table that
// relays, a gate that keeps strangers out, and hosts that only collect. Nothing
// moves by itself: a packet is on its way until the test runs the network.
type network struct {
	t *testing.T

	mu      sync.Mutex
	queue   []datagram
	sockets map[netip.AddrPort]*fakeSocket
	hosts   map[netip.AddrPort][]datagram
	pairs   map[relay.ID]relay.Pair
	flows   map[relay.Key]flowAt
	nextID  relay.ID
	ports   map[netip.AddrPort]relay.PortKind
	permits map[permitKey]time.Time
	taken   map[netip.AddrPort]bool // by somebody else
	room    int                     // pairs that fit; 0: no limit

	strangers, relayed int
}

type datagram struct {
	src, dst netip.AddrPort
	payload  []byte
	meta     relay.Meta
}

type flowAt struct {
	id  relay.ID
	dir relay.Direction
}

type permitKey struct {
	local netip.AddrPort
	peer  netip.Addr
}

var (
	_ relay.Table   = (*network)(nil)
	_ relay.Gate    = (*network)(nil)
	_ relay.Sockets = (*network)(nil)
)

func newNetwork(t *testing.T) *network {
	return &network{
		t:       t,
		sockets: make(map[netip.AddrPort]*fakeSocket),
		hosts:   make(map[netip.AddrPort][]datagram),
		pairs:   make(map[relay.ID]relay.Pair),
		flows:   make(map[relay.Key]flowAt),
		ports:   make(map[netip.AddrPort]relay.PortKind),
		permits: make(map[permitKey]time.Time),
		taken:   make(map[netip.AddrPort]bool),
	}
}

// send puts a datagram on its way; run delivers it.
func (n *network) send(src, dst netip.AddrPort, payload []byte, m relay.Meta) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queue = append(n.queue, datagram{src, dst, slices.Clone(payload), m})
}

// run delivers until nothing is on its way.
func (n *network) run() {
	for {
		n.mu.Lock()
		if len(n.queue) == 0 {
			n.mu.Unlock()
			return
		}
		d := n.queue[0]
		n.queue = n.queue[1:]
		if n.relay(d) {
			n.mu.Unlock()
			continue
		}
		sock := n.sockets[d.dst]
		if sock == nil {
			n.hosts[d.dst] = append(n.hosts[d.dst], d)
		} else if n.ports[d.dst] == relay.PortRelay &&
			!time.Now().Before(n.permits[permitKey{d.dst, d.src.Addr()}]) {
			n.strangers++
			sock = nil
		}
		n.mu.Unlock()
		if sock != nil {
			sock.handler(sock, relay.Datagram{Local: d.dst, Remote: d.src, Payload: d.payload, Meta: d.meta})
		}
	}
}

// relay does what a flow says, and tells whether there was one.
func (n *network) relay(d datagram) bool {
	key := relay.Key{Local: d.dst, Remote: d.src}
	data := d.payload
	if n.ports[d.dst] == relay.PortListener && len(data) >= 4 && data[0]>>6 == 1 {
		size := int(binary.BigEndian.Uint16(data[2:]))
		if size > len(data)-4 {
			return false
		}
		key.Channel = binary.BigEndian.Uint16(data)
		data = data[4 : 4+size]
	}
	at, ok := n.flows[key]
	if !ok || n.expired(at.id) {
		return false
	}
	n.relayed++
	f := n.pairs[at.id].Flows[at.dir]
	if f.Out.Channel != 0 {
		data = appendChannelData(nil, f.Out.Channel, data)
	}
	if f.Sink != nil {
		f.Sink(data)
		return true
	}
	n.queue = append(n.queue, datagram{f.Out.Src, f.Out.Dst, slices.Clone(data), relay.Meta{}})
	return true
}

func (n *network) expired(id relay.ID) bool {
	end := n.pairs[id].NotAfter
	return !end.IsZero() && !time.Now().Before(end)
}

// holds is what the node has open.
type holds struct{ Sockets, Ports, Permits, Pairs int }

func (n *network) holds() holds {
	n.mu.Lock()
	defer n.mu.Unlock()
	return holds{len(n.sockets), len(n.ports), len(n.permits), len(n.pairs)}
}

func (n *network) isOpen(a netip.AddrPort) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sockets[a] != nil
}

// receive returns what the host got since the last call.
func (n *network) receive(host netip.AddrPort) []datagram {
	n.run()
	n.mu.Lock()
	defer n.mu.Unlock()
	got := n.hosts[host]
	delete(n.hosts, host)
	return got
}

// crash is the end of the process: its sockets are gone, flows stay.
func (n *network) crash() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sockets = make(map[netip.AddrPort]*fakeSocket)
	n.pairs = make(map[relay.ID]relay.Pair)
	n.flows = make(map[relay.Key]flowAt)
	n.permits = make(map[permitKey]time.Time)
	n.ports = make(map[netip.AddrPort]relay.PortKind)
}

// --- relay.Table

func (n *network) Add(p relay.Pair) (relay.ID, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.room > 0 && len(n.pairs) >= n.room {
		return 0, relay.ErrFull
	}
	for _, f := range p.Flows {
		if _, ok := n.flows[f.Key]; ok {
			return 0, relay.ErrExists
		}
	}
	if n.sockets[p.Flows[relay.Down].Key.Local] == nil {
		n.t.Errorf("pair %s added before its relay port is open", p.Owner)
	}
	n.nextID++
	n.pairs[n.nextID] = p
	for d, f := range p.Flows {
		n.flows[f.Key] = flowAt{n.nextID, relay.Direction(d)}
	}
	return n.nextID, nil
}

func (n *network) Update(relay.ID, relay.Pair) error { panic("not used by turn") }

func (n *network) Renew(id relay.ID, end time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, ok := n.pairs[id]
	if !ok {
		return relay.ErrNotFound
	}
	p.NotAfter = end
	n.pairs[id] = p
	return nil
}

func (n *network) Remove(id relay.ID) ([2]relay.FlowStats, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, ok := n.pairs[id]
	if !ok {
		return [2]relay.FlowStats{}, relay.ErrNotFound
	}
	delete(n.pairs, id)
	for _, f := range p.Flows {
		delete(n.flows, f.Key)
	}
	return [2]relay.FlowStats{}, nil
}

func (n *network) Stats(id relay.ID) (relay.PairInfo, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, ok := n.pairs[id]
	if !ok {
		return relay.PairInfo{}, relay.ErrNotFound
	}
	return relay.PairInfo{ID: id, Pair: p}, nil
}

func (n *network) List() []relay.PairInfo {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []relay.PairInfo
	for id, p := range n.pairs {
		list = append(list, relay.PairInfo{ID: id, Pair: p})
	}
	return list
}

func (n *network) Forward(k relay.Key, payload []byte) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, ok := n.flows[k]
	if !ok || n.expired(at.id) || !n.pairs[at.id].Flows[at.dir].Stream {
		return false
	}
	n.relayed++
	f := n.pairs[at.id].Flows[at.dir]
	n.queue = append(n.queue, datagram{f.Out.Src, f.Out.Dst, slices.Clone(payload), relay.Meta{}})
	return true
}

// --- relay.Gate

func (n *network) OpenPort(local netip.AddrPort, kind relay.PortKind) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ports[local] = kind
	return nil
}

func (n *network) ClosePort(local netip.AddrPort) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.ports, local)
	return nil
}

func (n *network) Permit(local netip.AddrPort, peer netip.Addr, until time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.permits[permitKey{local, peer}] = until
	return nil
}

func (n *network) Revoke(local netip.AddrPort, peer netip.Addr) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.permits, permitKey{local, peer})
	return nil
}

// --- relay.Sockets

type fakeSocket struct {
	net     *network
	local   netip.AddrPort
	handler func(relay.Socket, relay.Datagram)
}

func (n *network) Open(local netip.AddrPort, handler func(relay.Socket, relay.Datagram)) (relay.Socket, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sockets[local] != nil || n.taken[local] {
		return nil, syscall.EADDRINUSE
	}
	s := &fakeSocket{net: n, local: local, handler: handler}
	n.sockets[local] = s
	return s, nil
}

func (s *fakeSocket) Local() netip.AddrPort { return s.local }

func (s *fakeSocket) Send(payload []byte, dst netip.AddrPort, m relay.Meta) error {
	s.net.send(s.local, dst, payload, m)
	return nil
}

func (s *fakeSocket) Close() error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	delete(s.net.sockets, s.local)
	if _, open := s.net.ports[s.local]; open {
		return nil // the server stops: flows stay
	}
	for k := range s.net.flows {
		if k.Local == s.local {
			s.net.t.Errorf("port %s closed with a flow from %s", s.local, k.Remote)
		}
	}
	for k := range s.net.permits {
		if k.local == s.local {
			s.net.t.Errorf("port %s closed with a permission for %s", s.local, k.peer)
		}
	}
	return nil
}
