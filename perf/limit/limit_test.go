package limit_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/count"
	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/limit"
)

// TestEveryFrameArrivesOnce sends through the bare limit in both directions and in
// both shapes: it also shows that generator and counter agree.
func TestEveryFrameArrivesOnce(t *testing.T) {
	for _, shape := range []struct {
		name string
		s    lab.Shape
		far  string // the node's link to the peer
	}{{"three nodes", lab.ThreeNodes, "s1"}, {"single interface", lab.SingleInterface, "s0"}} {
		for _, kind := range []limit.Kind{limit.Redirect, limit.Devmap} {
			t.Run(shape.name+" "+string(kind), func(t *testing.T) {
				l := labtest.New(t, lab.Options{Shape: shape.s})
				bare, err := limit.Attach(l.Node, kind, "s0", shape.far)
				if err != nil {
					t.Fatal(err)
				}
				defer bare.Close()
				if shape.far == "s0" {
					through(t, l.Client, "c0", l.Client, "c0")
					return
				}
				through(t, l.Client, "c0", l.Peer, "p0")
				through(t, l.Peer, "p0", l.Client, "c0")
			})
		}
	}
}

func through(t *testing.T, from *lab.Host, out string, to *lab.Host, in string) {
	t.Helper()
	counter, err := count.Attach(to, in, true)
	if err != nil {
		t.Fatal(err)
	}
	defer counter.Close()
	var flows []gen.Flow
	for i := range 7 {
		flows = append(flows, gen.Flow{
			Link: gen.Link{Host: from, Name: out}, SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2},
			Src: netip.MustParseAddrPort("198.18.0.2:4000"), Dst: netip.MustParseAddrPort("198.18.0.1:3478"),
			Channel: 0x4000 + uint16(i), ID: uint32(i),
		})
	}
	g, err := gen.New(gen.Config{Flows: flows, Payload: 160, Stamped: true})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	sent, err := g.Run(context.Background(), gen.Load{Rate: 20000, Duration: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	check(t, counter, sent, len(flows))
}

func check(t *testing.T, counter *count.Counter, sent gen.Result, flows int) {
	t.Helper()
	got, err := counter.Totals()
	if err != nil {
		t.Fatal(err)
	}
	if got.Packets != sent.Sent || got.Bytes != sent.Sent*(14+20+8+4+160) {
		t.Errorf("counted %+v of %d sent", got, sent.Sent)
	}
	perFlow, err := counter.Flows(flows)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range perFlow {
		if diff := int64(f.Packets) - int64(sent.Sent)/int64(flows); diff < 0 || diff > 1 || f.Reordered != 0 {
			t.Errorf("flow %d: %+v of %d sent", i, f, sent.Sent)
		}
	}
	h, err := counter.Latency()
	if err != nil {
		t.Fatal(err)
	}
	if p99 := h.Quantile(.99); h.Count() != got.Packets || p99 <= 0 || p99 > time.Second {
		t.Errorf("latency of %d packets: p99 %s", h.Count(), p99)
	}
	if err := counter.Reset(); err != nil {
		t.Fatal(err)
	}
	if got, err := counter.Totals(); err != nil || got.Packets != 0 {
		t.Errorf("after a reset: %+v, %v", got, err)
	}
}
