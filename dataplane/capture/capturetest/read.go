// Package capturetest reads capture files for tests: by gopacket and by tshark, which
// have no part in how they were written and must agree.
package capturetest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"
)

// Frame is one of a capture.
type Frame struct {
	Interface string
	Time      time.Time
	Length    int // on the wire
	Data      []byte
	// What the comment says.
	Relay, User, Direction, Side, Verdict, Reason string

	ID      uint64 // the same for both sides of a packet
	Dropped uint64
}

// Statistics are what a capture says of an interface at its end.
type Statistics struct{ Received, Dropped uint64 }

// File is a capture that was read.
type File struct {
	Frames     []Frame
	Interfaces map[string]Statistics
}

// Read reads a capture.
func Read(t testing.TB, file []byte) File {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	f := File{Interfaces: map[string]Statistics{}}
	for {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("frame %d: %v", len(f.Frames)+1, err)
		}
		f.Frames = append(f.Frames, Frame{Time: info.Timestamp, Length: info.Length, Data: data})
	}
	for i := range r.NInterfaces() {
		ngi, err := r.Interface(i)
		if err != nil {
			t.Fatal(err)
		}
		f.Interfaces[ngi.Name] = Statistics{ngi.Statistics.PacketsReceived, ngi.Statistics.PacketsDropped}
	}
	f.addFields(t, file)
	return f
}

// fields are what tshark is asked for of each frame.
var fields = []string{
	"frame.interface_name", "frame.time_epoch", "frame.len", "frame.cap_len", "frame.comment",
	"frame.packet_id", "frame.drop_count",
}

// addFields takes from tshark what gopacket does not read, and compares the rest.
func (f *File) addFields(t testing.TB, file []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "capture.pcapng")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-n", "-r", path, "-T", "fields"}
	for _, field := range fields {
		args = append(args, "-e", field)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatalf("tshark (apt-get install tshark): %v", err)
	}
	i := 0
	for line := range strings.Lines(string(out)) {
		if i == len(f.Frames) {
			t.Fatalf("tshark reads more frames than gopacket: %d", i)
		}
		f.Frames[i].add(t, strings.Split(strings.TrimRight(line, "\n"), "\t"))
		i++
	}
	if i != len(f.Frames) {
		t.Fatalf("tshark reads %d frames, gopacket %d", i, len(f.Frames))
	}
}

func (f *Frame) add(t testing.TB, said []string) {
	t.Helper()
	seconds, ns, _ := strings.Cut(said[1], ".")
	if at := time.Unix(int64(number(t, seconds)), int64(number(t, ns))); !at.Equal(f.Time) ||
		int(number(t, said[2])) != f.Length || int(number(t, said[3])) != len(f.Data) {
		t.Errorf("tshark reads %q, gopacket %+v", said, *f)
	}
	f.Interface, f.ID, f.Dropped = said[0], number(t, said[5]), number(t, said[6])
	comment := map[string]string{}
	for word := range strings.FieldsSeq(said[4]) {
		key, value, _ := strings.Cut(word, "=")
		comment[key] = value
	}
	f.Relay, f.User, f.Direction, f.Side = comment["relay"], comment["user"], comment["direction"], comment["frame"]
	f.Verdict, f.Reason = comment["verdict"], comment["reason"]
}

func number(t testing.TB, s string) uint64 {
	t.Helper()
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
