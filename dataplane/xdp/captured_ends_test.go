package xdp

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	capturing "turnpike.dev/turnpike/dataplane/capture"
	"turnpike.dev/turnpike/dataplane/capture/capturetest"
	"turnpike.dev/turnpike/perf/lab"
)

// Limits: what is over them is counted, in the file too.
func TestCaptureIsBounded(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	r.mustInstall(t, up(4, 4))
	alice := capturing.Selector{Users: []string{"alice"}}
	send := func(t *testing.T, n int) {
		for range n {
			r.run(t, r.s0, packet(up(4, 4), pattern(400)).frame(t))
		}
	}
	t.Run("snap length", func(t *testing.T) {
		rec := r.record(t, rigRelays(), alice, capturing.Options{Snap: 60})
		send(t, 3)
		for _, f := range rec.read(t).Frames {
			if len(f.Data) != 60 || f.Length < 400 {
				t.Errorf("%d of %d bytes", len(f.Data), f.Length)
			}
		}
	})
	t.Run("rate", func(t *testing.T) {
		rec := r.record(t, rigRelays(), alice, capturing.Options{Rate: 10})
		send(t, 200)
		rec.read(t)
		if s := rec.summary; s.Packets < 1 || s.Packets > 2+uint64(12*s.Elapsed.Seconds()) || s.Packets+s.RateCapped != 200 {
			t.Errorf("%s", s)
		}
	})
	t.Run("packets", func(t *testing.T) {
		rec := r.record(t, rigRelays(), alice, capturing.Options{Packets: 5})
		send(t, 20)
		rec.wait(t)
		if s := rec.summary; s.Ended != capturing.EndedByPackets || s.Packets != 5 {
			t.Errorf("%s", s)
		}
		rec.read(t)
	})
	t.Run("bytes", func(t *testing.T) {
		rec := r.record(t, rigRelays(), alice, capturing.Options{Bytes: 4000})
		send(t, 50)
		rec.wait(t)
		if s := rec.summary; s.Ended != capturing.EndedByBytes || s.Bytes < 4000 || s.Bytes > 5000 {
			t.Errorf("%s", s)
		}
		rec.read(t)
	})
	t.Run("time", func(t *testing.T) {
		rec := r.record(t, rigRelays(), alice, capturing.Options{Duration: 50 * time.Millisecond})
		rec.wait(t)
		if s := rec.summary; s.Ended != capturing.EndedByTime || s.Elapsed < 50*time.Millisecond {
			t.Errorf("%s", s)
		}
	})
}

// stuck is a reader that reads nothing until it is let.
type stuck struct {
	bytes.Buffer
	held    bool
	release chan struct{}
}

func (s *stuck) Write(b []byte) (int, error) {
	if !s.held {
		s.held = true
		<-s.release
	}
	return s.Buffer.Write(b)
}

// When nobody reads, packets are counted as lost, and where they are missing is told.
func TestCaptureWithoutReader(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	r.mustInstall(t, up(4, 4))
	out := &stuck{release: make(chan struct{})}
	c, err := capturing.Open(capturing.Config{
		Options:  capturing.Options{Ring: 4096, Rate: capturing.MaxRate},
		Selector: capturing.Selector{Users: []string{"alice"}}, Source: rigRelays(), FastPath: r.Backend,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // ended by then
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var s capturing.Summary
	own := r.Status().ProgramID
	go func() { var err error; s, err = c.Run(ctx, out); done <- err }()
	eventually(t, "the capturing program stands in", func() bool { return r.Status().ProgramID != own })
	const n = 3000
	for range n {
		r.run(t, r.s0, packet(up(4, 4), pattern(400)).frame(t))
	}
	close(out.release)
	end()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f := capturetest.Read(t, out.Bytes())
	var missing uint64
	for _, x := range f.Frames {
		missing += x.Dropped
	}
	if s.RingFull == 0 || s.Packets+s.RingFull != n || missing > s.RingFull {
		t.Errorf("%s, %d told on the way", s, missing)
	}
	if !strings.Contains(fmt.Sprint(s), "ring_full=") {
		t.Error(s)
	}
}

// The relay's own program is what it was before the capture, instruction by instruction.
func TestCaptureLeavesNothing(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	before := r.Status().ProgramID
	rec := r.record(t, rigRelays(), capturing.Selector{Users: []string{"alice"}}, capturing.Options{})
	if now := r.attached(t); now != r.Status().ProgramID || now == before {
		t.Errorf("program %d is attached while captured, want %d", now, r.Status().ProgramID)
	}
	r.reload() // the back end does not take the stand-in for a stranger
	if now := r.attached(t); now == before {
		t.Error("the stand-in was replaced when the system was read anew")
	}
	rec.stop(t)
	if now := r.attached(t); now != before {
		t.Errorf("program %d is attached after the capture, want %d", now, before)
	}
}

// attached is the program that the kernel says is on s0 and s1.
func (r *rig) attached(t *testing.T) uint32 {
	t.Helper()
	s0, s1 := deviceNamed(t, "s0").Attrs().Xdp.ProgId, deviceNamed(t, "s1").Attrs().Xdp.ProgId
	if s0 != s1 {
		t.Errorf("programs %d and %d", s0, s1)
	}
	return s0
}

// A process that ends while it captures: the next one brings the relay's own program back,
// and takes over the flows.
// ME-06
func TestCaptureOfAProcessThatEnded(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	f := up(4, 4)
	r.mustInstall(t, f)
	r.record(t, rigRelays(), capturing.Selector{Users: []string{"alice"}}, capturing.Options{})
	captured := r.attached(t)
	n := r.next(t, Config{})
	if _, err := n.Install(f, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	n.mustActivate(t)
	// The one before is in this process too, and may be putting its program there this moment.
	eventually(t, "the new process's program is attached", func() bool {
		now := n.attached(t)
		return now != captured && now == n.Status().ProgramID
	})
	if verdict, _ := n.run(t, n.s0, packet(f, pattern(20)).frame(t)); verdict != xdpRedirect {
		t.Errorf("verdict %d after the start", verdict)
	}
}
