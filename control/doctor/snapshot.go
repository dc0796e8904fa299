package doctor

import (
	"net/netip"
	"time"

	"github.com/safchain/ethtool"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/dataplane/xdp"
)

// Snapshot is what the checks judge: the machine as the kernel tells it, at one moment.
type Snapshot struct {
	At      time.Time
	Node    *config.Node
	Running *Running

	Kernel     Kernel
	Clock      Clock
	Process    Process
	Sysctls    map[string]string // by key with slashes; absent: the kernel does not show it here
	Interfaces []Interface
	Firewall   Firewall
	Listeners  int          // sockets that the node listens on
	UDP        []UDPSocket  // that have dropped something
	Softnet    []SoftnetCPU // by CPU
	Told       *Told
	Outside    *Outside
	// Missed is what could not be looked at.
	Missed []Missed
}

// Missed is something that could not be looked at, and why.
type Missed struct{ What, Why string }

// Kernel is what runs underneath.
type Kernel struct {
	Release  string
	BTF      bool
	BPFFS    bool
	CPUs     int
	Governor string // of CPU 0; empty: none
}

// Clock is how time is kept.
type Clock struct {
	Synchronised bool
	Source       string
}

// Process is the node's, or doctor's own where none runs.
type Process struct {
	PID          int
	OfNode       bool
	Capabilities uint64
	Files        uint64 // most that it may open
}

// Interface is one of the node's interfaces.
type Interface struct {
	Name, Side string
	Under      string // a VLAN's: the device that its frames go by, where the program is and which the rest describes
	Missing    string // why it is not there
	Index      int
	Up         bool
	Kind       string // of link: device, veth, vlan, bond, ...
	Driver     string
	Bus        string // address of the device, for its interrupts
	MTU        int
	Addresses  []netip.Prefix
	VLANs      []string // devices for VLANs upon it, or itself
	Offloads   map[string]Offload
	XDP        xdp.Capability
	XDPKnown   bool     // the kernel tells what is in XDP
	Program    *Program // XDP program on it
	RxQueues   int
	Channels   ethtool.Channels
	Ring       ethtool.Ring
	// Spread is how many entries of the indirection table each queue has; nil: no table.
	Spread []int
	// HashesPorts: receive-side scaling of UDP goes by ports as well as addresses; by
	// "udp4" and "udp6" where the driver tells.
	HashesPorts map[string]bool
	QueuePkts   []uint64 // received by each queue since boot, where the driver tells
	IRQs        []IRQ
	NUMANode    int
	RxPackets   uint64
	RxMissed    uint64 // the device had no room
	Far         *FarEnd
	// Route: the default route of either family leaves by it.
	Route bool
}

// device names what the driver, its queues and the program belong to.
func (i Interface) device() string {
	if i.Under != "" {
		return i.Under
	}
	return i.Name
}

// Offload is a feature of a device as ethtool -k shows it.
type Offload struct{ On, Fixed bool }

// Program is an XDP program on an interface.
type Program struct {
	ID      uint32
	Name    string
	Generic bool
	Ours    bool
}

// IRQ is an interrupt of a device's queue.
type IRQ struct {
	Number int
	Name   string
	CPUs   []int // that may take it, in effect
	Node   int   // NUMA node of the first of them; -1: not known
}

// FarEnd is the other end of a veth, where it can be looked at.
type FarEnd struct {
	Name, Namespace string
	MTU             int
	Offloads        map[string]Offload
}

// UDPSocket is a socket of the node that had no room for datagrams.
type UDPSocket struct {
	Local netip.AddrPort
	Drops uint64 // since it was opened
	Now   uint64 // of them while doctor looked
}

// SoftnetCPU is a CPU's line of softnet_stat.
type SoftnetCPU struct{ Processed, Dropped, Squeezed uint64 }

// Told is what a client was told by the running node, and what came of it.
type Told struct {
	Server   netip.AddrPort
	Relay    netip.AddrPort
	Sent     int
	Received int
	Err      string // empty: relay made and used
}

// Outside is how the node looks from elsewhere.
type Outside struct {
	Server string
	Mapped netip.Addr
	Err    string
}
