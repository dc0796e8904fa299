package xdp

import (
	"encoding/binary"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink/nl"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// What drivers call a queue's packets.
// ME-04
func TestQueuesOfDrivers(t *testing.T) {
	for _, tt := range []struct {
		driver string
		stats  map[string]uint64
		want   []uint64
	}{
		{"veth", map[string]uint64{"peer_ifindex": 4, "rx_queue_0_xdp_packets": 7, "rx_queue_0_drops": 1, "rx_queue_1_xdp_packets": 9}, []uint64{7, 9}},
		{"virtio_net", map[string]uint64{"rx0_packets": 5, "rx0_xdp_packets": 4, "rx1_packets": 6, "tx0_packets": 8}, []uint64{5, 6}},
		{"i40e", map[string]uint64{"rx-0.packets": 1, "rx-2.packets": 3, "rx_packets": 4}, []uint64{1, 0, 3}},
		{"ice", map[string]uint64{"rx_queue_0_packets": 11, "rx_queue_0_bytes": 99, "rx_queue_10_packets": 12}, []uint64{11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12}},
		{"ena", map[string]uint64{"queue_0_rx_cnt": 2, "queue_1_rx_cnt": 3, "queue_0_tx_cnt": 4}, []uint64{2, 3}},
		{"bnxt", map[string]uint64{"[0]: rx_ucast_packets": 2, "[1]: rx_ucast_packets": 1}, []uint64{2, 1}},
		{"one that counts no queues", map[string]uint64{"rx_packets": 4}, nil},
		{"one that counts nonsense", map[string]uint64{"rx_queue_99999999999_packets": 4}, nil},
	} {
		t.Run(tt.driver, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, queuesOf(tt.stats)); diff != "" {
				t.Errorf("queues (-want +got):\n%s", diff)
			}
		})
	}
}

// An answer of the netdev family, which no driver here gives.
// ME-04
func TestQueueStatistics(t *testing.T) {
	message := func(kind uint32, queue uint32, packets []byte) []byte {
		m := []byte{netdevCmdQstatsGet, 1, 0, 0}
		for _, a := range []struct {
			typ   int
			value []byte
		}{{qstatsIfindex, nl.Uint32Attr(3)}, {qstatsQueueType, nl.Uint32Attr(kind)}, {qstatsQueueID, nl.Uint32Attr(queue)}, {qstatsRxPackets, packets}} {
			if a.value != nil {
				m = append(m, nl.NewRtAttr(a.typ, a.value).Serialize()...)
			}
		}
		return m
	}
	var counts []uint64
	for _, m := range [][]byte{
		message(0, 1, binary.NativeEndian.AppendUint64(nil, 1<<40)),
		message(0, 0, nl.Uint32Attr(7)),
		message(1, 2, nl.Uint32Attr(8)),       // of a send queue
		message(0, 3, nil),                    // not counted
		message(0, 1<<20, nl.Uint32Attr(9)),   // there is no such queue
		message(0, 1<<20, []byte{1, 2, 3, 4}), // nor number
	} {
		var err error
		if counts, err = addQueue(counts, m); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]uint64{7, 1 << 40}, counts); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if _, err := addQueue(nil, []byte{1}); err == nil {
		t.Error("a short answer is taken")
	}
}

