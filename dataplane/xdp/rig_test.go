package xdp

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// Verdicts of a program (linux/bpf.h).
const (
	xdpAborted  = 0
	xdpDrop     = 1
	xdpPass     = 2
	xdpTX       = 3
	xdpRedirect = 4
)

// The next hops of the rig's flows, behind s0 and s1.
var (
	clientMAC = [6]byte{2, 0, 0, 0, 0xc, 1}
	peerMAC   = [6]byte{2, 0, 0, 0, 0xd, 1}
)

// rig is a back end in the node's namespace, whose program is run on packets that no
// wire carried. Clients are behind s0 and peers behind s1.
type rig struct {
	*Backend
	s0, s1  netlink.Link
	sockets []*net.UDPConn // of its ports
	trunk   *trunk         // nil: no VLANs
}

// The rig's addresses, as in lab.ThreeNodes.
var (
	listener4, listener6 = addr("198.18.0.1:3478"), addr("[fd00:0:0:1::1]:3478")
	client4, client6     = addr("198.18.0.2:40000"), addr("[fd00:0:0:1::2]:40000")
	relay4, relay6       = addr("198.18.1.1:24000"), addr("[fd00:0:0:2::1]:24000")
	peer4, peer6         = addr("198.18.1.2:6000"), addr("[fd00:0:0:2::2]:6000")
)

const testChannel = 0x4001

// newRig opens and activates a back end in the namespace that the process is in.
func newRig(t testing.TB, cfg Config) *rig {
	t.Helper()
	return newRigOn(t, cfg, nil)
}

// newRigOn has the rig's devices with VLANs on top of them.
func newRigOn(t testing.TB, cfg Config, on *trunk) *rig {
	t.Helper()
	if cfg.PinDir == "" {
		cfg.PinDir = pinDir(t)
	}
	if cfg.MaxFlows == 0 {
		cfg.MaxFlows = 256
	}
	cfg.Interfaces = on.names("s0", "s1")
	r := &rig{s0: deviceNamed(t, "s0"), s1: deviceNamed(t, "s1"), trunk: on}
	for _, n := range []struct {
		dev netlink.Link
		ip  netip.AddrPort
		mac [6]byte
	}{{r.s0, client4, clientMAC}, {r.s0, client6, clientMAC}, {r.s1, peer4, peerMAC}, {r.s1, peer6, peerMAC}} {
		setNeighbour(t, n.dev, n.ip.Addr(), n.mac)
	}
	router, err := newRouter()
	if err != nil {
		t.Fatal(err)
	}
	if on != nil {
		on.system = router.netlink
		router.netlink, router.drivers = on, tagKeeper{router.drivers}
	}
	if r.Backend, err = openOn(cfg, router); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	r.mustOpenPorts(t)
	if err := r.Activate(); err != nil {
		t.Fatal(err)
	}
	return r
}

// ports are those of the rig.
var ports = map[netip.AddrPort]relay.PortKind{
	listener4: relay.PortListener, listener6: relay.PortListener,
	relay4: relay.PortRelay, relay6: relay.PortRelay,
}

// mustOpenPorts opens the rig's ports and their sockets.
func (r *rig) mustOpenPorts(t testing.TB) {
	t.Helper()
	r.mustTellPorts(t)
	for port := range ports {
		r.sockets = append(r.sockets, listen(t, port))
	}
}

// mustTellPorts opens ports whose sockets are there.
func (r *rig) mustTellPorts(t testing.TB) {
	t.Helper()
	for port, kind := range ports {
		if err := r.OpenPort(port, kind); err != nil {
			t.Fatal(err)
		}
	}
}

// listen opens the socket that a process has on a port of its own: without one, what
// the program leaves to the process is dropped.
func listen(t testing.TB, port netip.AddrPort) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // a test may have closed it
	return conn
}

// pinDir is a directory for pins that goes with the test.
func pinDir(t testing.TB) string {
	t.Helper()
	dir, err := PinDir("test", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Cleanup(dir); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("cleanup left %s", dir)
		}
	})
	return dir
}

