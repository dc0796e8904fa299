package registrar

import (
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/licensing"
)

// lent are places that have no licence until some are lent.
type lent struct{ there atomic.Bool }

func (l *lent) Take(licensing.Device, int, bool) (place, licence bool) { return true, l.there.Load() }
func (l *lent) Keep(licensing.Device, int, bool)                       {}
func (l *lent) Give(licensing.Device, int, bool)                       {}
func (l *lent) Room(bool) bool                                         { return true }

// LI-06: a registration for which no licences are left here waits for those that other peers have idle, and is answered
// then; where there are none it is refused.
func TestRegistrationAwaitsLicences(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tries  int64 // after which there is one
		status int
	}{
		"it comes": {2, 200}, "there is none": {1000, 503},
	} {
		t.Run(name, func(t *testing.T) {
			capacity := &lent{}
			var asked atomic.Int64
			r := newRigWith(t, file, func(c *registrations.Config, d *Deps) {
				c.Capacity = capacity
				d.Await = func(since time.Time, again func()) bool {
					if asks := time.Since(since); asks < 0 || asks > time.Minute {
						t.Errorf("it asks since %s", asks)
					}
					n := asked.Add(1)
					if n > 3 {
						return false
					}
					capacity.there.Store(n >= test.tries)
					go again()
					return true
				}
			})
			p := r.phone("udp", "alice")
			p.must(test.status, "Contact: "+p.contact())
			if n := len(r.table.Of("alice@example.test")); n != 1 && test.status == 200 || n != 0 && test.status != 200 {
				t.Errorf("%d bindings", n)
			}
			p.must(200) // whoever asks what there is does not wait
		})
	}
}
