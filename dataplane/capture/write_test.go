package capture

import (
	"encoding/binary"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/bpf"
)

func TestComments(t *testing.T) {
	f := &file{users: map[uint64]string{}}
	f.learn([]Relay{{ID: 1, User: "alice"}, {ID: 2, User: "a b"}, {ID: 3, User: "x=\"\x1b\n"}, {ID: 4}})
	tests := []struct {
		r    bpf.CaptureRecord
		side string
		want string
	}{
		{bpf.CaptureRecord{Relay: 1, Verdict: 4}, "sent", "relay=1 user=alice direction=up frame=sent verdict=redirect"},
		{bpf.CaptureRecord{Relay: 2, Direction: 1, Verdict: 3}, "received", `relay=2 user="a b" direction=down frame=received verdict=tx`},
		{bpf.CaptureRecord{Relay: 3, Verdict: 1, Reason: uint16(bpf.ReasonPoliced)}, "received", `relay=3 user="x=\"\x1b\n" direction=up frame=received verdict=drop reason=policed`},
		{bpf.CaptureRecord{Relay: 4, Verdict: 2, Reason: uint16(bpf.ReasonNoFlow)}, "received", `relay=4 user="" direction=up frame=received verdict=pass reason=no_flow`},
		{bpf.CaptureRecord{Relay: 5, Verdict: 77}, "received", `relay=5 user= direction=up frame=received verdict=77`},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, string(f.describe(&record{CaptureRecord: test.r}, test.side))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestUsersAreForgotten(t *testing.T) {
	f := &file{users: map[uint64]string{}}
	for i := range uint64(20 * forgetful) {
		f.learn([]Relay{{ID: i}})
	}
	if len(f.users) > forgetful+4 {
		t.Errorf("%d users", len(f.users))
	}
}

// A record that the program did not write ends in an error and nothing else.
func FuzzRecord(f *testing.F) {
	good := make([]byte, headerSize+8)
	binary.NativeEndian.PutUint32(good[48:], 4)
	f.Add(good)
	f.Add(good[:headerSize-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sample []byte) {
		r, err := decode(sample)
		if err != nil {
			return
		}
		if len(r.in) != int(r.InKept) || len(r.out) != int(r.OutKept) {
			t.Fatalf("%d and %d bytes of %+v", len(r.in), len(r.out), r.CaptureRecord)
		}
		file, err := newFile(io.Discard, "", DefaultSnap, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.InIfindex, r.OutIfindex = 0, 0 // else they are looked up
		if err := file.write(&r); err != nil {
			t.Fatal(err)
		}
	})
}

// What a record costs the process, without reading it from the ring and without writing
// the file.
func BenchmarkRecord(b *testing.B) {
	f, err := newFile(io.Discard, "", DefaultSnap, []Interface{{1, "s0"}, {2, "s1"}})
	if err != nil {
		b.Fatal(err)
	}
	f.learn([]Relay{{ID: 1, User: "alice"}})
	r := record{CaptureRecord: bpf.CaptureRecord{Relay: 1, InIfindex: 1, OutIfindex: 2, Verdict: 4, OutKept: 96}, in: make([]byte, 96), out: make([]byte, 96)}
	b.ReportAllocs()
	for b.Loop() {
		if err := f.write(&r); err != nil {
			b.Fatal(err)
		}
	}
}
