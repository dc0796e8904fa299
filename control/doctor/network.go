package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/config"
)

// Keys of sysctl, below /proc/sys.
const (
	sysctlJIT       = "net/core/bpf_jit_enable"
	sysctlBPFStats  = "kernel/bpf_stats_enabled"
	sysctlRmem      = "net/core/rmem_max"
	sysctlWmem      = "net/core/wmem_max"
	sysctlBacklog   = "net/core/netdev_max_backlog"
	sysctlPorts     = "net/ipv4/ip_local_port_range"
	sysctlReserved  = "net/ipv4/ip_local_reserved_ports"
	sysctlNeigh4    = "net/ipv4/neigh/default/gc_thresh3"
	sysctlNeigh6    = "net/ipv6/neigh/default/gc_thresh3"
	sysctlTracked   = "net/netfilter/nf_conntrack_count"
	sysctlTrackable = "net/netfilter/nf_conntrack_max"
)

func sysctlOf(family, dev, key string) string {
	return "net/" + family + "/conf/" + dev + "/" + key
}

func forwarding(s *Snapshot) []Finding {
	var found []Finding
	for _, i := range s.Interfaces {
		var on []string
		for _, family := range []string{"ipv4", "ipv6"} {
			if key := sysctlOf(family, i.Name, "forwarding"); s.Sysctls[key] == "1" {
				on = append(on, fmt.Sprintf("sysctl -w '%s=0'", key))
			}
		}
		if len(on) > 0 {
			severity := Warning
			if len(s.Interfaces) == 1 {
				severity = Note // there is nowhere to forward to but back
			}
			found = append(found, finding(i.Name, severity, "packets that come by "+i.Name+" are routed on", strings.Join(on, " && ")))
		}
	}
	if len(found) == 0 {
		return []Finding{fine("network", "nothing is routed between the node's interfaces")}
	}
	return found
}

func rpFilter(s *Snapshot, i Interface) []Finding {
	own := sysctlOf("ipv4", i.Name, "rp_filter")
	all := s.Sysctls[sysctlOf("ipv4", "all", "rp_filter")]
	// The stricter in name is the looser in meaning: the larger number counts.
	effective := max(all, s.Sysctls[own])
	if effective == "1" {
		return []Finding{mendable(i.Name, Warning, "the reverse path filter is strict", setSysctl(own, "2"))}
	}
	return []Finding{fine(i.Name, "the reverse path filter is "+map[string]string{"0": "off", "2": "loose", "": "not there"}[effective])}
}

// portSpan is an inclusive range of ports with who needs it.
type portSpan struct {
	low, high int
	of        string
}

func (p portSpan) String() string {
	if p.low == p.high {
		return strconv.Itoa(p.low)
	}
	return fmt.Sprintf("%d-%d", p.low, p.high)
}

func (p portSpan) overlaps(q portSpan) bool { return p.low <= q.high && q.low <= p.high }

// ownPorts are the ports that the node file and the platform's other services use
// (the reference product's port guide).
func ownPorts(n *config.Node) []portSpan {
	requests := n.Ports()
	spans := []portSpan{
		{int(n.TURN.MediaPorts.Start), int(n.TURN.MediaPorts.End), "TURN relays"},
		{int(requests[0]), int(requests[len(requests)-1]), "TURN requests"},
		{36000, 59999, "media of calls"},
		{1719, 1720, "H.323"},
		{15000, 19999, "H.323 call control"},
		{4371, 4372, "cluster"},
		{5060, 5061, "SIP"},
	}
	if t := n.TURN.TLS; t != nil {
		spans = append(spans, portSpan{int(t.Port), int(t.Port), "TURN over TLS"})
	}
	return spans
}

// mediaPorts are the ports that a TURN relay's packets come to.
func mediaPorts(n *config.Node) []portSpan { return ownPorts(n)[:2] }

func portRange(s *Snapshot) []Finding {
	given, ok := parseSpan(strings.Join(strings.Fields(s.Sysctls[sysctlPorts]), "-"))
	if !ok {
		return nil
	}
	reserved := parseSpans(s.Sysctls[sysctlReserved])
	var lacking []portSpan
	var names []string
	for _, own := range ownPorts(s.Node) {
		// What lies outside of the range is nobody's to be given.
		own.low, own.high = max(own.low, given.low), min(own.high, given.high)
		if own.low <= own.high && !covered(own, reserved) {
			lacking = append(lacking, own)
			names = append(names, fmt.Sprintf("%s (%s)", own, own.of))
		}
	}
	if len(lacking) == 0 {
		return []Finding{fine("ports", fmt.Sprintf("programs that ask for any port get one of %s, none of the node's", given))}
	}
	wanted := joinSpans(append(reserved, lacking...))
	return []Finding{mendable("ports", Warning,
		fmt.Sprintf("programs that ask for any port get one of %s: among them are %s", given, strings.Join(names, ", ")),
		setSysctl(sysctlReserved, wanted))}
}

