package doctor

import (
	"fmt"
	"slices"
	"strings"
)

func queues(s *Snapshot, i Interface) []Finding {
	now, most := int(i.Channels.CombinedCount+i.Channels.RxCount), int(i.Channels.MaxCombined+i.Channels.MaxRx)
	if now == 0 {
		now = i.RxQueues
	}
	useful := min(most, s.Kernel.CPUs)
	switch {
	case now >= s.Kernel.CPUs:
		return []Finding{fine(i.Name, fmt.Sprintf("receive queues: %d, CPUs: %d", now, s.Kernel.CPUs))}
	case useful > now:
		what := fmt.Sprintf("receive queues: %d in use of %d, CPUs: %d", now, most, s.Kernel.CPUs)
		return []Finding{finding(i.Name, Warning, what, channelsCommand(i, useful))}
	}
	return []Finding{finding(i.Name, Note, fmt.Sprintf("receive queues: %d, CPUs: %d", now, s.Kernel.CPUs), "on a virtual machine, give the interface more queues")}
}

// channelsCommand names the kind of queues that the device has.
func channelsCommand(i Interface, n int) string {
	if i.Channels.MaxCombined > 0 {
		return fmt.Sprintf("ethtool -L %s combined %d (the link is down for a moment)", i.device(), n)
	}
	return fmt.Sprintf("ethtool -L %s rx %d tx %d (the link is down for a moment)", i.device(), n, n)
}

func irqSpread(s *Snapshot, i Interface) []Finding {
	if len(i.IRQs) == 0 {
		return nil
	}
	var used []int
	var texts []string
	for _, q := range i.IRQs {
		if i.NUMANode >= 0 && q.Node >= 0 && q.Node != i.NUMANode {
			return []Finding{finding(i.Name, Note, fmt.Sprintf("interrupt %d (%s) goes to NUMA node %d, the device is on %d", q.Number, q.Name, q.Node, i.NUMANode),
				fmt.Sprintf("echo CPU > /proc/irq/%d/smp_affinity_list, with a CPU of node %d", q.Number, i.NUMANode))}
		}
		if len(q.CPUs) > 0 && !slices.Contains(used, q.CPUs[0]) {
			used = append(used, q.CPUs[0])
		}
		texts = append(texts, fmt.Sprintf("%s on CPU %s", q.Name, strings.Trim(fmt.Sprint(q.CPUs), "[]")))
	}
	if want := min(len(i.IRQs), s.Kernel.CPUs); len(used) < want {
		return []Finding{finding(i.Name, Warning, fmt.Sprintf("%d queues have their interrupts on %d CPUs (%s)", len(i.IRQs), len(used), strings.Join(texts, ", ")),
			fmt.Sprintf("stop irqbalance and give each queue a CPU, for example: echo %d > /proc/irq/%d/smp_affinity_list", (i.IRQs[0].first()+1)%s.Kernel.CPUs, i.IRQs[len(i.IRQs)-1].Number))}
	}
	return []Finding{fine(i.Name, strings.Join(texts, ", "))}
}

// first is the CPU that takes the interrupt.
func (q IRQ) first() int {
	if len(q.CPUs) == 0 {
		return 0
	}
	return q.CPUs[0]
}

func rssTable(_ *Snapshot, i Interface) []Finding {
	if len(i.Spread) < 2 {
		return nil
	}
	least, most := slices.Min(i.Spread), slices.Max(i.Spread)
	if least == 0 || most > 2*least {
		return []Finding{finding(i.Name, Warning, fmt.Sprintf("the indirection table gives its queues %s entries", counts(i.Spread)),
			fmt.Sprintf("ethtool -X %s equal %d", i.device(), len(i.Spread)))}
	}
	return []Finding{fine(i.Name, fmt.Sprintf("the indirection table uses %d queues evenly", len(i.Spread)))}
}

// counts lists numbers, of many only some.
func counts[T int | uint64](all []T) string {
	const some = 8
	text := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(all[:min(len(all), some)])), ", "), "[]")
	if len(all) > some {
		text += ", …"
	}
	return text
}

func rssHash(_ *Snapshot, i Interface) []Finding {
	if len(i.Spread) < 2 || len(i.HashesPorts) == 0 {
		return nil
	}
	var commands []string
	for _, kind := range []string{"udp4", "udp6"} {
		if ports, told := i.HashesPorts[kind]; told && !ports {
			commands = append(commands, fmt.Sprintf("ethtool -N %s rx-flow-hash %s sdfn", i.device(), kind))
		}
	}
	if len(commands) > 0 {
		return []Finding{finding(i.Name, Warning, "UDP packets are spread by addresses only", strings.Join(commands, " && "))}
	}
	return []Finding{fine(i.Name, "UDP packets are spread by addresses and ports")}
}

// enough packets to tell a spread from chance, and how uneven it may be.
const (
	enoughPackets = 100_000
	uneven        = 2
)

func rssSpread(_ *Snapshot, i Interface) []Finding {
	if len(i.QueuePkts) < 2 {
		return nil
	}
	var all uint64
	for _, n := range i.QueuePkts {
		all += n
	}
	mean := all / uint64(len(i.QueuePkts))
	if all >= enoughPackets && slices.Max(i.QueuePkts) > uneven*mean {
		return []Finding{finding(i.Name, Note, fmt.Sprintf("since boot the queues received %s packets", counts(i.QueuePkts)), "see rss-hash and rss-table; `ethtool -S "+i.device()+"` shows whether it goes on")}
	}
	return []Finding{fine(i.Name, fmt.Sprintf("the queues received %s packets since boot", counts(i.QueuePkts)))}
}

func ring(_ *Snapshot, i Interface) []Finding {
	if i.Ring.RxMaxPending == 0 {
		return nil
	}
	room := fmt.Sprintf("the receive ring has %d of %d places", i.Ring.RxPending, i.Ring.RxMaxPending)
	larger := i.Ring.RxPending < i.Ring.RxMaxPending
	command := ""
	if larger {
		command = fmt.Sprintf("ethtool -G %s rx %d (the link is down for a moment)", i.device(), i.Ring.RxMaxPending)
	}
	if i.RxMissed > 0 {
		severity := Note
		if larger {
			severity = Warning
		}
		return []Finding{finding(i.Name, severity, fmt.Sprintf("the device dropped %d packets since boot for want of room; %s", i.RxMissed, room), command)}
	}
	if larger && i.Ring.RxPending < 1024 {
		return []Finding{finding(i.Name, Note, room, command)}
	}
	return []Finding{fine(i.Name, room)}
}