func TestSpread(t *testing.T) {
	queues := func(n ...uint64) Spread { return Spread{Interface: "s0", Over: OverQueues, Packets: n} }
	for _, tt := range []struct {
		name          string
		before, after Spread
		want          []uint64
		imbalance     float64
	}{
		{"even", queues(10, 20), queues(110, 120), []uint64{100, 100}, 1},
		{"one has everything", queues(0, 0, 0, 0), queues(0, 0, 9, 0), []uint64{0, 0, 9, 0}, 4},
		{"nothing", queues(5, 5), queues(5, 5), []uint64{0, 0}, 0},
		{"a new interface", queues(50, 50), queues(1, 3), []uint64{0, 0}, 0},
		{"more queues", queues(5), queues(6, 3), []uint64{1, 3}, 1.5},
		{"counted in another way before", Spread{Over: OverCPUs, Packets: []uint64{5}}, queues(6, 6), []uint64{6, 6}, 1},
		{"no queues", Spread{}, Spread{}, []uint64{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			since := tt.after.Since(tt.before)
			if diff := cmp.Diff(tt.want, since.Packets); diff != "" {
				t.Errorf("packets (-want +got):\n%s", diff)
			}
			if got := since.Imbalance(); got != tt.imbalance {
				t.Errorf("imbalance %g, want %g", got, tt.imbalance)
			}
		})
	}
}

// Packets that come by several queues, at once and on several CPUs, are all relayed and
// counted: with their flow, whichever CPU it was, and with their queue.
// ME-04, ME-05
func TestSeveralQueues(t *testing.T) {
	if !inNode(t, lab.Options{Queues: 2}) {
		return
	}
	r := newRig(t, Config{})
	client, peer := farHost(t, "client", "c0"), farHost(t, "peer", "p0")
	const flows, each = 16, 200
	ids := make([]relay.FlowID, flows)
	frames := make([][]byte, flows)
	for i := range ids {
		f := versions(uint16(i))[0]
		ids[i], frames[i] = r.mustInstall(t, f), packet(f, pattern(160)).frame(t)
	}
	before, arrived := r.Queues(), peer.received(t)
	var senders sync.WaitGroup
	for cpu := range runtime.NumCPU() {
		wire := client.open(t)
		senders.Go(func() {
			if err := onCPU(cpu, func() error { return wire.sendAll(frames, each) }); err != nil {
				t.Error(err)
			}
		})
	}
	senders.Wait()
	sent := uint64(each * runtime.NumCPU())
	for i, id := range ids {
		eventually(t, "each packet is counted with its flow", func() bool { return r.Counters(id).Packets == sent })
		if got := r.Counters(id); got.Bytes != sent*160 {
			t.Errorf("flow %d: %d bytes", i, got.Bytes)
		}
	}
	eventually(t, "each packet arrived", func() bool { return peer.received(t)-arrived >= flows*sent })
	r.wantSpread(t, before[0], OverQueues, 2, flows*sent)
	r.wantCPUs(t, flows*sent)
}

// wantSpread compares what came by the first interface since before.
func (r *rig) wantSpread(t *testing.T, before Spread, over Over, places int, want uint64) {
	t.Helper()
	since := r.Queues()[0].Since(before)
	var sum uint64
	for i, n := range since.Packets {
		if sum += n; n == 0 {
			t.Errorf("nothing came by %d of %s", i, over)
		}
	}
	// The link's own traffic is counted by the driver as well.
	if since.Interface != "s0" || since.Over != over || len(since.Packets) != places || sum < want || sum > want+want/10 {
		t.Errorf("spread is %+v, want %d packets over %d %s of s0", since, want, places, over)
	}
	if is := since.Imbalance(); is < 1 || is >= float64(places) {
		t.Errorf("imbalance %g", is)
	}
}

// wantCPUs compares what the program counted on each CPU.
func (r *rig) wantCPUs(t *testing.T, want uint64) {
	t.Helper()
	var sum uint64
	for cpu, n := range r.countCPUs(r.ports[0].index) {
		if sum += n; n == 0 && cpu < runtime.NumCPU() {
			t.Errorf("CPU %d counted nothing", cpu)
		}
	}
	if sum != want {
		t.Errorf("the CPUs counted %d packets, want %d", sum, want)
	}
	if n := r.countCPUs(r.ports[1].index); sumOf(n) != 0 {
		t.Errorf("by s1 came %v", n)
	}
}

func sumOf(ns []uint64) (sum uint64) {
	for _, n := range ns {
		sum += n
	}
	return sum
}
