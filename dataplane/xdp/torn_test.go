package xdp

import (
	"bytes"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// lookOn is how long packets and changes race.
const lookOn = 1500 * time.Millisecond

// versions are what one flow's packets may become; no two have anything in common that
// a torn slot could hide.
func versions(number uint16) []relay.Flow {
	var all []relay.Flow
	for v, out := range []relay.Out{
		{Src: addr("198.18.1.1:24000"), Dst: addr("198.18.1.2:6000")},
		{Src: addr("[fd00:0:0:2::1]:25000"), Dst: addr("[fd00:0:0:2::2]:7000")},
		{Src: addr("198.18.0.1:3478"), Dst: addr("198.18.0.2:8000"), Channel: 0x7001},
		{Src: addr("[fd00:0:0:1::1]:3478"), Dst: addr("[fd00:0:0:1::2]:9000"), Channel: 0x5002},
	} {
		f := up(4, 4)
		f.Key.Remote = netip.AddrPortFrom(client4.Addr(), 40000+number)
		f.Out = out
		f.Out.Dst = netip.AddrPortFrom(out.Dst.Addr(), out.Dst.Port()+number)
		f.RateKbps = uint32(v) * 10_000_000
		all = append(all, f)
	}
	return all
}

// racer sends one flow's packet and knows what it may become.
type racer struct {
	in      []byte
	allowed [][]byte
}

func (r *rig) racer(t *testing.T, flows []relay.Flow) racer {
	t.Helper()
	d := packet(flows[0], pattern(101))
	d.padding = 3
	c := racer{in: d.frame(t)}
	for _, f := range flows {
		want := sent(f, d)
		to, mac := r.s1, peerMAC
		if f.Out.Channel != 0 {
			to, mac = r.s0, clientMAC
		}
		copy(want.macs[:6], mac[:])
		copy(want.macs[6:], to.Attrs().HardwareAddr)
		c.allowed = append(c.allowed, want.frame(t))
	}
	return c
}

// try sends the packet once. What it became is an allowed version, or it was passed as
// it came.
func (r *rig) try(t *testing.T, c racer, forwarded *atomic.Int64) bool {
	verdict, out := r.run(t, r.s0, c.in)
	if verdict == xdpPass {
		return bytes.Equal(out, c.in)
	}
	forwarded.Add(1)
	for _, a := range c.allowed {
		if bytes.Equal(out, a) {
			return true
		}
	}
	return false
}

// race sends packets of all racers while change is called again and again, and returns
// how many were forwarded and how many changes there were.
func (r *rig) race(t *testing.T, racers []racer, change func(i int)) {
	t.Helper()
	var forwarded, torn atomic.Int64
	var changes int
	end := time.Now().Add(lookOn)
	var packets sync.WaitGroup
	for range 2 {
		packets.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				if !r.try(t, racers[i%len(racers)], &forwarded) {
					torn.Add(1)
				}
			}
		})
	}
	for ; time.Now().Before(end); changes++ {
		change(changes)
	}
	packets.Wait()
	t.Logf("%d changes, %d packets forwarded", changes, forwarded.Load())
	if torn.Load() != 0 {
		t.Errorf("%d packets became what no version of their flow makes of them", torn.Load())
	}
	if changes < 10 || forwarded.Load() < 500 {
		t.Errorf("only %d changes and %d packets", changes, forwarded.Load())
	}
}

// A packet is relayed by one version of its flow, whenever that changes.
// ME-01
func TestFlowsChangeWhole(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	var racers []racer
	var ids []relay.FlowID
	all := make([][]relay.Flow, 50)
	for n := range all {
		all[n] = versions(uint16(n))
		ids = append(ids, r.mustInstall(t, all[n][0]))
		racers = append(racers, r.racer(t, all[n]))
	}
	lease := time.Now().Add(time.Hour)
	r.race(t, racers, func(i int) {
		n := i % len(ids)
		if err := r.Replace(ids[n], all[n][i/len(ids)%len(all[n])], lease); err != nil {
			t.Fatal(err)
		}
	})
}

// A flow's number goes to another only when no packet can be under way by it, and
// packets of a flow that is gone are nobody else's.
// ME-01
func TestNumbersAreUsedAgain(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{MaxFlows: 16})
	var racers []racer
	all := make([]relay.Flow, 40)
	for n := range all {
		all[n] = versions(uint16(n))[n%4]
		racers = append(racers, r.racer(t, all[n:n+1]))
	}
	installed := map[int]relay.FlowID{}
	lease := time.Now().Add(time.Hour)
	r.race(t, racers, func(i int) {
		n := i * 7 % len(all)
		if id, ok := installed[n]; ok {
			r.Remove(id)
			delete(installed, n)
			return
		}
		for old, id := range installed {
			if len(installed) < 16 {
				break
			}
			r.Remove(id)
			delete(installed, old)
		}
		id, err := r.Install(all[n], lease)
		if err != nil {
			t.Fatal(err)
		}
		installed[n] = id
	})
}

// Next hops change under packets that go there: a frame has the old address or the new.
// ME-01
func TestNextHopsChangeWhole(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	f := versions(0)[0]
	id := r.mustInstall(t, f)
	c := r.racer(t, []relay.Flow{f})
	other := bytes.Clone(c.allowed[0])
	otherMAC := [6]byte{0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54}
	copy(other, otherMAC[:])
	c.allowed = append(c.allowed, other)
	r.race(t, []racer{c}, func(i int) {
		mac := peerMAC
		if i%2 == 0 {
			mac = otherMAC
		}
		r.mu.Lock()
		r.router.neighbours[neighbourKey{r.s1.Attrs().Index, peer4.Addr()}] = neighbour{mac: mac, fixed: true}
		r.mu.Unlock()
		r.refresh()
		pause() // in which it is used
	})
	if why := r.Reason(id); why != "" {
		t.Error(why)
	}
}
