package admission_test

import (
	"testing"
	"testing/synctest"
	"time"

	"turnpike.dev/turnpike/control/admission"
)

// LI-06: the boot clock is read some times within a second of use, goes on between, and follows a machine that slept.
func TestServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, slept, reads := time.Now(), time.Duration(0), 0
		clock := admission.Served(func() time.Duration {
			reads++
			return time.Since(began) + slept
		})
		for i := range 1000 { // 100 ms
			if got, want := clock(), time.Since(began); got != want {
				t.Fatalf("%s at %s", got, want)
			}
			if i < 999 {
				time.Sleep(100 * time.Microsecond)
			}
		}
		if reads > 51 {
			t.Errorf("read %d times in 100 ms", reads)
		}
		time.Sleep(time.Hour)
		slept = time.Minute
		if got, want := clock(), time.Since(began)+slept; got != want {
			t.Errorf("%s after a rest, at %s", got, want)
		}
	})
}
