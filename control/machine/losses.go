package machine

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
)

// machineLosses are those that no interface is to blame for.
func machineLosses(f files) ([]Loss, error) {
	var losses []Loss
	var errs []error
	if text, err := f.read("softnet_stat"); err == nil {
		dropped, squeezed, bad := softnet(text)
		errs = append(errs, bad)
		losses = append(losses,
			Loss{Reason: "backlog_full", Packets: dropped, Text: "A CPU's queue of arrived packets was full: raise net.core.netdev_max_backlog, or spread the queues over more CPUs."},
			Loss{Reason: "budget_spent", Packets: squeezed, Late: true, Text: "A CPU had to stop before it had taken all that had arrived: raise net.core.netdev_budget, or spread the queues over more CPUs."})
	} else {
		errs = append(errs, err)
	}
	udp, err := udpCounters(f)
	errs = append(errs, err)
	for _, u := range udpLosses {
		if n, ok := udp[u.counter]; ok {
			losses = append(losses, Loss{Reason: u.reason, Packets: n, Text: u.text})
		}
	}
	return losses, errors.Join(errs...)
}

// udpLosses are the counters of RFC 4113's table and Linux's additions to it.
var udpLosses = []struct{ counter, reason, text string }{
	{"RcvbufErrors", "socket_full", "A UDP socket's receive buffer was full: the process came too late. Raise net.core.rmem_max; see why the path is not xdp."},
	{"SndbufErrors", "send_buffer_full", "A UDP socket's send buffer was full: raise net.core.wmem_max, or see whether the interface is too slow."},
	{"MemErrors", "udp_memory", "The memory for all UDP sockets was used up: raise net.ipv4.udp_mem."},
	{"InCsumErrors", "bad_checksum", "A UDP checksum was wrong: the packet was damaged on its way, or an interface computes checksums badly."},
}

// softnet adds up what all CPUs dropped, and how often they stopped early. A line is
// a CPU, its columns are hexadecimal: processed, dropped, squeezed and more.
func softnet(text string) (dropped, squeezed uint64, err error) {
	for line := range strings.Lines(text) {
		columns := strings.Fields(line)
		if len(columns) < 3 {
			return dropped, squeezed, fmt.Errorf("softnet_stat has a line %q", line)
		}
		d, err1 := strconv.ParseUint(columns[1], 16, 64)
		s, err2 := strconv.ParseUint(columns[2], 16, 64)
		if err := errors.Join(err1, err2); err != nil {
			return dropped, squeezed, fmt.Errorf("softnet_stat: %w", err)
		}
		dropped, squeezed = dropped+d, squeezed+s
	}
	return dropped, squeezed, nil
}

// udpCounters adds up those of IPv4, in a table of names and values, and IPv6, one a line.
func udpCounters(f files) (map[string]uint64, error) {
	sums := map[string]uint64{}
	v4, err4 := f.read("snmp")
	var names []string
	for line := range strings.Lines(v4) {
		columns := strings.Fields(line)
		switch {
		case len(columns) == 0 || columns[0] != "Udp:":
		case names == nil:
			names = columns
		default:
			for i := 1; i < min(len(names), len(columns)); i++ {
				n, _ := strconv.ParseUint(columns[i], 10, 64)
				sums[names[i]] += n
			}
		}
	}
	v6, err6 := f.read("snmp6")
	for line := range strings.Lines(v6) {
		columns := strings.Fields(line)
		if len(columns) != 2 {
			continue
		}
		if name, ok := strings.CutPrefix(columns[0], "Udp6"); ok {
			n, _ := strconv.ParseUint(columns[1], 10, 64)
			sums[name] += n
		}
	}
	return sums, errors.Join(err4, err6)
}

// linkLosses are an interface's, as its driver counts them.
func linkLosses(name string, st *netlink.LinkStatistics) []Loss {
	of := func(reason string, n uint64, text string) Loss {
		return Loss{Reason: reason, Interface: name, Packets: n, Text: text}
	}
	return []Loss{
		of("ring_full", st.RxMissedErrors, "The card had no free place in its ring: lengthen it (ethtool -G), and see whether a CPU is full."),
		of("receive_fifo", st.RxFifoErrors, "The card's own buffer was full: slow interrupts or a slow bus."),
		of("receive_dropped", st.RxDropped, "The driver or the system dropped a received packet: see ethtool -S, and XDP's counters in it."),
		of("receive_errors", st.RxErrors, "The frame was damaged: look at cable, transceiver and duplex."),
		of("transmit_dropped", st.TxDropped, "The driver could not send: its queue was full, or it refused what XDP redirected to it (ethtool -S)."),
		of("transmit_errors", st.TxErrors, "The frame could not be sent: look at the link."),
	}
}
