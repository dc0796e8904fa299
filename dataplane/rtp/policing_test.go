package rtp

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/userspace"
)

// sender sends the payload of one stream at a steady rate, a report beside it now and then.
type sender struct {
	*end
	to   Ports
	kbps int
	rtcp int // percent of it
	sent int // packets of RTP
}

const mediaSize = 1000 // bytes of payload in a packet

// media is an RTP packet with that much.
func (s *sender) media() []byte {
	s.seq++
	return append(rtpOf(s.ssrc, s.seq, uint32(s.seq)*3000)[:rtpHeader], make([]byte, mediaSize)...)
}

// step sends what is due after so long a time.
func (s *sender) step(elapsed time.Duration) {
	due := int(elapsed.Seconds() * float64(s.kbps) * 125 / mediaSize)
	for ; s.sent < due; s.sent++ {
		s.send(laneRTP, s.to.RTP, s.media())
		if s.rtcp > 0 && s.sent%20 == 0 {
			s.send(laneRTCP, s.to.RTCP, append(rtcpOf(1), make([]byte, mediaSize*20*s.rtcp/100-8)...))
		}
	}
}

// sendAll has all send side by side until done is closed.
func sendAll(senders []*sender, done <-chan struct{}) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); ; {
		select {
		case <-done:
			return
		case now := <-tick.C:
			for _, s := range senders {
				s.step(now.Sub(begin))
			}
		}
	}
}

// crossing are two calls over one pipe: one keeps to its grant, the other sends three times
// as much on two streams.
type crossing struct {
	*site
	honest, cheat *Call
	pipe          relay.Group
	senders       []*sender
}

const grantedKbps = 1000

func newCrossing(t *testing.T, s *site) *crossing {
	t.Helper()
	c := &crossing{site: s, honest: s.call, cheat: s.media.Open("call:2", s.call.sides[LegA], s.call.sides[LegB])}
	t.Cleanup(func() { c.cheat.Release() })
	c.pipe = s.mustOpenGroup("pipe", 2*grantedKbps)
	for _, call := range []*Call{c.honest, c.cheat} {
		call.Grant(grantedKbps, [2][]relay.Group{{c.pipe}, nil})
	}
	c.add(c.honest, 0, grantedKbps, 5)
	c.add(c.cheat, 0, 2*grantedKbps, 0)
	c.add(c.cheat, 1, grantedKbps, 0)
	return c
}

func (c *crossing) add(call *Call, stream, kbps, rtcp int) {
	c.t.Helper()
	t := c.t.(*testing.T)
	a, b := newEndIn(t, "client", client0), newEndIn(t, "peer", peer1)
	s := *c.site
	s.call = call
	to := s.ports(stream, LegA)
	s.joined(stream, a, b)
	s.ports(stream, LegB)
	c.senders = append(c.senders, &sender{end: a, to: to, kbps: kbps, rtcp: rtcp})
}

// own is a call's bucket of what comes from its leg A.
func own(c *Call) relay.Group { return c.grant.own[LegA] }

// A call gets what it was granted and the margin, within 2 % over ten seconds, on all its
// streams together, after a burst of a second of it; a neighbour on the same pipe that
// keeps to its grant loses nothing, and has room for its RTCP.
// BW-06
func TestCallIsHeldToItsGrant(t *testing.T) {
	if !inNode(t) {
		return
	}
	for _, tt := range []struct {
		path relay.Path
		long time.Duration
	}{{relay.PathXDP, 10 * time.Second}, {relay.PathUserspace, 5 * time.Second}} {
		t.Run(string(tt.path), func(t *testing.T) {
			c := newCrossing(t, newSiteOf(t, tt.path))
			if tt.path == relay.PathXDP {
				c.meet(0, c.senders[0].end, newEndIn(t, "peer", peer1))
			}
			done, begin := make(chan struct{}), time.Now()
			var sending sync.WaitGroup
			sending.Go(func() { sendAll(c.senders, done) })
			c.burst(begin)
			at, before := c.empty()
			<-time.After(tt.long)
			end, after := c.empty()
			took := end.Sub(at)
			got := float64(after.Bytes-before.Bytes) * 8 / 1000 / took.Seconds()
			const want = grantedKbps * (100 + relay.DefaultMargin) / 100
			if got < want*0.98 || got > want*1.02 {
				t.Errorf("the call got %.1f kbps over %v, want %d", got, took, want)
			}
			close(done)
			sending.Wait()
			t.Logf("%s: granted %d kbps, got %.1f over %v", tt.path, want, got, took.Round(time.Millisecond))
			c.check(tt.path)
		})
	}
}

