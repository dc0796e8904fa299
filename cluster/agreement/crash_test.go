package agreement_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/membership"
)

var errDead = errors.New("the process is dead")

// dying is a folder that does nothing any more after some operations, as after a crash.
type dying struct {
	agreement.Files
	left int
}

func (d *dying) lives() bool {
	d.left--
	return d.left >= 0
}

func (d *dying) Replace(data []byte) error {
	if !d.lives() {
		return errDead
	}
	return d.Files.Replace(data)
}

func (d *dying) Copy(from, to string) error {
	if !d.lives() {
		return errDead
	}
	return d.Files.Copy(from, to)
}

func (d *dying) Sync(id string) error {
	if !d.lives() {
		return errDead
	}
	return d.Files.Sync(id)
}

func (d *dying) Remove(id string) error {
	if !d.lives() {
		return errDead
	}
	return d.Files.Remove(id)
}

func alone(dir string) agreement.Config {
	return agreement.Config{
		Self: "a", Dir: dir, Boot: func() time.Duration { return time.Since(began) },
		Dial: func(context.Context, cluster.ID) (net.Conn, error) { return nil, errors.New("nobody") },
	}
}

// CL-02, CL-13: a step that ends at any of its operations leaves the history from before it or the one after it; both work, and
// the step can be made again.
func TestStepsEndAnywhere(t *testing.T) {
	t.Parallel()
	founded := membership.Write{Stored: membership.Stored{Cluster: first, Decision: 1}, How: membership.Found, Address: "a"}
	steps := map[string]struct{ before, step *membership.Write }{
		"found":   {nil, &founded},
		"join":    {&founded, &membership.Write{Stored: membership.Stored{Cluster: second, Earlier: []string{first}}, How: membership.Join}},
		"recover": {&founded, &membership.Write{Stored: membership.Stored{Cluster: second, Earlier: []string{first}}, How: membership.Recover, Address: "a"}},
		"settle":  {&founded, &membership.Write{Stored: membership.Stored{Cluster: first, Decision: 2}, How: membership.Settle}},
	}
	var all sync.WaitGroup // most of the time each waits for its election
	for name, s := range steps {
		for operations := range maxOperations + 1 {
			dir := t.TempDir()
			all.Go(func() {
				done, err := endsAt(dir, operations, s.before, s.step)
				if err != nil {
					t.Errorf("%s, after %d operations: %v", name, operations, err)
				}
				if !done && operations == maxOperations {
					t.Errorf("%s takes more operations: test them all", name)
				}
			})
		}
	}
	all.Wait()
}

// maxOperations is what a step takes at most.
const maxOperations = 4

// endsAt lets a step end after some operations, and says whether it came to its end.
func endsAt(dir string, operations int, before, step *membership.Write) (done bool, err error) {
	d := &dying{agreement.Folder(dir), 1 << 30}
	a, err := agreement.OpenOn(alone(dir), d)
	if err != nil {
		return false, err
	}
	var was membership.Stored
	if before != nil {
		if err := errors.Join(a.Write(*before), propose(a, 3)); err != nil {
			return false, err
		}
		was = before.Stored
	}
	d.left = operations
	done = a.Write(*step) == nil && d.left >= 0
	if err := a.Close(); err != nil {
		return done, err
	}
	if a, err = agreement.Open(alone(dir)); err != nil {
		return done, err
	}
	defer a.Close()
	got := a.Stored()
	if !cmp.Equal(got, was) && !cmp.Equal(got, step.Stored) || done && !cmp.Equal(got, step.Stored) {
		return done, fmt.Errorf("the node has %+v", got)
	}
	if err := a.Write(*step); err != nil {
		return done, fmt.Errorf("it cannot be made again: %w", err)
	}
	if step.How == membership.Join {
		return done, nil // others decide
	}
	return done, propose(a, 4)
}

// propose has something agreed by a node alone.
func propose(a *agreement.Agreement, n uint32) error {
	end := time.After(20 * time.Second)
	select {
	case <-a.Leads():
	case <-end:
		return fmt.Errorf("it does not lead: %+v", a.State())
	}
	if err := a.Propose(total("x", n)); err != nil {
		return err
	}
	for {
		if table, _ := a.Table(); table.Totals["x"].Amount == n {
			return nil
		}
		select {
		case <-a.Changed():
		case <-end:
			return fmt.Errorf("it is not agreed: %+v", a.State())
		}
	}
}

const childVariable = "TURNPIKE_AGREEMENT_CHILD"

// child is a process that makes one step after the other, and says what is done, until it is killed.
func child() {
	dir := os.Getenv(childVariable)
	if dir == "" {
		return
	}
	a, err := agreement.Open(alone(dir))
	out := json.NewEncoder(os.Stdout)
	s := a.Stored()
	for n := uint64(1); err == nil; n++ {
		w := membership.Write{Stored: s, How: membership.Settle, Address: "a"}
		w.Stored.Decision++
		if n%3 != 0 || s.Cluster == "" {
			w.How = membership.Recover
			w.Stored.Cluster = fmt.Sprintf("%08x-0000-4000-8000-000000000000", rand.Uint32())
			w.Stored.Earlier = nil
		}
		if err = a.Write(w); err == nil {
			s = w.Stored
			err = out.Encode(s)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// CL-13: a real kill at any moment loses no step that was made, and the node starts.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var said membership.Stored
	for round := range 12 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(20+rand.IntN(400))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if err := json.Unmarshal(lines.Bytes(), &said); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
		kill.Stop()
		_ = cmd.Wait()
		a, err := agreement.Open(alone(dir))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if got := a.Stored(); got.Decision < said.Decision {
			t.Errorf("round %d: it has %+v, and said %+v", round, got, said)
		}
		said = a.Stored()
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d steps", said.Decision)
}
