package xdp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Over is what a Spread counts by.
type Over string

// Overs.
const (
	OverQueues Over = "queues" // the receive queues of the interface
	OverCPUs   Over = "cpus"   // where the driver counts no queues: the CPUs that the program ran on
)

// Spread is how the packets that came by an interface were spread over its receive
// queues, and so over the CPUs: one that has most of the packets is what limits the
// node. Packets only grows, except that a flow that ends takes its packets out of a
// Spread over CPUs, and an interface that comes anew begins at 0; take two and look at
// their Since.
type Spread struct {
	Interface string   `json:"interface"` // as the node file has it
	Over      Over     `json:"over"`
	Packets   []uint64 `json:"packets"` // by number of queue or CPU
}

// Since is what came after an earlier Spread of the same interface.
func (s Spread) Since(before Spread) Spread {
	since := Spread{Interface: s.Interface, Over: s.Over, Packets: make([]uint64, len(s.Packets))}
	for i, n := range s.Packets {
		if before.Over == s.Over && i < len(before.Packets) {
			n -= min(n, before.Packets[i])
		}
		since.Packets[i] = n
	}
	return since
}

// Imbalance is how many times the average the busiest queue has: 1 is even, the number
// of queues says that one has everything, and 0 that nothing came.
func (s Spread) Imbalance() float64 {
	var most, all uint64
	for _, n := range s.Packets {
		most, all = max(most, n), all+n
	}
	if all == 0 {
		return 0
	}
	return float64(most) * float64(len(s.Packets)) / float64(all)
}

// Queues tells for each of the node's interfaces how its packets were spread: by what
// the driver counts, for all packets of the interface, or else by what the program
// counted on each CPU, for the packets of the flows there are.
func (b *Backend) Queues() []Spread {
	type place struct {
		index  int
		device string // as it is called now
	}
	b.mu.Lock()
	places := make([]place, len(b.ports))
	for i, p := range b.ports {
		places[i] = place{p.index, b.router.devices[p.index].name}
	}
	b.mu.Unlock()
	spreads := make([]Spread, len(places))
	for i, at := range places {
		spreads[i] = Spread{Interface: b.cfg.Interfaces[i], Over: OverQueues}
		if at.device != "" {
			spreads[i].Packets = b.countQueues(at.index, at.device)
		}
		if spreads[i].Packets == nil {
			spreads[i].Over, spreads[i].Packets = OverCPUs, b.countCPUs(at.index)
		}
	}
	return spreads
}

// countQueues asks the driver, in the two ways that drivers have; nil: it does not count.
func (b *Backend) countQueues(index int, name string) []uint64 {
	b.mu.Lock() // the socket is shared
	counts, err := b.router.drivers.queueStats(index)
	b.mu.Unlock()
	if err == nil && len(counts) > 0 {
		return counts
	}
	stats, err := statistics(name)
	if err != nil {
		return nil
	}
	return queuesOf(stats)
}

// countCPUs adds up what the program counted for the flows that come by an interface.
func (b *Backend) countCPUs(index int) []uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := make([]uint64, b.cpus)
	for id, in := range b.flows {
		if at, ok := b.router.ownerOf(in.flow.Key.Local.Addr()); !ok || at != index {
			continue
		}
		for cpu := range counts {
			counts[cpu] += b.packetsOn(id, cpu)
		}
	}
	return counts
}

// maxQueues is more than any device has.
const maxQueues = 4096

// queueNames are what drivers call the packets of a receive queue in `ethtool -S`, from
// the best name to the last resort.
func queueNames() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`^rx_queue_(\d+)_packets$`),      // ixgbe, igb, igc, ice, hv_netvsc, older virtio_net
		regexp.MustCompile(`^rx[-_]?(\d+)[._]packets$`),     // mlx5, mlx4, i40e, virtio_net
		regexp.MustCompile(`^queue_(\d+)_rx_cnt$`),          // ena
		regexp.MustCompile(`^\[(\d+)\]: rx_ucast_packets$`), // bnxt
		regexp.MustCompile(`^rx_queue_(\d+)_xdp_packets$`),  // veth
	}
}

// queuesOf finds the packets of each receive queue among a driver's counters.
func queuesOf(stats map[string]uint64) []uint64 {
	for _, name := range queueNames() {
		var counts []uint64
		for text, n := range stats {
			m := name.FindStringSubmatch(text)
			if m == nil {
				continue
			}
			queue, err := strconv.Atoi(m[1])
			if err != nil || queue >= maxQueues {
				continue
			}
			counts = put(counts, queue, n)
		}
		if counts != nil {
			return counts
		}
	}
	return nil
}

// put sets one number of a list that grows as is needed.
func put(counts []uint64, at int, n uint64) []uint64 {
	for len(counts) <= at {
		counts = append(counts, 0)
	}
	counts[at] = n
	return counts
}

// The numbers of the kernel's netdev family for queue statistics
// (Documentation/netlink/specs/netdev.yaml).
const (
	netdevCmdQstatsGet = 12

	qstatsIfindex   = 1
	qstatsQueueType = 2 // 0: receive
	qstatsQueueID   = 3
	qstatsScope     = 4
	qstatsRxPackets = 8

	scopeQueue = 1
)

// queueStats asks for the packets of each receive queue of a device. Few drivers answer.
func (n *netdev) queueStats(ifindex int) ([]uint64, error) {
	req := nl.NewNetlinkRequest(int(n.family), unix.NLM_F_DUMP)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_GENERIC: n.socket}
	req.AddData(genlHeader{command: netdevCmdQstatsGet, version: 1})
	req.AddData(nl.NewRtAttr(qstatsIfindex, nl.Uint32Attr(uint32(ifindex))))
	req.AddData(nl.NewRtAttr(qstatsScope, uintAttr(scopeQueue)))
	msgs, err := req.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return nil, fmt.Errorf("ask for queue statistics of interface %d: %w", ifindex, err)
	}
	var counts []uint64
	for _, m := range msgs {
		counts, err = addQueue(counts, m)
		if err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// addQueue takes one queue out of the kernel's answer.
func addQueue(counts []uint64, m []byte) ([]uint64, error) {
	if len(m) < nl.SizeofGenlmsg {
		return nil, errors.New("queue statistics are cut short")
	}
	attrs, err := nl.ParseRouteAttr(m[nl.SizeofGenlmsg:])
	if err != nil {
		return nil, fmt.Errorf("read queue statistics: %w", err)
	}
	values := map[uint16]uint64{}
	for _, a := range attrs {
		values[a.Attr.Type] = uintOf(a.Value)
	}
	packets, counted := values[qstatsRxPackets]
	if !counted || values[qstatsQueueType] != 0 || values[qstatsQueueID] >= maxQueues {
		return counts, nil
	}
	return put(counts, int(values[qstatsQueueID]), packets), nil
}

// uintAttr and uintOf are netlink's integers of 4 or 8 bytes.
func uintAttr(n uint64) []byte { return binary.NativeEndian.AppendUint64(nil, n) }

func uintOf(b []byte) uint64 {
	switch len(b) {
	case 4:
		return uint64(binary.NativeEndian.Uint32(b))
	case 8:
		return binary.NativeEndian.Uint64(b)
	default:
		return 0
	}
}