// newSiteOf is a site in the lab whose flows take a path.
func newSiteOf(t *testing.T, path relay.Path) *site {
	t.Helper()
	a, b := Side{Local: node0}, Side{Local: node1}
	if path == relay.PathXDP {
		return newKernelSite(t, a, b, nil)
	}
	process, err := userspace.New(userspace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Close() })
	return newSiteOn(t, relay.NewEngine(nil, "it is a test", process), process, a, b, nil)
}

// burst waits until the cheating call is policed, and compares what it had before.
func (c *crossing) burst(begin time.Time) {
	c.t.Helper()
	const perSecond = grantedKbps * 125 * (100 + relay.DefaultMargin) / 100
	var got relay.GroupStats
	eventually(c.t, "the call is policed", func() bool {
		got = c.engine.GroupStats(own(c.cheat))
		return got.Policed > 0
	})
	took := time.Since(begin).Seconds()
	// A second of it, what comes back meanwhile, and what the batches of CPUs may add.
	least, most := perSecond*1.0-mediaSize, perSecond*(1.125+took)+mediaSize
	if b := float64(got.Bytes); b < least || b > most {
		c.t.Errorf("%.0f bytes at once in %.2f s, want %.0f to %.0f", b, took, least, most)
	}
}

// empty returns the counters of the cheating call's bucket at a time when there is nothing
// in it: it refused something just before.
func (c *crossing) empty() (at time.Time, stats relay.GroupStats) {
	c.t.Helper()
	const moment = 20 * time.Millisecond
	at, stats = time.Now(), c.engine.GroupStats(own(c.cheat))
	eventually(c.t, "the bucket is empty", func() bool {
		before, was := at, stats
		at, stats = time.Now(), c.engine.GroupStats(own(c.cheat))
		return stats.Policed > was.Policed && time.Since(before) < moment
	})
	return at, stats
}

// check compares what the calls and the pipe counted in the end.
func (c *crossing) check(path relay.Path) {
	c.t.Helper()
	honest, cheat, pipe := c.engine.GroupStats(own(c.honest)), c.engine.GroupStats(own(c.cheat)), c.engine.GroupStats(c.pipe)
	if honest.Policed != 0 || pipe.Policed != 0 || cheat.Policed == 0 {
		c.t.Errorf("policed: the honest call %+v, the pipe %+v, the cheating one %+v", honest, pipe, cheat)
	}
	carried := uint64(0)
	eventually(c.t, "the honest call's packets are all relayed", func() bool {
		carried = c.honest.Stats()[0].A.Packets
		return carried == uint64(c.senders[0].sent)
	})
	streams := c.cheat.Stats()
	for i, s := range streams {
		if s.Path != string(path) || s.A.Packets == 0 {
			c.t.Errorf("stream %d of the cheating call: %+v", i, s)
		}
	}
	if honest, pipe = c.engine.GroupStats(own(c.honest)), c.engine.GroupStats(c.pipe); pipe.Bytes != honest.Bytes+cheat.Bytes {
		c.t.Errorf("the pipe carried %d bytes, the calls %d and %d", pipe.Bytes, honest.Bytes, cheat.Bytes)
	}
}

// What the process relays of a pipe and what the kernel does is taken from one bucket.
// BW-06
func TestKernelAndProcessShareBuckets(t *testing.T) {
	if !inNode(t) {
		return
	}
	s := newKernelSite(t, Side{Local: node0}, Side{Local: node1}, nil)
	s.engine.SetMargin(0)
	s.call.Grant(8, [2][]relay.Group{}) // 1000 bytes
	a, b := newEndIn(t, "client", client0), newEndIn(t, "peer", peer1)
	s.joined(0, a, b)
	s.meet(0, a, b)
	bucket := own(s.call)
	process := s.call.media.cfg.Sockets.(*userspace.Relay)
	key := relay.Key{Local: netip.MustParseAddrPort("198.18.0.1:9"), Remote: netip.MustParseAddrPort("198.18.0.2:9")}
	f := relay.Flow{Key: key, Stream: true, Sink: func([]byte) {}, Groups: [relay.MaxGroups]relay.Group{bucket}}
	if _, err := process.Install(f); err != nil {
		t.Fatal(err)
	}
	for s.engine.GroupStats(bucket).Policed == 0 {
		process.Forward(key, make([]byte, 100))
	}
	if got := s.engine.GroupStats(bucket).Bytes; got < 900 || got > 1400 {
		t.Errorf("the process took %d bytes", got)
	}
	toA := s.ports(0, LegA)
	was := s.stream(0).A.Packets
	for range 20 {
		a.send(laneRTP, toA.RTP, append(rtpOf(1, 1, 1), make([]byte, 1000)...))
	}
	eventually(t, "the kernel has none left", func() bool { return s.engine.GroupStats(bucket).PolicedBytes >= 20*1000 })
	if got := s.stream(0).A.Packets; got != was {
		t.Errorf("the kernel relayed %d packets of what the process had taken", got-was)
	}
	b.hearsNothing(laneRTP)
}
