package xdp

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// Frames with tags that really go by wires: through a driver's receive path, the program
// and a redirect, to a host at the other end.
// ME-04
func TestVLANsOnTheWire(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	devices := &rig{s0: deviceNamed(t, "s0"), s1: deviceNamed(t, "s1")}
	client, peer := farHost(t, "client", "c0"), farHost(t, "peer", "p0")
	seen := newCapture()
	for name, on := range trunks(devices) {
		t.Run(name, func(t *testing.T) {
			r := newRigOn(t, Config{}, on)
			ends := map[int]*far{r.s0.Attrs().Index: client, r.s1.Attrs().Index: peer}
			for _, f := range []relay.Flow{up(4, 4), down(4, 4), up(6, 4), down(4, 6), up(6, 6), down(6, 4)} {
				id := r.mustInstall(t, f)
				r.cross(t, seen, f, ends)
				r.Remove(id)
			}
		})
	}
	if wrong := seen.referee(t); len(wrong) > 0 {
		t.Errorf("frame, state of IP and UDP checksum, UDP checksum, malformed, length:\n%s", strings.Join(wrong, "\n"))
	}
}

// cross sends packets of a flow from one end and compares what comes out at the other.
func (r *rig) cross(t *testing.T, seen *capture, f relay.Flow, ends map[int]*far) {
	t.Helper()
	from, to := r.s0, r.s1
	if f.Key.Local == relay4 || f.Key.Local == relay6 {
		from, to = to, from
	}
	w := ends[r.trunk.under(from).Attrs().Index].open(t)
	end := ends[r.trunk.under(to).Attrs().Index].open(t)
	for size := 13; size < 1300; size += 400 {
		d := r.inVLAN(packet(f, pattern(size)))
		want := sent(f, d)
		if want.tags = nil; r.trunk.over(to) != nil {
			want.tags = sentTags(r.trunk.over(to), d.tags)
		}
		if err := w.sendAll([][]byte{d.frame(t)}, 1); err != nil {
			t.Fatal(err)
		}
		got, err := end.receive(func(frame []byte) bool { return isTo(frame, f.Out.Dst.Port()) })
		if err != nil {
			t.Fatalf("%d bytes of %v: %v", size, f.Key, err)
		}
		want.id = identification(t, want, d, got)
		copy(want.macs[:], got) // by the rig's neighbours: see TestVLANConversions
		if diff := cmp.Diff(want.frame(t), got); diff != "" {
			t.Errorf("%+v became (-want +got):\n%s", d, diff)
		}
		seen.add(got)
	}
}

// isTo finds the UDP port without knowing much of the frame: the tests' ports and headers
// are few.
func isTo(frame []byte, port uint16) bool {
	at := 14
	for len(frame) > at && (bytes.Equal(frame[at-2:at], []byte{0x81, 0}) || bytes.Equal(frame[at-2:at], []byte{0x88, 0xa8})) {
		at += 4
	}
	at += 20
	if len(frame) > at-20 && frame[at-20]>>4 == 6 {
		at += 20
	}
	return len(frame) >= at+8 && binary.BigEndian.Uint16(frame[at+2:]) == port
}
