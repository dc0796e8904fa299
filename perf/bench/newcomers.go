package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnpike.dev/turnpike/perf/flood"
	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/load"
	"turnpike.dev/turnpike/perf/peers"
)

// arrivals is how honest newcomers' set-ups went.
type arrivals struct {
	asked int
	took  []time.Duration // of those that were done, sorted
}

func (a arrivals) quantile(q float64) time.Duration {
	return load.Report{Latencies: a.took}.Quantile(q)
}

// newcomersPerSecond come while a flood goes on, from an address of their own.
const newcomersPerSecond = 25

// arrive has newcomers set up relays, and gives them back.
func (b *bench) arrive(ctx context.Context, s *site, overTCP bool) (arrivals, error) {
	n := int(newcomersPerSecond * b.plan.newcomers.Seconds())
	switch {
	case s.server == nil:
		return arrivals{}, nil
	case overTCP:
		return s.arriveByTCP(ctx, n)
	}
	f, err := s.newFleet(n, 1)
	if err != nil {
		return arrivals{}, err
	}
	defer f.Close() //nolint:errcheck // sockets
	a := arrivals{asked: n}
	err = gen.OnCPU(b.cpu, func() error {
		r, _ := f.Setup(ctx, load.Pace{Rate: newcomersPerSecond}) // who failed counts as not done
		a.took = r.Latencies
		_, _ = f.Release(ctx)
		return ctx.Err()
	})
	return a, err
}

// arriveByTCP has them come by TCP, one after the other.
func (s *site) arriveByTCP(ctx context.Context, n int) (arrivals, error) {
	a := arrivals{asked: n}
	from := s.lab.ClientAddrs.V4[s.fleets%fleetClients]
	s.fleets++
	tick := time.NewTicker(time.Second / newcomersPerSecond)
	defer tick.Stop()
	for range n {
		select {
		case <-ctx.Done():
			return a, ctx.Err()
		case <-tick.C:
		}
		took, err := flood.AllocateByTCP(s.lab.Client, from, s.server.Listen[0], peers.User, peers.Password)
		if err == nil {
			a.took = append(a.took, took)
		}
	}
	slices.Sort(a.took)
	return a, nil
}

// counters are a node's metrics by name and labels; nil for other servers.
type counters map[string]float64

const metricsAddr = "127.0.0.1:9464"

// counters reads the node's metrics.
func (s *site) counters() (counters, error) {
	if s.server == nil || s.server.State == "" {
		return nil, nil
	}
	var conn net.Conn
	err := s.lab.Node.Do(func() (err error) {
		conn, err = net.DialTimeout("tcp", netip.MustParseAddrPort(metricsAddr).String(), 5*time.Second)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask the node for its counters: %w", err)
	}
	client := http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + metricsAddr + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(resp.Body)
	return readCounters(string(body)), err
}

func readCounters(text string) counters {
	c := counters{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseFloat(value, 64); err == nil && strings.HasPrefix(name, "turnpike_") && strings.Contains(name, "_total") {
			c[name] = n
		}
	}
	return c
}

// since names the counters that grew most, media that was relayed aside.
func (c counters) since(before counters, most int) []string {
	type grown struct {
		name string
		by   float64
	}
	var list []grown
	for name, n := range c {
		if by := n - before[name]; by > 0 && aboutRubbish(name) {
			list = append(list, grown{shortName(name), by})
		}
	}
	slices.SortFunc(list, func(a, b grown) int { return int(b.by - a.by) })
	var names []string
	for _, g := range list[:min(most, len(list))] {
		names = append(names, fmt.Sprintf("%s %.0f", g.name, g.by))
	}
	return names
}

// aboutRubbish tells refusals from what is relayed and from what the system counts.
func aboutRubbish(name string) bool {
	refused := strings.HasPrefix(name, "turnpike_turn_") || strings.HasPrefix(name, "turnpike_relay_exits_")
	return refused && !strings.Contains(name, `"forwarded"`)
}

// shortName keeps of a metric what tells it from others here.
func shortName(name string) string {
	if _, labels, found := strings.Cut(name, `exits_total{path="`); found {
		path, rest, _ := strings.Cut(labels, `",reason="`)
		reason, _, _ := strings.Cut(rest, `"`)
		return path + " " + reason
	}
	name = strings.TrimPrefix(name, "turnpike_turn_")
	return strings.NewReplacer("_total", "", `"`, "", "code=", "", "method=", "", "reason=", "").Replace(name)
}
