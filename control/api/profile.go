package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/pprof"
)

// profileName names a profile.
type profileName struct {
	Name string `path:"name" enum:"goroutine,heap"`
}

// profile answers with a profile of the process: what its goroutines do, as text, or what
// its heap holds, for `go tool pprof`.
func (s *Server) profile(w http.ResponseWriter, _ *http.Request, in *profileName) {
	debug := map[string]int{"goroutine": 1, "heap": 0}[in.Name]
	w.Header().Set("Content-Type", "application/octet-stream")
	_ = pprof.Lookup(in.Name).WriteTo(w, debug) // the asker went away
}

// maxFetch bounds an answer that is taken as it comes.
const maxFetch = 64 << 20

// Fetch asks for something that is not JSON: "/metrics", "/v1/profile/heap".
func (c *Client) Fetch(ctx context.Context, path string) ([]byte, error) {
	resp, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the node for %s: %s", path, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxFetch))
}
