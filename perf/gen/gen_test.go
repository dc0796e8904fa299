package gen

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"go.uber.org/goleak"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testFlows(from Link, n int, v6 bool, channel uint16) []Flow {
	src, dst := netip.MustParseAddr("198.18.0.2"), netip.MustParseAddr("198.18.0.1")
	if v6 {
		src, dst = netip.MustParseAddr("fd00:0:0:1::2"), netip.MustParseAddr("fd00:0:0:1::1")
	}
	flows := make([]Flow, n)
	for i := range flows {
		flows[i] = Flow{
			Link: from, SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2},
			Src: netip.AddrPortFrom(src, uint16(10000+i)), Dst: netip.AddrPortFrom(dst, 3478),
			ID: uint32(i),
		}
		if channel != 0 {
			flows[i].Channel = channel + uint16(i)
		}
	}
	return flows
}

// TestFrames runs the program frame by frame and has another implementation read
// what it wrote.
func TestFrames(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	for _, v6 := range []bool{false, true} {
		for _, channel := range []uint16{0, 0x4000} {
			for _, payload := range []int{MinPayload, 173, MaxPayload} {
				t.Run(fmt.Sprintf("v6=%t channel=%#x payload=%d", v6, channel, payload), func(t *testing.T) {
					testFrames(t, Config{
						Flows:   testFlows(Link{l.Client, "c0"}, 3, v6, channel),
						Payload: payload, Stamped: payload == 173,
					})
				})
			}
		}
	}
	t.Run("mixed", func(t *testing.T) {
		flows := testFlows(Link{l.Client, "c0"}, 1, false, 0x4000)
		flows = append(flows, testFlows(Link{l.Peer, "p0"}, 1, true, 0x4000)...)
		flows = append(flows, testFlows(Link{l.Peer, "p0"}, 1, false, 0)...)
		testFrames(t, Config{Flows: flows, Payload: 100})
	})
}

func testFrames(t *testing.T, cfg Config) {
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.prepare(Load{}); err != nil {
		t.Fatal(err)
	}
	frame := bytes.Clone(g.frame)
	for i := range 3 * 400 {
		out := make([]byte, len(frame))
		ret, err := g.prog.Run(&ebpf.RunOptions{Data: frame, DataOut: out})
		if err != nil || ret != 4 {
			t.Fatalf("run: verdict %d, %v", ret, err)
		}
		checkFrame(t, cfg, out, cfg.Flows[i%3], uint16(i/3))
		frame = out // recycled
		for j := range ethLen + ipv4Len {
			frame[j] = 0xa5 // headers as someone left them
		}
	}
}

func checkFrame(t *testing.T, cfg Config, frame []byte, f Flow, sequence uint16) {
	t.Helper()
	packet := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	eth := packet.LinkLayer().(*layers.Ethernet)
	udp, ok := packet.TransportLayer().(*layers.UDP)
	if !ok {
		t.Fatalf("no UDP in %s", packet)
	}
	if got := netip.AddrPortFrom(addr(packet.NetworkLayer().NetworkFlow().Src()), uint16(udp.SrcPort)); got != f.Src {
		t.Errorf("source %s, want %s", got, f.Src)
	}
	if got := netip.AddrPortFrom(addr(packet.NetworkLayer().NetworkFlow().Dst()), uint16(udp.DstPort)); got != f.Dst {
		t.Errorf("destination %s, want %s", got, f.Dst)
	}
	if eth.SrcMAC.String() != f.SrcMAC.String() || eth.DstMAC.String() != f.DstMAC.String() {
		t.Errorf("link addresses %s to %s", eth.SrcMAC, eth.DstMAC)
	}
	if want := reserialized(t, packet, udp); !bytes.Equal(frame, want) {
		t.Fatalf("frame differs from gopacket's:\n%x\n%x", frame, want)
	}
	checkPayload(t, cfg.Stamped, udp.Payload, f, sequence)
}