// covered reports whether every port of p is in one of the spans, which do not touch
// each other (the kernel shows them so).
func covered(p portSpan, spans []portSpan) bool {
	return slices.ContainsFunc(spans, func(s portSpan) bool { return s.low <= p.low && p.high <= s.high })
}

func joinSpans(spans []portSpan) string {
	slices.SortFunc(spans, func(a, b portSpan) int { return cmp.Compare(a.low, b.low) })
	var out []portSpan
	for _, s := range spans {
		if n := len(out); n > 0 && s.low <= out[n-1].high+1 {
			out[n-1].high = max(out[n-1].high, s.high)
			continue
		}
		out = append(out, s)
	}
	var texts []string
	for _, s := range out {
		texts = append(texts, s.String())
	}
	return strings.Join(texts, ",")
}

func parseSpans(text string) []portSpan {
	var spans []portSpan
	for part := range strings.SplitSeq(text, ",") {
		if s, ok := parseSpan(strings.TrimSpace(part)); ok {
			spans = append(spans, s)
		}
	}
	return spans
}

func parseSpan(text string) (portSpan, bool) {
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	low, err := strconv.ParseUint(from, 10, 16)
	high, err2 := strconv.ParseUint(to, 10, 16)
	return portSpan{low: int(low), high: int(high)}, err == nil && err2 == nil && low <= high
}

// listenerBuffer is what the process asks for a request port's socket
// (dataplane/userspace).
const listenerBuffer = 32 << 20

func socketBuffers(s *Snapshot) []Finding {
	var short []mend
	var texts []string
	for _, key := range []string{sysctlRmem, sysctlWmem} {
		if n, err := strconv.Atoi(s.Sysctls[key]); err == nil && n < listenerBuffer {
			short = append(short, setSysctl(key, strconv.Itoa(listenerBuffer)))
			texts = append(texts, fmt.Sprintf("%s is %d KiB", strings.ReplaceAll(key, "/", "."), n>>10))
		}
	}
	switch {
	case len(short) == 0:
		return []Finding{fine("sockets", fmt.Sprintf("a socket may have %d MiB", listenerBuffer>>20))}
	case s.Process.may(unix.CAP_NET_ADMIN):
		return []Finding{fine("sockets", strings.Join(texts, ", ")+": the node may pass over it (CAP_NET_ADMIN)")}
	}
	return []Finding{mendable("sockets", Warning, fmt.Sprintf("%s; the node asks for %d MiB and may not pass over the limit", strings.Join(texts, ", "), listenerBuffer>>20), short...)}
}

// neighbourTable judges the kernel's limit of neighbours; namespaces share the machine's, and
// do not show it.
func neighbourTable(s *Snapshot) []Finding {
	var found []Finding
	for _, key := range []string{sysctlNeigh4, sysctlNeigh6} {
		n, err := strconv.Atoi(s.Sysctls[key])
		if err == nil && n < s.Node.MaxRelays() {
			found = append(found, mendable("neighbours", Note, fmt.Sprintf("%s is %d, and %d relays may have as many peers in the own network", strings.ReplaceAll(key, "/", "."), n, s.Node.MaxRelays()),
				setSysctl(key, strconv.Itoa(neighbours))))
		}
	}
	if len(found) == 0 {
		return []Finding{fine("neighbours", "there is room for a neighbour for each relay")}
	}
	return found
}

// neighbours is what deploy/debian/turnpike.sysctl sets.
const neighbours = 16384

func backlog(s *Snapshot) []Finding {
	var all, dropped uint64
	var where []string
	for cpu, c := range s.Softnet {
		all, dropped = all+c.Processed, dropped+c.Dropped
		if c.Dropped > 0 {
			where = append(where, fmt.Sprintf("%d on CPU %d", c.Dropped, cpu))
		}
	}
	if dropped == 0 {
		return []Finding{fine("kernel", "no packet was lost in the receive backlog")}
	}
	n, _ := strconv.Atoi(s.Sysctls[sysctlBacklog])
	command := ""
	if n > 0 {
		command = fmt.Sprintf("sysctl -w '%s=%d', and look again whether the number grows", sysctlBacklog, 4*n)
	}
	return []Finding{finding("kernel", Note, fmt.Sprintf("since boot %d of %d packets were lost in the receive backlog (%s)", dropped, all, strings.Join(where, ", ")), command)}
}
