package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
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

const (
	maxCaptureRequest = 64 << 10
	// stuck is how long an asker may not read before the capture ends.
	stuck = 10 * time.Second
)

func (s *Server) capture(w http.ResponseWriter, r *http.Request) {
	var req CaptureRequest
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCaptureRequest))
	body.DisallowUnknownFields()
	if err := body.Decode(&req); err != nil {
		refuse(w, fmt.Errorf("%w: read the request: %w", capture.ErrOptions, err))
		return
	}
	// Who asked is only noticed to be gone when the whole request was read.
	_, _ = io.Copy(io.Discard, r.Body)
	begun := false
	summary, err := s.node.Capture(r.Context(), req, func(start CaptureStart) io.Writer {
		begun = true
		w.Header().Set("Content-Type", "application/x-pcapng")
		w.Header().Set("Trailer", captureSummary)
		w.Header().Set(captureStart, inHeader(start))
		return &stream{w, http.NewResponseController(w)}
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

// endCapture ends the capture with ?id=, or whichever runs.
func (s *Server) endCapture(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(cmp.Or(r.URL.Query().Get("id"), "0"), 10, 64)
	if err != nil {
		refuse(w, fmt.Errorf("%w: which capture? %w", capture.ErrOptions, err))
		return
	}
	s.node.EndCapture(id)
	w.WriteHeader(http.StatusNoContent)
}

func inHeader(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "{}" // cannot be: these are plain structs
	}
	return string(text)
}

// stream is an answer that is read while it is written. An asker that does not read for
// long makes it fail.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// Write writes and flushes.
func (s *stream) Write(b []byte) (int, error) {
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
