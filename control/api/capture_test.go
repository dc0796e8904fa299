package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"turnpike.dev/turnpike/dataplane/capture"
)

// capturingNode captures one line over and over until it is ended.
type capturingNode struct {
	*fakeNode
	asked chan CaptureRequest
	end   chan struct{}
	gone  chan struct{} // closed when the asker is found to be gone
	fail  error
}

func newCapturing() *capturingNode {
	return &capturingNode{fakeNode: newFake(), asked: make(chan CaptureRequest, 1), end: make(chan struct{}), gone: make(chan struct{})}
}

func (n *capturingNode) EndCapture(id uint64) {
	if id == 7 {
		close(n.end)
	}
}

const capturedLine = "captured\n"

func (n *capturingNode) Capture(ctx context.Context, r CaptureRequest, begin func(CaptureStart) io.Writer) (capture.Summary, error) {
	n.asked <- r
	w := begin(CaptureStart{ID: 7, Chosen: 1, Relays: []CaptureRelay{{ID: 1, User: "zoë \n"}}})
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for lines := uint64(1); ; lines++ {
		if n.fail != nil {
			return capture.Summary{}, n.fail
		}
		if _, err := io.WriteString(w, capturedLine); err != nil {
			close(n.gone)
			return capture.Summary{}, err
		}
		select {
		case <-n.end:
			return capture.Summary{Ended: capture.EndedByRequest, Packets: lines}, nil
		case <-ctx.Done():
			close(n.gone)
			return capture.Summary{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// firstWrite tells when something is written.
type firstWrite struct {
	text bytes.Buffer
	then func()
}

func (w *firstWrite) Write(b []byte) (int, error) {
	if w.then != nil {
		w.then()
		w.then = nil
	}
	return w.text.Write(b)
}

func TestCaptureComesWhileItRuns(t *testing.T) {
	n := newCapturing()
	c := NewClient(serveAt(t, n, t.TempDir()))
	ctx, cancel := context.WithCancel(t.Context())
	out := &firstWrite{then: cancel} // Ctrl-C at the first packet: the rest must come
	want := CaptureRequest{Selector: capture.Selector{Relays: []uint64{1}, Users: []string{"u"}}, Options: capture.Options{Snap: 100, Duration: time.Second}}
	var start CaptureStart
	s, err := c.Capture(ctx, want, func(s CaptureStart) (io.Writer, error) { start = s; return out, nil })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, <-n.asked, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the node was asked for (-want +got):\n%s", diff)
	}
	if got := uint64(strings.Count(out.text.String(), capturedLine)); got != s.Packets || s.Ended != capture.EndedByRequest {
		t.Errorf("%d lines came: %s", got, s)
	}
	if start.ID != 7 || start.Relays[0].User != "zoë \n" {
		t.Errorf("start %+v", start)
	}
}

func to(w io.Writer) func(CaptureStart) (io.Writer, error) {
	return func(CaptureStart) (io.Writer, error) { return w, nil }
}

// brokenPipe is a writer whose reader went away.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestCaptureEndsWithTheAsker(t *testing.T) {
	n := newCapturing()
	c := NewClient(serveAt(t, n, t.TempDir()))
	_, err := c.Capture(t.Context(), CaptureRequest{}, to(brokenPipe{}))
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
	<-n.gone
}

func TestCaptureThatFails(t *testing.T) {
	n := newCapturing()
	n.fail = errors.New("the ring is broken")
	c := NewClient(serveAt(t, n, t.TempDir()))
	if _, err := c.Capture(t.Context(), CaptureRequest{}, to(io.Discard)); err == nil {
		t.Error("a file that is not whole was taken for one that is")
	}
}

func TestCaptureRefused(t *testing.T) {
	c := NewClient(newFake().serve(t))
	_, err := c.Capture(t.Context(), CaptureRequest{}, func(CaptureStart) (io.Writer, error) {
		t.Error("it began")
		return io.Discard, nil
	})
	if err == nil || !strings.Contains(err.Error(), "another capture runs") {
		t.Errorf("got %v", err)
	}
}
