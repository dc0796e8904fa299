package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/metrics"
	"turnpike.dev/turnpike/perf/load"
)

// series is one time series of /metrics.
type series struct {
	name   string
	labels map[string]string
	value  float64
}

var (
	sampleLine = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? (\S+)$`)
	labelPair  = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
)

// scrape reads the node's metrics.
func (s *stage) scrape(t *testing.T) []series {
	t.Helper()
	var all []series
	for line := range strings.Lines(s.get(t, "/metrics")) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		m := sampleLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			t.Fatalf("no sample: %s", line)
		}
		one := series{name: m[1], labels: map[string]string{}}
		for _, l := range labelPair.FindAllStringSubmatch(m[2], -1) {
			one.labels[l[1]] = l[2]
		}
		var err error
		if one.value, err = strconv.ParseFloat(m[3], 64); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// sumOf adds up the series of a name that have the labels: "direction", "up".
func sumOf(all []series, name string, labels ...string) (sum float64) {
	for _, one := range all {
		fits := one.name == name
		for i := 0; i < len(labels); i += 2 {
			fits = fits && one.labels[labels[i]] == labels[i+1]
		}
		if fits {
			sum += one.value
		}
	}
	return sum
}

// ME-05: counters move while a relay lives, and stay when it has ended.
func TestCountersMoveDuringARelay(t *testing.T) {
	s := play(t)
	stream := s.mustOpen(t)
	mustTalk(t, stream, 500) // until the neighbours are known the process is needed
	before := s.scrape(t)
	mustTalk(t, stream, 500)
	during := s.scrape(t)
	moved := func(name string, labels ...string) float64 {
		return sumOf(during, name, labels...) - sumOf(before, name, labels...)
	}
	for _, direction := range []string{"up", "down"} {
		if n := moved("turnpike_relay_packets_total", "direction", direction); n != 500 {
			t.Errorf("%v packets counted %s during the relay, want 500", n, direction)
		}
		if n := moved("turnpike_relay_rtp_received_packets_total", "direction", direction); n != 500 {
			t.Errorf("%v RTP packets counted %s during the relay, want 500", n, direction)
		}
	}
	if n := moved("turnpike_relay_packets_total", "path", "xdp"); n < 950 {
		t.Errorf("%v of 1000 packets counted on XDP", n)
	}
	if n := moved("turnpike_relay_bytes_total"); n <= 0 {
		t.Error("no bytes counted during the relay")
	}
	if n := moved("turnpike_interface_packets_total", "way", "receive"); n < 1000 {
		t.Errorf("the interfaces received %v packets, want 1000 or more", n)
	}
	s.command(t, 0, "relay", "kill", fmt.Sprint(s.onlyRelay(t).ID))
	after := s.scrape(t)
	for _, name := range []string{"turnpike_relay_packets_total", "turnpike_relay_bytes_total", "turnpike_relay_rtp_received_packets_total"} {
		if now, then := sumOf(after, name), sumOf(during, name); now < then {
			t.Errorf("%s fell from %v to %v with the relay's end", name, then, now)
		}
	}
	if n := sumOf(after, "turnpike_relay_flows"); n != 0 {
		t.Errorf("%v flows left", n)
	}
}

// A counter that begins with what an earlier process carried would look like traffic.
func TestCountersBeginAtZeroAfterARestart(t *testing.T) {
	s := play(t)
	stream := s.mustOpen(t)
	mustTalk(t, stream, 500)
	s.stop(t, unix.SIGKILL)
	s.start(t)
	if n := sumOf(s.scrape(t), "turnpike_relay_packets_total"); n != 0 {
		t.Errorf("%v packets counted before any was relayed", n)
	}
	mustTalk(t, stream, 100)
	all := s.scrape(t)
	if n := sumOf(all, "turnpike_relay_packets_total"); n != 200 {
		t.Errorf("%v packets counted, want 200", n)
	}
	if n := sumOf(all, "turnpike_relay_rtp_received_packets_total"); n != 200 {
		t.Errorf("%v RTP packets counted, want 200", n)
	}
}

// manyUsers is how many users a node gets, manyRelays how many relays some of them make.
const (
	manyUsers  = 2000
	manyRelays = 2000
)

// No label has values without bound: what users, clients and peers there are makes no
// series more.
func TestMetricsDoNotGrowWithUsers(t *testing.T) {
	s := play(t)
	var users []byte
	for i := range manyUsers {
		users = fmt.Appendf(users, "{name: user%d, password: p%d}, ", i, i)
	}
	text, err := os.ReadFile(nodeFile(s.state))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("users: ["), append([]byte("users: ["), users...), 1)
	if err := os.WriteFile(nodeFile(s.state), text, 0o600); err != nil {
		t.Fatal(err)
	}
	s.command(t, 0, "reload")
	const groups = 20
	for g := range groups {
		fleet, err := load.New(load.Config{
			Host: s.lab.Client, Clients: s.lab.ClientAddrs.V4, Servers: []netip.AddrPort{s.server},
			User: fmt.Sprintf("user%d", g), Password: fmt.Sprintf("p%d", g),
			Peers: func(i int) []netip.AddrPort {
				return []netip.AddrPort{netip.AddrPortFrom(s.peer, uint16(5000+2*(g*manyRelays/groups+i)))}
			},
		}, manyRelays/groups)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = fleet.Close() }()
		if report, err := fleet.Setup(t.Context(), load.Pace{}); err != nil || report.Failed > 0 {
			t.Fatalf("%d relays failed: %v", report.Failed, err)
		}
	}
	all := s.scrape(t)
	if n := sumOf(all, "turnpike_turn_relays"); n != manyRelays {
		t.Fatalf("%v relays, want %d", n, manyRelays)
	}
	if age := sumOf(all, "turnpike_relay_lease_age_seconds"); age < 0 || age > 5 {
		t.Errorf("leases were renewed %v s ago", age)
	}
	judgeLabels(t, all)
}

// judgeLabels holds what a node gave out to the bounds that are promised.
func judgeLabels(t *testing.T, all []series) {
	t.Helper()
	own := 0
	values := map[[2]string]map[string]bool{}
	for _, one := range all {
		if !strings.HasPrefix(one.name, "turnpike_") {
			continue
		}
		own++
		for label, value := range one.labels {
			key := [2]string{one.name, label}
			if values[key] == nil {
				values[key] = map[string]bool{}
			}
			values[key][value] = true
			if addressLike.MatchString(value) || strings.Contains(value, "user1") {
				t.Errorf("%s has the label %s=%q, which tells of one user", one.name, label, value)
			}
		}
	}
	bounds := metrics.Labels()
	for key, seen := range values {
		if limit, ok := bounds[key[1]]; !ok || len(seen) > limit {
			t.Errorf("%s: label %s has %d values, at most %d were promised", key[0], key[1], len(seen), limit)
		}
	}
	if most := 400; own > most {
		t.Errorf("%d series, want %d at most", own, most)
	}
}

var addressLike = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+|:.*:`)
