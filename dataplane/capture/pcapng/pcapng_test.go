package pcapng

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/pcapgo"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	began = time.Unix(1_700_000_000, 123_456_789)
	ended = began.Add(2 * time.Second)
	frame = []byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\xb5odd")
)

// example is a file with one of everything.
func example(t testing.TB) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file, Section{OS: "Linux", Application: "turnpike", Comment: "relay=17 user=alice"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"s0", "s1"} {
		if _, err := w.AddInterface(Interface{Name: name, Description: "XDP", Snap: 96}); err != nil {
			t.Fatal(err)
		}
	}
	in := &Packet{
		Interface: 0, Time: began, Length: 1500, Data: frame, Comment: []byte("relay=17 frame=received"),
		Direction: Inbound, ID: 1, Queue: 3, Verdict: 4, Dropped: 2,
	}
	out := &Packet{Interface: 1, Time: ended, Length: len(frame), Data: frame, Comment: []byte("relay=17 frame=sent"), Direction: Outbound, ID: 1, Verdict: 4}
	err = errors.Join(w.WritePacket(in), w.WritePacket(out),
		w.WriteStatistics(0, Statistics{Start: began, End: ended, Received: 3, Dropped: 2, Comment: "ring_full=2"}),
		w.WriteStatistics(1, Statistics{Start: began, End: ended}))
	if err != nil {
		t.Fatal(err)
	}
	if w.Written() != uint64(file.Len()) {
		t.Errorf("written %d, says %d", file.Len(), w.Written())
	}
	return file.Bytes()
}

func TestBytes(t *testing.T) {
	path := filepath.Join("testdata", "example.hex")
	got := hex.Dump(example(t))
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestGopacketReadsIt(t *testing.T) {
	r, err := pcapgo.NewNgReader(bytes.NewReader(example(t)), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		length, snap int
		at           time.Time
	}{{1500, 96, began}, {len(frame), 96, ended}} {
		data, info, err := r.ReadPacketData()
		if err != nil {
			t.Fatal(err)
		}
		if info.InterfaceIndex != i || info.Length != want.length || !info.Timestamp.Equal(want.at) || !bytes.Equal(data, frame) {
			t.Errorf("packet %d: %+v % x", i, info, data)
		}
	}
	if _, _, err := r.ReadPacketData(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	stats, err := r.Interface(0)
	if err != nil || stats.Name != "s0" || stats.SnapLength != 96 || stats.Statistics.PacketsReceived != 3 || stats.Statistics.PacketsDropped != 2 {
		t.Errorf("interface %+v, %v", stats, err)
	}
}

func TestWiresharkReadsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "example.pcapng")
	if err := os.WriteFile(path, example(t), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command("tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=|",
		"-e", "frame.interface_name", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len",
		"-e", "frame.comment", "-e", "frame.packet_flags_direction", "-e", "frame.packet_id",
		"-e", "frame.interface_queue", "-e", "frame.verdict.ebpf_xdp", "-e", "frame.drop_count")
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark (apt-get install tshark): %v %s", err, said.String())
	}
	want := []string{
		"s0|1700000000.123456789|1500|17|relay=17 frame=received|0x00000001|1|3|4|2",
		"s1|1700000002.123456789|17|17|relay=17 frame=sent|0x00000002|1|0|4|",
	}
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(string(out)), "\n")); diff != "" {
		t.Errorf("%s\n%s", diff, said.String())
	}
}

func TestRefusesUnknownInterface(t *testing.T) {
	w, err := NewWriter(io.Discard, Section{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WritePacket(&Packet{Time: began}); err == nil {
		t.Error("a packet of no interface was written")
	}
}

// Whatever is written is read back as it was.
func FuzzWriter(f *testing.F) {
	f.Add(frame, "relay=17", 1500, uint64(7), uint64(0))
	f.Add([]byte{}, "", 0, uint64(0), uint64(1<<63))
	f.Fuzz(func(t *testing.T, data []byte, comment string, length int, id, dropped uint64) {
		if length < len(data) || length > 1<<16 {
			length = len(data)
		}
		var file bytes.Buffer
		w, err := NewWriter(&file, Section{Comment: comment})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.AddInterface(Interface{Name: comment}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := w.WritePacket(&Packet{Time: began, Length: length, Data: data, Comment: []byte(comment), ID: id, Dropped: dropped}); err != nil {
				t.Fatal(err)
			}
		}
		r, err := pcapgo.NewNgReader(&file, pcapgo.DefaultNgReaderOptions)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, info, err := r.ReadPacketData()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, data) || info.Length != length || !info.Timestamp.Equal(began) {
				t.Fatalf("%+v % x", info, got)
			}
		}
	})
}

func BenchmarkWritePacket(b *testing.B) {
	w, err := NewWriter(io.Discard, Section{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.AddInterface(Interface{Name: "s0"}); err != nil {
		b.Fatal(err)
	}
	p := &Packet{Time: began, Length: 172, Data: make([]byte, 96), Comment: []byte("relay=17 user=alice direction=up frame=received verdict=redirect")}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.WritePacket(p); err != nil {
			b.Fatal(err)
		}
	}
}
