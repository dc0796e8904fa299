package xdp

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

// BenchmarkProgram measures one run of the program on a packet that is in the cache, with
// its flow: driver, redirect and misses are not in it (see perf/bench for those). The flow
// turns a packet into one that it takes again, but for the hop limit, so the kernel can
// run the program often in one call.
func BenchmarkProgram(b *testing.B) {
	if os.Getenv(inside) == "" {
		benchmarkInNode(b)
		return
	}
	s0, s1 := deviceNamed(b, "s0"), deviceNamed(b, "s1")
	for name, on := range map[string]*trunk{
		"untagged": nil,
		"tagged":   onTrunk(newVLAN("s1.20", vlan{0x8100, benchVLAN}, s0, s1)),
	} {
		for _, family := range []int{4, 6} {
			b.Run(name+map[int]string{4: " IPv4", 6: " IPv6"}[family], func(b *testing.B) {
				r := newRigOn(b, Config{}, on)
				f := r.circle(b, family)
				d := packet(f, rtpPayload(1, 7, 160, 148))
				d.ttl = 255
				if on != nil {
					d.tags = []vlan{{0x8100, benchVLAN}}
				}
				r.repeat(b, d.frame(b))
			})
		}
	}
	for _, n := range []int{1, 2, 7} {
		b.Run(fmt.Sprintf("untagged IPv4, %d groups", n), func(b *testing.B) {
			r := newRigOn(b, Config{}, nil)
			var of []relay.Group
			for range n {
				of = append(of, r.mustOpenGroup(b, "group", 4_000_000_000, time.Second))
			}
			f := r.circle(b, 4, of...)
			d := packet(f, rtpPayload(1, 7, 160, 148))
			d.ttl = 255
			r.repeat(b, d.frame(b))
		})
	}
}

// circle installs a flow that sends a packet where it came from, with a next hop that
// another flow has.
func (r *rig) circle(b *testing.B, family int, of ...relay.Group) relay.Flow {
	b.Helper()
	f := groups(down(family, family), of...)
	f.Out = relay.Out{Src: f.Key.Remote, Dst: f.Key.Local}
	there := up(family, family)
	hop := r.flows[uint32(r.mustInstall(b, there))].hop.number
	id, err := r.Install(f, time.Now().Add(time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	r.memory.slots[r.flows[uint32(id)].slot].Hop = uint16(hop)
	return f
}

// repeat runs the program on the frame as often as the benchmark asks for.
func (r *rig) repeat(b *testing.B, frame []byte) {
	b.Helper()
	const atOnce = 250 // and then the hop limit is used up
	const loopback = 1 // by which the kernel has the frames come
	r.stopHeartbeat()  // and with it what would put this right:
	atomic.StoreUint32(&r.memory.vlans[benchVLAN][vlanWays-1], loopback<<1)
	var spent []time.Duration
	for runs := 0; runs < b.N; runs += atOnce {
		verdict, each, err := r.Program().Benchmark(frame, atOnce, nil)
		if err != nil || verdict != xdpRedirect {
			b.Fatalf("verdict %d, %v", verdict, err)
		}
		spent = append(spent, each)
	}
	// Others have the CPU as well: what is not disturbed is what the program needs.
	slices.Sort(spent)
	b.ReportMetric(float64(spent[len(spent)/10].Nanoseconds()), "ns/run")
	b.ReportMetric(0, "ns/op")
}

const benchVLAN = 20

// benchmarkInNode runs the benchmark in the node's namespace of a lab, as often as it is
// asked for here.
func benchmarkInNode(b *testing.B) {
	b.Helper()
	l := labtest.New(b, lab.Options{})
	cmd := l.Node.Command(context.Background(), os.Args[0], "-test.run=^$", "-test.bench=^"+b.Name()+"$", "-test.benchtime=200000x")
	cmd.Env = append(os.Environ(), inside+"="+l.Name)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		b.Fatalf("in the node's namespace: %v", err)
	}
}