// reserialized has gopacket write the same packet with its own lengths and checksums.
func reserialized(t *testing.T, packet gopacket.Packet, udp *layers.UDP) []byte {
	t.Helper()
	if err := udp.SetNetworkLayerForChecksum(packet.NetworkLayer()); err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		packet.LinkLayer().(gopacket.SerializableLayer), packet.NetworkLayer().(gopacket.SerializableLayer),
		udp, gopacket.Payload(udp.Payload))
	if err != nil {
		t.Fatal(err)
	}
	out := buf.Bytes()
	if sum := out[len(out)-len(udp.Payload)-2:]; sum[0] == 0 && sum[1] == 0 {
		sum[0], sum[1] = 0xff, 0xff // RFC 768, which gopacket leaves out
	}
	return out
}

func checkPayload(t *testing.T, stamped bool, payload []byte, f Flow, sequence uint16) {
	t.Helper()
	if f.Channel != 0 {
		if got := binary.BigEndian.Uint16(payload); got != f.Channel {
			t.Errorf("channel %#x, want %#x", got, f.Channel)
		}
		if got := int(binary.BigEndian.Uint16(payload[2:])); got != len(payload)-4 {
			t.Errorf("channel data length %d, want %d", got, len(payload)-4)
		}
		payload = payload[4:]
	}
	if got := binary.BigEndian.Uint16(payload[2:]); got != sequence {
		t.Fatalf("sequence %d, want %d", got, sequence)
	}
	if got := binary.BigEndian.Uint32(payload[4:]); got != uint32(sequence)*160 {
		t.Errorf("timestamp %d", got)
	}
	if got := binary.BigEndian.Uint32(payload[16:]); got != f.ID {
		t.Errorf("flow %d, want %d", got, f.ID)
	}
	stamp := binary.NativeEndian.Uint64(payload[20:])
	if now := monotonic(); stamped != (stamp != 0) || stamp > now || stamped && now-stamp > uint64(time.Minute) {
		t.Errorf("stamp %d at %d", stamp, now)
	}
}

func addr(e gopacket.Endpoint) netip.Addr {
	a, _ := netip.AddrFromSlice(e.Raw())
	return a
}

func TestNewRefuses(t *testing.T) {
	good := testFlows(Link{}, 1, false, 0)[0]
	mixed, bare := good, good
	mixed.Dst = netip.MustParseAddrPort("[fd00::1]:1")
	bare.DstMAC = nil
	for name, cfg := range map[string]Config{
		"two families": {Flows: []Flow{mixed}, Payload: 100},
		"no flows":     {Payload: 100},
		"payload":      {Flows: []Flow{good}, Payload: 63},
		"big payload":  {Flows: []Flow{good}, Payload: 1201},
		"no link":      {Flows: []Flow{bare}, Payload: 100},
	} {
		t.Run(name, func(t *testing.T) {
			if g, err := New(cfg); err == nil {
				g.Close()
				t.Error("no error")
			}
		})
	}
}

// monotonic is the clock of bpf_ktime_get_ns.
func monotonic() uint64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // fails only for an unknown clock
	return uint64(ts.Nano())
}

// TestLiveFramesArrive sends through the link to an ordinary socket, which checks
// the checksums once more.
func TestLiveFramesArrive(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	var conn *net.UDPConn
	err := l.Node.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(198, 18, 0, 1), Port: 3478})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadBuffer(4 << 20); err != nil { // each frame counts as a page
		t.Fatal(err)
	}
	flows := testFlows(Link{l.Client, "c0"}, 5, false, 0)
	for i := range flows {
		flows[i].SrcMAC, flows[i].DstMAC = l.Client.Link("c0").MAC, l.Node.Link("s0").MAC
	}
	g, err := New(Config{Flows: flows, Payload: 160})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	r, err := g.Run(context.Background(), Load{
		Rate: 1000, Duration: 100 * time.Millisecond,
		Burst: time.Second, // the machine may have other things to do
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Sent == 0 || r.Sent > 101 { // fewer on a busy machine
		t.Errorf("sent %d packets in 100 ms at 1000/s", r.Sent)
	}
	buf := make([]byte, 2000)
	for i := range r.Sent {
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatalf("packet %d of %d: %v", i, r.Sent, err)
		}
		if want := flows[i%5].Src; from != want || n != 160 {
			t.Fatalf("packet %d: %d bytes from %s, want %s", i, n, from, want)
		}
	}
}
