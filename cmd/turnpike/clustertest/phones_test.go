package clustertest

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// RG-01, RG-04, RG-08, RG-09: whoever is registered on one peer is found by all, while it
// lives.
func TestPhonesOfAllPeers(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3, 1)
	must(t, r.Form(t.Context(), more+clusterlab.Takes))
	p := r.newPhones()
	at := func(i int) netip.Addr { return r.Star.Addr(i) }

	for i := range 3 { // nobody is taken before the peers have agreed on shares
		r.within(30*time.Second, "a phone registers", func() error { return p.Register(t.Context(), at(i), i, time.Hour) })
	}
	for i := range 3 {
		r.holders(2*time.Second, i, "1 2 3")
		r.found(i, 0, true)
		r.found(i, 1, true)
		r.found(i, 2, true)
	}

	// An endpoint that moves is on one peer.
	must(t, p.Register(t.Context(), at(2), 0, time.Hour))
	for i := range 3 {
		r.holders(2*time.Second, i, "3 2 3")
	}
	// One that leaves is nowhere.
	must(t, p.Register(t.Context(), at(2), 2, 0))
	for i := range 3 {
		r.holders(2*time.Second, i, "3 2")
	}

	// A peer in maintenance takes no new ones (RG-08), and keeps those that it has.
	r.run(1, "maintenance", "on")
	if err := p.Register(t.Context(), at(1), 5, time.Hour); err == nil {
		t.Error("a peer in maintenance took a registration")
	}
	r.holders(2*time.Second, 0, "3 2")
	r.run(1, "maintenance", "off")

	// A dead peer's are not offered, and come back with it (RG-04), also those that it was killed soon after.
	r.keeps(3*time.Second, 2)
	must(t, r.Nodes[2].End(unix.SIGKILL))
	r.holders(7*time.Second, 0, "2")
	r.holders(7*time.Second, 1, "2")
	r.found(0, 0, false)
	must(t, r.Nodes[2].Start(t.Context()))
	r.whole(30*time.Second, 0, 1, 2)
	for i := range 3 {
		r.holders(5*time.Second, i, "3 2")
		r.found(i, 0, true)
	}
	must(t, r.Nodes[1].End(unix.SIGKILL))
	r.holders(7*time.Second, 0, "3")
	r.found(0, 1, false)
	must(t, p.Register(t.Context(), at(0), 1, time.Hour)) // it moves on
	r.holders(2*time.Second, 2, "3 1")
	must(t, r.Nodes[1].Start(t.Context()))
	r.whole(30*time.Second, 0, 1, 2)
	for i := range 3 { // also where the peer has kept it
		r.holders(8*time.Second, i, "3 1")
	}
}

// keeps waits until a node has on its disk what the next process is to know of its phones: all who are registered there, and nobody
// who has left.
func (r *rig) keeps(d time.Duration, i int) {
	r.t.Helper()
	who := func(all []*registrations.Binding) map[uint64]string {
		out := map[uint64]string{}
		for _, b := range all {
			out[b.ID] = b.AOR
		}
		return out
	}
	r.within(d, fmt.Sprintf("tp%d has written who came and who left", i+1), func() error {
		all, err := r.Nodes[i].API.Registrations(r.t.Context(), "")
		if err != nil {
			return err
		}
		next := registrations.New(registrations.Config{File: filepath.Join(r.Nodes[i].State, "registrations.journal")})
		if _, err := next.Restore(); err != nil {
			return err
		}
		if diff := cmp.Diff(who(all), who(next.List())); diff != "" {
			return fmt.Errorf("it has not (-is +written):\n%s", diff)
		}
		return nil
	})
}

// holders waits until a node lists who holds the phones, in the order of their names.
func (r *rig) holders(d time.Duration, i int, want string) {
	r.t.Helper()
	r.within(d, fmt.Sprintf("tp%d knows who has which phone", i+1), func() error {
		list, err := r.Nodes[i].API.ClusterRegistrations(r.t.Context(), "")
		var got []string
		for _, b := range list {
			got = append(got, fmt.Sprint(b.Peer))
		}
		if text := strings.Join(got, " "); err == nil && text != want {
			err = fmt.Errorf("held by %s, want %s", text, want)
		}
		return err
	})
}

// found asks a node's dial plan for a phone.
func (r *rig) found(i, phone int, want bool) {
	r.t.Helper()
	r.within(2*time.Second, fmt.Sprintf("tp%d finds %s: %v", i+1, clusterlab.Name(phone), want), func() error {
		out, err := r.Nodes[i].Run("locate", clusterlab.Name(phone), "-o", "json")
		if found := strings.Contains(out, `"registration"`); found != want {
			return errors.Join(err, errors.New(out))
		}
		return nil
	})
}
