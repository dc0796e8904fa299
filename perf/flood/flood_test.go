package flood

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"go.uber.org/goleak"

	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func target(t *testing.T) Target {
	l := labtest.New(t, lab.Options{Clients: 5})
	server := netip.MustParseAddrPort("198.18.0.1:3478")
	return Target{
		Lab: l, Server: server, Attackers: l.ClientAddrs.V4[1:], User: "u", Password: "p", Alone: true,
		Relays: []load.Relay{{
			Client: netip.AddrPortFrom(l.ClientAddrs.V4[0], 30000), Server: server,
			Relayed:  netip.MustParseAddrPort("198.18.1.1:24000"),
			Channels: []load.Channel{{Number: 0x4000, Peer: netip.MustParseAddrPort("198.18.1.2:10000")}},
		}},
	}
}

// Rubbish has to be what it says, or it is refused for another reason: every frame has
// right lengths and checksums where it is not wrong on purpose.
func TestFramesAreWhatTheySay(t *testing.T) {
	to := target(t)
	for name, want := range map[string]gopacket.LayerType{
		"fragments": layers.LayerTypeIPv4, "vlan": layers.LayerTypeDot1Q, "icmp": layers.LayerTypeICMPv4,
		"arp": layers.LayerTypeARP, "syn": layers.LayerTypeTCP, "garbage": layers.LayerTypeUDP,
	} {
		t.Run(name, func(t *testing.T) {
			frames, err := map[string]func(Target) ([]gen.Raw, error){
				"fragments": fragments, "vlan": tagged, "icmp": echoes, "arp": arps, "syn": syns, "garbage": garbage,
			}[name](to)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range frames[:64] {
				p := gopacket.NewPacket(f.Bytes, layers.LayerTypeEthernet, gopacket.Default)
				if p.Layer(want) == nil {
					t.Fatalf("no %s in %s", want, p)
				}
			}
		})
	}
}

func TestForgedSourcesDiffer(t *testing.T) {
	seen := map[netip.Addr]bool{}
	for i := range forgeries {
		a := forged(i)
		if !Forged.Contains(a.Addr()) {
			t.Fatalf("%s is not in %s", a, Forged)
		}
		seen[a.Addr()] = true
	}
	if len(seen) < forgeries*99/100 {
		t.Errorf("%d addresses of %d sources", len(seen), forgeries)
	}
}

// Each kind can be sent, and says how much it was.
func TestEveryKindIsSent(t *testing.T) {
	to := target(t)
	for _, k := range Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			s, err := k.Open(t.Context(), to)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			rate, err := s.Run(ctx, 1000, 0)
			if err != nil || rate == 0 && k.Unit != "set-ups" {
				t.Errorf("sent %.0f/s, %v", rate, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
