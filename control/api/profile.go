package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/pprof"
)

// profile answers with a profile of the process: what its goroutines do, as text, or what
// its heap holds, for `go tool pprof`.
func (s *Server) profile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	text := map[string]int{"goroutine": 1, "heap": 0}
	debug, ok := text[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_ = pprof.Lookup(name).WriteTo(w, debug) // the asker went away
}

// maxFetch bounds an answer that is taken as it comes.
const maxFetch = 64 << 20

// Fetch asks for something that is not JSON: "/metrics", "/v1/profile/heap".
func (c *Client) Fetch(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://node"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the node for %s: %s", path, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxFetch))
}
