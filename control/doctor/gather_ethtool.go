package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"
)

// gatherDevice reads what ethtool shows. What a driver does not support is left empty:
// drivers differ, and most lack something.
func gatherDevice(e *ethtool.Ethtool, i *Interface) {
	if d, err := e.DriverInfo(i.device()); err == nil {
		i.Driver, i.Bus = d.Driver, d.BusInfo
	}
	i.Offloads = offloadsOf(e, i.device())
	if c, err := e.GetChannels(i.device()); err == nil {
		i.Channels = c
	}
	if r, err := e.GetRing(i.device()); err == nil {
		i.Ring = r
	}
	if t, err := e.GetIndir(i.device()); err == nil && t.Size > 0 {
		i.Spread = spreadOf(t.RingIndex[:min(int(t.Size), len(t.RingIndex))], int(i.Channels.CombinedCount+i.Channels.RxCount))
	}
	i.HashesPorts = map[string]bool{}
	for kind, flow := range map[string]uint32{"udp4": unix.UDP_V4_FLOW, "udp6": unix.UDP_V6_FLOW} {
		if fields, err := hashFields(i.device(), flow); err == nil {
			i.HashesPorts[kind] = fields&(rxhL4Src|rxhL4Dst) == rxhL4Src|rxhL4Dst
		}
	}
	if stats, err := e.Stats(i.device()); err == nil {
		i.QueuePkts = queuePackets(stats)
	}
}

func offloadsOf(e *ethtool.Ethtool, dev string) map[string]Offload {
	states, err := e.FeaturesWithState(dev)
	if err != nil {
		return nil
	}
	offloads := make(map[string]Offload, len(states))
	for name, f := range states {
		offloads[name] = Offload{On: f.Active, Fixed: f.NeverChanged || !f.Available}
	}
	return offloads
}

// spreadOf counts the entries of each queue in an indirection table.
func spreadOf(table []uint32, queues int) []int {
	for _, q := range table {
		queues = max(queues, int(q)+1)
	}
	spread := make([]int, queues)
	for _, q := range table {
		spread[q]++
	}
	return spread
}

// queueCounter is how drivers call what a queue received: rx_queue_3_packets, rx3_packets,
// rx-3.packets.
var queueCounter = regexp.MustCompile(`^rx[-_]?(?:queue_)?(\d+)[._](xdp_)?packets$`)

const maxQueues = 1024

func queuePackets(stats map[string]uint64) []uint64 {
	var all []uint64
	for name, n := range stats {
		m := queueCounter.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		q, err := strconv.Atoi(m[1])
		if err != nil || q >= maxQueues {
			continue
		}
		for len(all) <= q {
			all = append(all, 0)
		}
		all[q] += n
	}
	return all
}

// Fields of RSS (linux/ethtool.h).
const (
	rxhL4Src = 1 << 6 // RXH_L4_B_0_1
	rxhL4Dst = 1 << 7 // RXH_L4_B_2_3
)

// rxnfc is struct ethtool_rxnfc as far as a request for hash fields reads it; the rest is
// room for what the kernel copies.
type rxnfc struct {
	command, flow uint32
	data          uint64
	_             [176]byte
}

// hashFields asks which fields of a kind of packet the device spreads by.
func hashFields(dev string, flow uint32) (uint64, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	req := rxnfc{command: unix.ETHTOOL_GRXFH, flow: flow}
	var ifr struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(ifr.name[:unix.IFNAMSIZ-1], dev)
	ifr.data = unsafe.Pointer(&req)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifr))); errno != 0 {
		return 0, errno
	}
	return req.data, nil
}

// gatherIRQs reads the interrupts of the device's queues. The device is found by the
// address on its bus: sysfs shows network devices of its own mount's namespace only.
func (i *Interface) gatherIRQs() {
	if i.Bus == "" || strings.ContainsRune(i.Bus, '/') {
		return
	}
	dir := filepath.Join("/sys/bus/pci/devices", i.Bus)
	if node, err := readLine(filepath.Join(dir, "numa_node")); err == nil {
		i.NUMANode, _ = strconv.Atoi(node)
	}
	files, err := os.ReadDir(filepath.Join(dir, "msi_irqs"))
	if err != nil {
		return
	}
	names := irqNames()
	for _, f := range files {
		n, err := strconv.Atoi(f.Name())
		if err != nil || !ofReceiveQueue(names[n]) {
			continue
		}
		irq := IRQ{Number: n, Name: names[n], Node: -1}
		list, err := readLine(fmt.Sprintf("/proc/irq/%d/effective_affinity_list", n))
		if err == nil {
			irq.CPUs = parseCPUs(list)
		}
		if len(irq.CPUs) > 0 {
			irq.Node = nodeOf(irq.CPUs[0])
		}
		i.IRQs = append(i.IRQs, irq)
	}
	slices.SortFunc(i.IRQs, func(a, b IRQ) int { return a.Number - b.Number })
}

// ofReceiveQueue tells the interrupts of queues from a device's others. Each driver
// has its own names; those that only send have "tx" or "output" in theirs.
func ofReceiveQueue(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"txrx", "input", "rx", "comp", "fp-", "ntfy"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// irqNames reads who uses each interrupt.
func irqNames() map[int]string {
	names := map[int]string{}
	_ = eachLine("/proc/interrupts", func(line string) { // without it the queues have no names, and are left out
		number, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		n, err := strconv.Atoi(number)
		if f := strings.Fields(rest); ok && err == nil && len(f) > 0 {
			names[n] = f[len(f)-1]
		}
	})
	return names
}

// parseCPUs reads a list as "0-2,5".
func parseCPUs(list string) []int {
	var cpus []int
	for _, s := range parseSpans(list) {
		for c := s.low; c <= s.high; c++ {
			cpus = append(cpus, c)
		}
	}
	return cpus
}

// nodeOf returns the NUMA node of a CPU; -1: the machine has none.
func nodeOf(cpu int) int {
	found, _ := filepath.Glob(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/node*", cpu)) // the pattern is right
	if len(found) == 0 {
		return -1
	}
	n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(found[0]), "node"))
	if err != nil {
		return -1
	}
	return n
}
