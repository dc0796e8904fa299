package agreement_test

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/membership"
)

// failing is a folder whose histories cannot be opened once a step is made.
type failing struct {
	agreement.Files
	fails chan struct{} // has one: the next time
}

func (f *failing) Path(id string) string {
	select {
	case <-f.fails:
		return "/dev/null/" + id
	default:
		return f.Files.Path(id)
	}
}

// Sync is what comes last before a step is made.
func (f *failing) Sync(id string) error {
	err := f.Files.Sync(id)
	f.fails <- struct{}{}
	return err
}

// CL-02, CL-13: a step that is durable and whose history could not be run is made again, by who asked for it or by
// itself; it does not stay without an agreement until the process starts anew.
func TestBeginsAfterAll(t *testing.T) {
	t.Parallel()
	founded := membership.Write{Stored: membership.Stored{Cluster: first, Decision: 1}, How: membership.Found, Address: "a"}
	for name, again := range map[string]bool{"asked again": true, "by itself": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			f := &failing{Files: agreement.Folder(dir), fails: make(chan struct{}, 1)}
			a, err := agreement.OpenOn(alone(dir), f)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			if err := a.Write(founded); err == nil {
				t.Fatal("it was run")
			}
			if s := a.State(); s.Why == "" || s.Agreed.Cluster != first {
				t.Errorf("the state is %+v", s)
			}
			start := time.Now()
			if again {
				if err := a.Write(founded); err != nil {
					t.Fatal(err)
				}
			}
			if err := propose(a, 1); err != nil {
				t.Fatal(err)
			}
			t.Logf("it leads after %s", time.Since(start).Round(time.Millisecond))
		})
	}
}
