package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"turnpike.dev/turnpike/control/accounts"
)

const (
	// maxWatchers bounds who is told of changes as they come.
	maxWatchers = 32
	// lookEvery is how often a change that nobody is told of is looked for.
	lookEvery = time.Second
	// aliveEvery is how often a line says that nothing changed, so that an asker that is
	// gone is noticed.
	aliveEvery = 15 * time.Second
)

func (s *Server) addEvents() {
	stream(s, operation{id: "watch", route: "GET /v1/events", role: RoleRead, area: "Node", text: "The status as server-sent events: now, and whenever it changes."}, "text/event-stream", s.events)
}

// events sends the status whenever it changes, until the asker goes away or may not look
// any more.
func (s *Server) events(w http.ResponseWriter, r *http.Request, _ *none) {
	if s.watchers.Add(1) > maxWatchers {
		s.watchers.Add(-1)
		w.Header().Set("Retry-After", "30")
		refuse(w, problem(http.StatusServiceUnavailable, fmt.Sprintf("%d watch already: end one of them, or ask for /v1/status now and then", maxWatchers)))
		return
	}
	defer s.watchers.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	out := &streamed{w, http.NewResponseController(w)}
	look, alive := time.NewTicker(lookEvery), time.NewTicker(aliveEvery)
	defer look.Stop()
	defer alive.Stop()
	last := ""
	for stillMay(r.Context(), RoleRead) {
		changed := s.node.Changed()
		if now := lasting(s.node.Status()); now != last {
			last = now
			if err := s.sendStatus(out); err != nil {
				return // the asker went away
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		case <-look.C:
		case <-alive.C:
			if _, err := out.Write([]byte(": alive\n\n")); err != nil {
				return
			}
		}
	}
}

func (s *Server) sendStatus(out *streamed) error {
	text, err := json.Marshal(s.node.Status())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "event: status\ndata: %s\n\n", text)
	return err
}

// lasting is a status without what changes all the time.
func lasting(st Status) string {
	st.Uptime = 0
	text, err := json.Marshal(st)
	if err != nil {
		return "" // cannot be: these are plain structs
	}
	return string(text)
}

// stillMay reports whether who began to ask may still do so: a token may have ended, an
// account may be gone or have another role.
func stillMay(ctx context.Context, needed Role) bool {
	c := callerOf(ctx)
	switch {
	case c.guard == nil:
		return c.Role.May(needed)
	case c.token != "":
		a, _, err := c.guard.Token(c.token)
		return err == nil && Role(a.Role).May(needed)
	case c.account != (accounts.Account{}):
		a, ok := c.guard.Find(c.Name)
		return ok && a.Hash == c.account.Hash && Role(a.Role).May(needed)
	}
	return false
}
