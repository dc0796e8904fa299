package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"turnpike.dev/turnpike/dataplane/capture"
)

// ErrBusy means that somebody else has what was asked for.
var ErrBusy = errors.New("another capture runs: end it first (`turnpike dataplane capture --stop`), or wait for it")

// CaptureRequest says what to capture.
type CaptureRequest struct {
	capture.Selector
	capture.Options
}

// CaptureStart is what a capture begins with.
type CaptureStart struct {
	ID uint64 `json:"id"`
	// Relays are the first of those that are chosen, Chosen is how many there are.
	Relays []CaptureRelay  `json:"relays"`
	Chosen int             `json:"chosen"`
	With   capture.Options `json:"with"` // the defaults filled in
}

// CaptureRelay is a relay that is captured. Note says what of it cannot be seen.
type CaptureRelay struct {
	ID   uint64 `json:"id"`
	User string `json:"user"`
	Note string `json:"note,omitempty"`
}

// MaxCaptureRelays is how many relays a capture's start names.
const MaxCaptureRelays = 20

// Capturer captures relays, for one asker at a time.
type Capturer interface {
	// Capture writes a pcapng file to what begin returns until ctx or the capture ends.
	// Errors before begin is called mean that nothing was captured.
	Capture(ctx context.Context, r CaptureRequest, begin func(CaptureStart) io.Writer) (capture.Summary, error)
	// EndCapture ends the capture with an id, or whichever runs for 0.
	EndCapture(id uint64)
}

// Where a capture's answer has what is not the file: the start in a header, the summary
// in a trailer, both as JSON.
const (
	captureStart   = "Turnpike-Capture"
	captureSummary = "Turnpike-Capture-Summary"
)

// stuck is how long an asker may not read before the capture ends.
const stuck = 10 * time.Second

// captureID names a capture.
type captureID struct {
	ID uint64 `query:"id" doc:"The capture, or 0 for whichever runs."`
}

func (s *Server) addCapture() {
	stream(s, operation{id: "capture", route: "POST /v1/capture", role: RoleAdmin, area: "Data path", text: "Captures relays as a pcapng file, until it is ended."}, "application/x-pcapng", s.capture)
	act(s, operation{id: "end-capture", route: "DELETE /v1/capture", role: RoleOperate, area: "Data path", text: "Ends the capture that runs."},
		func(_ context.Context, in *captureID) error { s.node.EndCapture(in.ID); return nil })
}

func (s *Server) capture(w http.ResponseWriter, r *http.Request, in *bodyOf[CaptureRequest]) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		defer cancel() // who may not any more gets no more
		look := time.NewTicker(lookEvery)
		defer look.Stop()
		for stillMay(ctx, RoleAdmin) {
			select {
			case <-ctx.Done():
				return
			case <-look.C:
			}
		}
	}()
	begun := false
	summary, err := s.node.Capture(ctx, in.Body, func(start CaptureStart) io.Writer {
		begun = true
		w.Header().Set("Content-Type", "application/x-pcapng")
		w.Header().Set("Trailer", captureSummary)
		w.Header().Set(captureStart, inHeader(start))
		return &streamed{w, http.NewResponseController(w)}
	})
	switch {
	case err == nil:
		w.Header().Set(captureSummary, inHeader(summary))
	case begun:
		panic(http.ErrAbortHandler) // the file is not whole: who reads it must see that
	default:
		refuse(w, err)
	}
}

func inHeader(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "{}" // cannot be: these are plain structs
	}
	return string(text)
}

// streamed is an answer that is read while it is written. An asker that does not read for
// long makes it fail.
type streamed struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// Write writes and flushes.
func (s *streamed) Write(b []byte) (int, error) {
	if err := s.control.SetWriteDeadline(time.Now().Add(stuck)); err != nil {
		return 0, err
	}
	n, err := s.w.Write(b)
	return n, errors.Join(err, s.control.Flush())
}

// Capture has the node capture, and copies the file as it comes to what begun returns.
// When ctx ends the capture ends too, and what it has recorded still comes.
func (c *Client) Capture(ctx context.Context, r CaptureRequest, begun func(CaptureStart) (io.Writer, error)) (capture.Summary, error) {
	var s capture.Summary
	resp, err := c.beginCapture(ctx, r)
	if err != nil {
		return s, err
	}
	defer func() { _ = resp.Body.Close() }()
	var start CaptureStart
	if err := json.Unmarshal([]byte(resp.Header.Get(captureStart)), &start); err != nil {
		return s, fmt.Errorf("read the node's answer: %w", err)
	}
	w, err := begun(start)
	if err != nil {
		return s, err
	}
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), endCaptureIn)
		defer cancel()
		if err := c.EndCapture(grace, start.ID); err != nil {
			_ = resp.Body.Close() // then the hard way
		}
	})
	defer stop()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return s, fmt.Errorf("copy the capture: %w", err)
	}
	if err := json.Unmarshal([]byte(resp.Trailer.Get(captureSummary)), &s); err != nil {
		return s, fmt.Errorf("the node ended the capture without a summary: see its log: %w", err)
	}
	return s, nil
}

// endCaptureIn is how long ending a capture may take.
const endCaptureIn = 5 * time.Second

// EndCapture ends the capture with an id, or for 0 whichever runs, whoever asked for it.
func (c *Client) EndCapture(ctx context.Context, id uint64) error {
	_, err := ask[struct{}](ctx, c, "DELETE", fmt.Sprintf("/v1/capture?id=%d", id))
	return err
}

// beginCapture returns the answer with the capture in it. It does not end with ctx, but
// with the process.
func (c *Client) beginCapture(ctx context.Context, r CaptureRequest) (*http.Response, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	return c.send(context.WithoutCancel(ctx), "POST", "/v1/capture", bytes.NewReader(body))
}
