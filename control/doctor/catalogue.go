package doctor

// Check is one thing that doctor looks at.
type Check struct {
	ID    ID
	Title string // what is looked at
	Why   string // why it matters
	Mends string // what --fix does about it; empty: nothing

	look func(*Snapshot) []Finding
}

// each makes a check of a snapshot from one of an interface that is there.
func each(look func(*Snapshot, Interface) []Finding) func(*Snapshot) []Finding {
	return func(s *Snapshot) []Finding {
		var all []Finding
		for _, i := range s.Interfaces {
			if i.Missing == "" {
				all = append(all, look(s, i)...)
			}
		}
		return all
	}
}

// Catalogue returns every check, in the order in which they are made.
func Catalogue() []Check {
	c := append(machineChecks(), networkChecks()...)
	c = append(c, xdpChecks()...)
	c = append(c, deviceChecks()...)
	return append(c, nodeChecks()...)
}

func machineChecks() []Check {
	return []Check{
		{
			"kernel-version", "release of the kernel, and its type information (BTF)",
			"the relay's program needs what Linux 6.1 has; tracing the program needs BTF", "", kernelVersion,
		},
		{
			"bpf-jit", "BPF programs are compiled",
			"an interpreted program takes several times as long for each packet", "sets net.core.bpf_jit_enable", bpfJIT,
		},
		{
			"bpf-stats", "run-time statistics of BPF programs are off",
			"they read the clock twice for each packet; they are for a measurement, not for every day", "clears kernel.bpf_stats_enabled", bpfStats,
		},
		{
			"bpffs", "the BPF file system is mounted",
			"program, maps and links are pinned there: without it a restart of the node loses the media", "mounts it", bpfFS,
		},
		{
			"capabilities", "capabilities of the process",
			"without CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON the process relays instead of the kernel", "", capabilities,
		},
		{
			"files", "open files against what the platform needs in full",
			"a relay is a socket: without a descriptor for it a client gets 508 long before the platform's limit", "", openFiles,
		},
		{
			"clock-sync", "the clock is synchronised",
			"time-limited credentials, certificates and logs are judged by it", "", clockSync,
		},
		{
			"clock-source", "the clock can be read without a system call",
			"the process reads the clock for each packet that it relays", "", clockSource,
		},
		{
			"cpu-governor", "CPUs run at their full clock",
			"with powersave a CPU that looks idle between packets is slowed down, and answers late", "", cpuGovernor,
		},
	}
}

func networkChecks() []Check {
	return []Check{
		{
			"forwarding", "the node's interfaces do not route",
			"an edge stands between networks that must not reach each other by it; relaying needs no forwarding", "", forwarding,
		},
		{
			"rp-filter", "the reverse path filter of the node's interfaces is not strict",
			"with a strict filter requests of clients whose route leads elsewhere vanish without a trace, while XDP, which passes the filter by, goes on with their media", "sets it to loose for the node's interfaces", each(rpFilter),
		},
		{
			"port-range", "other programs are not given the node's ports",
			"a port out of ip_local_port_range may be taken by any program that asks for any port; a relay or call then fails at random", "adds them to net.ipv4.ip_local_reserved_ports", portRange,
		},
		{
			"socket-buffers", "sockets may have the buffers that the process asks for",
			"what comes while the process is busy waits there; too little of it is lost under load", "raises net.core.rmem_max and wmem_max", socketBuffers,
		},
		{
			"neighbours", "the neighbour table has room for the peers of all relays",
			"peers in the own network take an entry each; those beyond the limit have no link address to be sent to", "raises net.ipv4 and net.ipv6.neigh.default.gc_thresh3", neighbourTable,
		},
		{
			"backlog", "the kernel's receive backlog has not overflowed",
			"packets that a CPU had no room for were lost before any program saw them", "", backlog,
		},
		{
			"firewall-bypassed", "rules of nftables and iptables that do not apply to media",
			"XDP takes a relay's packets before netfilter sees them: what these rules do, they do only to requests and to what the process relays", "", firewallBypassed,
		},
		{
			"conntrack", "the node's ports are not tracked",
			"connection tracking sees a relay's first packets and nothing of its media, so entries run out while the call goes on, and the table fills with entries for nothing", "", connectionTracking,
		},
		{
			"protocol-helper", "no helper rewrites SIP or H.323",
			"a helper that changes addresses inside messages breaks the node's own", "", protocolHelper,
		},
	}
}