func deviceNamed(t testing.TB, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func setNeighbour(t testing.TB, dev netlink.Link, ip netip.Addr, mac [6]byte) {
	t.Helper()
	n := &netlink.Neigh{
		LinkIndex: dev.Attrs().Index, IP: ip.AsSlice(), State: netlink.NUD_PERMANENT,
		HardwareAddr: net.HardwareAddr(mac[:]),
	}
	if err := netlink.NeighSet(n); err != nil {
		t.Fatal(err)
	}
}

// run has the program see one frame as received by dev, and returns what became of it.
func (r *rig) run(t testing.TB, dev netlink.Link, frame []byte) (verdict uint32, out []byte) {
	t.Helper()
	return r.runMeta(t, dev, frame, 0)
}

// runMeta puts metadata in front of the frame, which takes room from the headroom.
func (r *rig) runMeta(t testing.TB, dev netlink.Link, frame []byte, meta int) (uint32, []byte) {
	t.Helper()
	verdict, out, err := r.tryRun(dev, frame, meta)
	if err != nil {
		t.Fatalf("run the program: %v", err)
	}
	return verdict, out
}

func (r *rig) tryRun(dev netlink.Link, frame []byte, meta int) (uint32, []byte, error) {
	in := append(make([]byte, meta), frame...)
	opts := &ebpf.RunOptions{
		Data: in, DataOut: make([]byte, len(in)+64), Repeat: 1,
		Context: xdpContext{
			Data: uint32(meta), DataEnd: uint32(len(in)), IngressIfindex: uint32(dev.Attrs().Index),
		},
	}
	verdict, err := r.Program().Run(opts)
	if err != nil {
		return 0, nil, err
	}
	return verdict, opts.DataOut[meta:], nil
}

// xdpContext is struct xdp_md.
type xdpContext struct {
	Data, DataEnd, DataMeta, IngressIfindex, RxQueueIndex, EgressIfindex uint32
}

// in is the interface that a frame to a local address comes by.
func (r *rig) in(local netip.AddrPort) netlink.Link {
	if local == relay4 || local == relay6 {
		return r.s1
	}
	return r.s0
}

// moved returns by how much the reasons' counters moved while f ran, apart from what
// the links' own traffic moved.
func (r *rig) moved(f func()) map[bpf.Reason]uint64 {
	before := r.Reasons()
	f()
	moved := map[bpf.Reason]uint64{}
	for reason, n := range r.Reasons() {
		if n != before[reason] {
			moved[bpf.Reason(reason)] = n - before[reason]
		}
	}
	for _, own := range ownTraffic {
		switch n := moved[own]; {
		case len(moved) > 1:
			delete(moved, own)
		case n > 1:
			moved[own] = 1
		}
	}
	return moved
}

// ownTraffic is why a link's own frames leave: ARP, neighbour discovery, and the
// multicast listener reports that go with it.
var ownTraffic = []bpf.Reason{bpf.ReasonNotIP, bpf.ReasonNotUDP, bpf.ReasonIPExtension}

func (r *rig) mustInstall(t testing.TB, f relay.Flow) relay.FlowID {
	t.Helper()
	id, err := r.Install(f, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if why := r.Reason(id); why != "" {
		t.Fatalf("the kernel does not relay the flow: %s", why)
	}
	return id
}

// up is the flow of a TURN client's channel to a peer.
func up(in, out int) relay.Flow {
	f := relay.Flow{
		Key: relay.Key{Local: listener4, Remote: client4, Channel: testChannel},
		Out: relay.Out{Src: relay4, Dst: peer4},
	}
	if in == 6 {
		f.Key.Local, f.Key.Remote = listener6, client6
	}
	if out == 6 {
		f.Out.Src, f.Out.Dst = relay6, peer6
	}
	return f
}

// down is the flow of a peer to a TURN client's channel.
func down(in, out int) relay.Flow {
	f := relay.Flow{
		Key: relay.Key{Local: relay4, Remote: peer4},
		Out: relay.Out{Src: listener4, Dst: client4, Channel: testChannel},
	}
	if in == 6 {
		f.Key.Local, f.Key.Remote = relay6, peer6
	}
	if out == 6 {
		f.Out.Src, f.Out.Dst = listener6, client6
	}
	return f
}

// packet is a datagram that the flow takes.
func packet(f relay.Flow, payload []byte) datagram {
	return datagram{
		macs: defaultMACs, src: f.Key.Remote, dst: f.Key.Local, channel: f.Key.Channel,
		ttl: 64, df: true, payload: payload,
	}
}

// eventually waits for a condition: it looks again and again until the deadline.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come about in 5 s that %s", what)
		}
		pause()
	}
}

// pause is between two looks at a condition.
func pause() { <-time.After(2 * time.Millisecond) }
