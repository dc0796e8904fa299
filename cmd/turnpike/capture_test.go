package main

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/dataplane/capture"
	"turnpike.dev/turnpike/dataplane/xdp"
)

const cannedFile = "not really pcapng"

func (n *cannedNode) EndCapture(uint64) {}

// Capture gives what would be the file and a summary.
func (n *cannedNode) Capture(_ context.Context, r api.CaptureRequest, begin func(api.CaptureStart) io.Writer) (capture.Summary, error) {
	n.asked = append(n.asked, r)
	w := begin(api.CaptureStart{ID: 1, Chosen: 30, With: r.Options, Relays: []api.CaptureRelay{
		{ID: 17, User: "alice"}, {ID: 18, User: "eve\x1b", Note: "its client comes over tls: only what peers send is seen"},
	}})
	_, err := io.WriteString(w, cannedFile)
	return capture.Summary{
		Ended: capture.EndedByTime, Elapsed: time.Minute, Packets: 100, Frames: 190, Bytes: uint64(len(cannedFile)),
		RingFull: 2, RateCapped: 3, Unwritten: 4,
	}, err
}

func TestCaptureAsksForWhatItIsTold(t *testing.T) {
	n := newCanned()
	file := filepath.Join(t.TempDir(), "x.pcapng")
	args := "dataplane capture --relay 17,18 --user alice --address 192.0.2.7:5004 --address [2001:db8::7] " +
		"--snaplen 200 --rate 5 --duration 2s --packets 7 --bytes 9000 -w " + file + " --state " + serveCanned(t, n)
	if err := run(t.Context(), strings.Fields(args), io.Discard); err != nil {
		t.Fatal(err)
	}
	want := api.CaptureRequest{
		Selector: capture.Selector{
			Relays: []uint64{17, 18}, Users: []string{"alice"},
			Addresses: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.7:5004"), netip.MustParseAddrPort("[2001:db8::7]:0")},
		},
		Options: capture.Options{Snap: 200, Rate: 5, Duration: 2 * time.Second, Packets: 7, Bytes: 9000},
	}
	if diff := cmp.Diff([]api.CaptureRequest{want}, n.asked, cmpopts.EquateComparable(netip.AddrPort{}),
		cmpopts.IgnoreFields(capture.Options{}, "Ring")); diff != "" {
		t.Error(diff)
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != cannedFile {
		t.Errorf("file %q, %v", got, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the capture: %v, %v", info.Mode(), err)
	}
}

func TestCaptureTalk(t *testing.T) {
	var out, talk bytes.Buffer
	root := newRoot(&out)
	root.SetErr(&talk)
	root.SetArgs([]string{"dataplane", "capture", "--user", "alice", "-w", "-", "--state", serveCanned(t, newCanned())})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out.String() != cannedFile {
		t.Errorf("standard output has %q, want the file and nothing else", out.String())
	}
	golden(t, "dataplane_capture.talk", talk.String())
}

func TestBlindSpots(t *testing.T) {
	tests := []struct {
		relay api.Relay
		want  string
	}{
		{api.Relay{Transport: "udp"}, ""},
		{api.Relay{Transport: "udp", Path: "xdp"}, ""},
		{api.Relay{Transport: "tls"}, "its client comes over tls: only what peers send is seen"},
		{api.Relay{Transport: "udp", Path: "userspace", Reason: "no native XDP on s0"}, "path=userspace (no native XDP on s0): of what the process relays only the side that comes in by XDP is seen"},
	}
	for _, test := range tests {
		if got := blindSpot(test.relay); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestCapturedDevices(t *testing.T) {
	got := devicesOf([]xdp.Interface{
		{Name: "s0.5", Index: 2, Mode: xdp.ModeNative, Under: "s0", VLAN: 5},
		{Name: "s0.6", Index: 2, Mode: xdp.ModeNative, Under: "s0", VLAN: 6},
		{Name: "s1", Index: 3, Mode: xdp.ModeGeneric},
		{Name: "bond0", Index: 4, Mode: xdp.ModeNone},
	})
	if diff := cmp.Diff([]capture.Interface{{Index: 2, Name: "s0"}, {Index: 3, Name: "s1"}}, got); diff != "" {
		t.Error(diff)
	}
}
