package api

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/pprof"
)

// Admin serves /healthz, /metrics and, when wanted, pprof on l until ctx ends. l is
// on loopback: nobody is asked who they are. /healthz is 200 while the node is
// ready, also when degraded.
func Admin(ctx context.Context, l net.Listener, node StatusSource, metrics http.Handler, profiles bool) error {
	return serveHTTP(ctx, l, adminMux(node, metrics, profiles))
}

func adminMux(node StatusSource, metrics http.Handler, profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		st := node.Status()
		w.Header().Set("Content-Type", "application/json")
		if st.State != Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(struct { // the asker went away
			State    State    `json:"state"`
			Degraded []string `json:"degraded"`
		}{st.State, st.Degraded})
	})
	if metrics != nil {
		mux.Handle("GET /metrics", metrics)
	}
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}