func xdpChecks() []Check {
	return []Check{
		{
			"interface", "the node's interfaces are there, up and have addresses",
			"without them the node does not start, or relays nothing", "", interfaceThere,
		},
		{
			"xdp-native", "the driver runs XDP programs",
			"without native XDP the process relays, at a small part of the rate and with much more CPU", "", each(xdpNative),
		},
		{
			"xdp-redirect", "the device takes frames that XDP redirects to it",
			"what is redirected to a device that does not take it is lost; so the node has the process relay instead", "", each(xdpRedirect),
		},
		{
			"xdp-headroom", "the driver leaves room in front of a packet",
			"from IPv4 to IPv6 with a channel a packet grows by 24 bytes at its front; where they do not fit, the process relays it", "", each(xdpHeadroom),
		},
		{
			"xdp-mtu", "the MTU fits into one buffer",
			"the program takes frames that lie in one page; a driver with a larger MTU refuses it", "", each(xdpMTU),
		},
		{
			"xdp-foreign", "no other XDP program is on the interface",
			"an interface has one native XDP program; another one, or a dispatcher that holds the place for several, keeps the relay out", "", each(xdpForeign),
		},
		{
			"offload-lro", "large receive offload is off",
			"it joins packets into frames that no longer are what was sent, and drivers refuse XDP while it is on", "switches it off", each(offloadLRO),
		},
		{
			"offload-gro", "receive offload in hardware is off, and GRO with generic XDP",
			"packets joined before the program are too long for it, and virtio refuses XDP meanwhile", "switches it off where the driver can", each(offloadGRO),
		},
		{
			"offload-vlan", "VLAN tags are left in the frame",
			"a driver that strips the tag hides it from the program, which takes the packet for one without", "switches rx-vlan-offload off", each(offloadVLAN),
		},
		{
			"offload-checksum", "frames come over virtual links with whole checksums",
			"the far end of a veth leaves checksums to hardware that is not there; the relay changes half a sum into a wrong one, and the receiver throws the packet away", "switches it off at the node's end", each(offloadChecksum),
		},
	}
}

func deviceChecks() []Check {
	return []Check{
		{
			"queues", "there is a receive queue for each CPU",
			"packets of one queue are the work of one CPU: the others do not help", "", each(queues),
		},
		{
			"irq-spread", "the queues' interrupts are on different CPUs, near the device",
			"queues that share a CPU are one queue; one on another NUMA node fetches each packet from afar", "", each(irqSpread),
		},
		{
			"rss-table", "receive-side scaling uses all queues evenly",
			"a queue with more than its share is full while others are idle", "", each(rssTable),
		},
		{
			"rss-hash", "receive-side scaling goes by UDP ports",
			"by addresses alone, all calls between two sites, or from behind one NAT, are one queue's", "", each(rssHash),
		},
		{
			"rss-spread", "packets have come evenly by all queues",
			"the busiest queue's CPU is what limits the node", "", each(rssSpread),
		},
		{
			"ring", "the receive ring holds a burst",
			"what comes while the CPU is busy elsewhere waits in the ring; when it is full, the device drops", "", each(ring),
		},
	}
}

func nodeChecks() []Check {
	return []Check{
		{
			"degraded", "the running node works as configured",
			"the node itself says so: see `turnpike status`", "", nodeDegraded,
		},
		{
			"socket-drops", "the process took every datagram",
			"its sockets were full: requests and slow media were lost", "", socketDrops,
		},
		{
			"relay-address", "clients are told an address that they reach",
			"a relay at an address that nobody reaches is a call without sound", "", relayAddress,
		},
		{
			"relay-echo", "a relay can be made, and carries packets there and back",
			"it is what clients do", "", relayEcho,
		},
		{
			"cluster", "all peers of the cluster are there, near, and in step",
			"what a peer does not have it cannot give to endpoints that come to it when theirs is gone", "", clusterWhole,
		},
		{
			"shares", "peers share licences and bandwidth by one table, and there are some left",
			"two sides that count apart may together use more than there is; of what is used up nobody gets more", "", sharedOut,
		},
		{
			"not-looked-at", "everything could be looked at",
			"what was not looked at may be wrong", "", notLookedAt,
		},
	}
}
