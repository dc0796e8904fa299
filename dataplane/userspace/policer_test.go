package userspace

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// BW-06: in no stretch of time passes more than the grant and one bucket, and a
// sender that keeps to the grant loses nothing.
func TestPolicerModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kbps := rapid.Uint32Range(1, 100_000).Draw(t, "kbps")
		depth := time.Duration(rapid.Int64Range(0, 5e9).Draw(t, "depth"))
		var p policer
		p.grant(kbps, depth)
		bucket := max(depth, time.Second)
		perSecond := float64(kbps) * 125

		now, passed := int64(0), 0.0
		credit := perSecond * bucket.Seconds() // a plain token bucket
		for range rapid.IntRange(1, 300).Draw(t, "packets") {
			gap := rapid.Int64Range(0, 2e8).Draw(t, "gap")
			bytes := rapid.IntRange(0, 1500).Draw(t, "bytes")
			now += gap
			credit = min(perSecond*bucket.Seconds(), credit+perSecond*float64(gap)/1e9)
			ok := p.conforms(bytes, now)
			if near := credit - float64(bytes); near > 1 != ok && (near > 1 || near < -1) {
				t.Fatalf("%d bytes with %.1f in the bucket: passed %v", bytes, credit, ok)
			}
			if ok {
				credit -= float64(bytes)
				passed += float64(bytes)
			}
			if most := perSecond * (bucket.Seconds() + float64(now)/1e9); passed > most+300 {
				t.Fatalf("%.0f bytes in %v, at most %.0f were granted", passed, time.Duration(now), most)
			}
		}
	})
}

func TestPolicerWithoutRate(t *testing.T) {
	var p policer
	p.grant(0, 0)
	for range 1000 {
		if !p.conforms(1500, 0) {
			t.Fatal("no rate was set, but a packet was policed")
		}
	}
}

// BW-06: the grant counts payload without the headers of ChannelData and RTP.
func TestWhatThePolicerCounts(t *testing.T) {
	const granted = 100 // bytes a packet
	tests := []struct {
		name    string
		payload []byte
		passes  int // of 1000 bytes
	}{
		{"plain", make([]byte, granted), 10},
		{"RTP", rtpPacket(1, 0, 0, granted), 10},
		{"RTCP is counted whole", append([]byte{0x80, 200}, make([]byte, granted-2)...), 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, loopback4, loopback4)
			f := s.up()
			f.RateKbps = 8 // 1000 bytes in the bucket
			id := s.install(f)
			for range 20 {
				s.client.send(s.listen.Local(), message(string(tt.payload)))
			}
			s.turn()
			c := s.relay.Counters(id)
			if c.Packets != uint64(tt.passes) || c.Policed != uint64(20-tt.passes) {
				t.Errorf("%d passed, %d policed, want %d to pass", c.Packets, c.Policed, tt.passes)
			}
			s.left(bpf.ReasonPoliced, uint64(20-tt.passes))
			s.left(bpf.ReasonForwarded, uint64(tt.passes))

			s.now = s.now.Add(100 * time.Millisecond) // another packet's worth
			s.client.send(s.listen.Local(), message(string(tt.payload)))
			s.client.send(s.listen.Local(), message(string(tt.payload)))
			s.turn()
			s.left(bpf.ReasonForwarded, uint64(tt.passes+1))
		})
	}
}

// A new grant holds at once and does not give back what was spent.
func TestReplaceChangesTheGrant(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	f := s.up()
	f.RateKbps = 8
	id := s.install(f)
	send := func() relay.Counters {
		s.client.send(s.listen.Local(), message(string(make([]byte, 1000))))
		s.turn()
		return s.relay.Counters(id)
	}
	send()
	if err := s.relay.Replace(id, f); err != nil {
		t.Fatal(err)
	}
	if c := send(); c.Packets != 1 {
		t.Error("the bucket was full again")
	}
	f.RateKbps = 0
	if err := s.relay.Replace(id, f); err != nil {
		t.Fatal(err)
	}
	if c := send(); c.Packets != 2 || c.Policed != 1 {
		t.Errorf("without a grant: %+v", c)
	}
}
