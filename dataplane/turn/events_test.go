package turn

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/stun/v3"
)

// recorder keeps the names of events.
type recorder struct {
	mu    sync.Mutex
	names []string
	last  []any
}

func (r *recorder) Event(name string, kv ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names, r.last = append(r.names, name), kv
}

// What a client can provoke in numbers, it cannot log in numbers.
func TestWarningsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.MaxRelays = 1 })
		log := new(recorder)
		w.server.log = log
		w.client().allocate()
		late := w.client()
		late.addr = withPort(clientAddr, 1)
		refuse := func() {
			if got := codeOf(late.do(stun.MethodAllocate, udpTransport())); got != 508 {
				t.Fatalf("answered with %d, want 508", got)
			}
		}
		for range 100 {
			refuse()
		}
		time.Sleep(warnEvery)
		refuse()
		want := []string{"TURN allocation created", "TURN relay limit reached", "TURN relay limit reached"}
		if diff := cmp.Diff(want, log.names); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if n := len(log.last); log.last[n-2] != "Suppressed" || log.last[n-1] != uint64(99) {
			t.Errorf("last event says %v, want 99 suppressed", log.last)
		}
	})
}
