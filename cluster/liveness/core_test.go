package liveness_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
)

const (
	here  = "10.0.0.1"
	there = "peer2.example.test"
)

// rig is a core whose peer answers, as long as it does.
type rig struct {
	*testing.T
	core *liveness.Core
	now  time.Duration
	// What the peer does with a heartbeat.
	deaf, mute bool
	peer       liveness.Beat
	said       []string
}

func newRig(t *testing.T) *rig {
	r := &rig{T: t, core: liveness.New("one", 1), peer: liveness.Beat{Incarnation: 1}}
	r.step(liveness.List{Addresses: []string{here, there}, Own: 0})
	return r
}

func (r *rig) step(e liveness.Event) {
	for _, a := range r.core.Step(r.now, e) {
		switch a := a.(type) {
		case liveness.Send:
			if !r.deaf {
				r.peer.Echo, r.peer.EchoOf = a.Beat.Seq, a.Beat.Incarnation
			}
		case liveness.Changed:
			r.said = append(r.said, a.From.String()+" "+a.To.String())
		case liveness.Restarted:
			r.said = append(r.said, "restarted")
		case liveness.Duplicate:
			r.said = append(r.said, "duplicate of "+a.Also)
		}
	}
}

// pass lets time pass, with a heartbeat of the peer every half second.
func (r *rig) pass(d time.Duration) {
	for end := r.now + d; r.now < end; {
		r.now += liveness.Interval
		r.step(liveness.Tick{})
		if !r.mute {
			r.hear("two", there)
		}
	}
}

func (r *rig) hear(from cluster.ID, address string) {
	r.peer.Seq++
	r.step(liveness.Heard{Address: address, From: from, Name: "vcse2", Resolved: "10.0.0.2", Beat: r.peer})
}

func (r *rig) said1(want ...string) {
	r.Helper()
	if diff := cmp.Diff(want, r.said); diff != "" {
		r.Errorf("at %s: %s", r.now, diff)
	}
	r.said = nil
}

// CL-02, CL-17: the words of the table, while a peer comes and goes.
func TestWords(t *testing.T) {
	r := newRig(t)
	words := func(state, certificate string) {
		t.Helper()
		s := r.core.Status()
		if s[0].State() != "This system" || s[1].State() != state || s[1].Certificate() != certificate {
			t.Errorf("%q, %q, %q", s[0].State(), s[1].State(), s[1].Certificate())
		}
	}
	words("Unknown", "")
	r.step(liveness.Failed{Address: there, Why: "connection refused"})
	words("Failed", "")
	r.step(liveness.Certificate{Address: there, Fault: "the name is another"})
	r.pass(2 * time.Second)
	words("Active as vcse2 (Resolved 'peer2.example.test' as '10.0.0.2')", "Invalid (the name is another)")
	r.step(liveness.Certificate{Address: there})
	r.mute = true
	r.pass(3 * time.Second)
	words("Active as vcse2 (Resolved 'peer2.example.test' as '10.0.0.2')", "Valid")
	r.pass(3 * time.Second)
	words("Failed", "Valid")
}

// RG-04: suspect after 2 s and lost after 5 s, whichever direction is silent.
func TestSilence(t *testing.T) {
	for name, silence := range map[string]func(*rig){
		"the peer is not heard":      func(r *rig) { r.mute = true },
		"the peer does not hear":     func(r *rig) { r.deaf = true },
		"neither hears of the other": func(r *rig) { r.mute, r.deaf = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.pass(10 * time.Second)
			r.said1("unknown active")
			silence(r)
			r.pass(1500 * time.Millisecond)
			r.said1()
			r.pass(time.Second)
			r.said1("active suspect")
			r.pass(2 * time.Second)
			r.said1()
			r.pass(time.Second)
			r.said1("suspect lost")
			r.mute, r.deaf = false, false
			r.pass(time.Second)
			r.said1("lost active")
		})
	}
}

// A node that did not run does not call the others lost before it has listened to them.
func TestOwnPause(t *testing.T) {
	r := newRig(t)
	r.pass(10 * time.Second)
	r.said = nil
	r.now += 20 * time.Second
	r.step(liveness.Tick{})
	r.said1("active suspect")
	r.pass(time.Second)
	r.said1("suspect active")
	r.now += 20 * time.Second
	r.mute = true
	r.step(liveness.Tick{})
	r.pass(1500 * time.Millisecond)
	r.said1("active suspect")
	r.now += 20 * time.Second // excused once only
	r.step(liveness.Tick{})
	r.said1("suspect lost")
}

func TestClosedAndLeft(t *testing.T) {
	r := newRig(t)
	r.pass(2 * time.Second)
	r.said = nil
	r.step(liveness.Closed{From: "two"})
	r.said1("active suspect")
	r.pass(time.Second)
	r.said1("suspect active")
	r.peer.Leaving = true
	r.hear("two", there)
	r.said1("active lost")
	r.peer = liveness.Beat{Incarnation: 2}
	r.pass(time.Second)
	r.said1("restarted", "lost active")
}

func TestOldProcessesAreNotBelieved(t *testing.T) {
	r := newRig(t)
	r.peer.Incarnation = 7
	r.pass(2 * time.Second)
	r.said = nil
	r.peer = liveness.Beat{Incarnation: 6}
	r.pass(6 * time.Second)
	r.said1("active suspect", "suspect lost")
}

// CL-22: an address changes, the node stays.
func TestAddressChanges(t *testing.T) {
	r := newRig(t)
	r.pass(2 * time.Second)
	r.said = nil
	r.step(liveness.List{Addresses: []string{here, "10.0.0.2"}, Own: 0})
	r.hear("two", there)
	if got := r.core.Status()[1].State(); got != "Unknown" {
		t.Errorf("a heartbeat of the old address: %s", got)
	}
	r.hear("two", "10.0.0.2")
	if got := r.core.Status()[1].State(); got != "Active as vcse2" {
		t.Errorf("a heartbeat of the new address: %s", got)
	}
	r.said1()
}

func TestTheSameNodeTwice(t *testing.T) {
	r := newRig(t)
	r.pass(time.Second)
	r.said = nil
	r.step(liveness.List{Addresses: []string{here, there, "10.0.0.2"}, Own: 0})
	r.hear("two", "10.0.0.2")
	r.said1("duplicate of " + there)
	r.hear("one", "10.0.0.2")
	r.said1("duplicate of this system")
}

// CL-13: who was removed is forgotten when he is silent.
func TestRemoved(t *testing.T) {
	r := newRig(t)
	r.pass(time.Second)
	r.step(liveness.List{Addresses: []string{here}, Own: 0})
	r.pass(6 * time.Second)
	if got := r.core.State("two"); got != liveness.Unknown {
		t.Errorf("a removed peer is %s", got)
	}
}

// A peer that is heard and cannot be reached stays Failed: its alarm must not come and go with each heartbeat.
func TestHeardAndNotReached(t *testing.T) {
	r := newRig(t)
	r.deaf, r.peer.Echo = true, 0
	for range 4 {
		r.step(liveness.Failed{Address: there, Why: "no route to host"})
		r.pass(liveness.Interval)
		if got := r.core.Status()[1].State(); got != "Failed" {
			t.Errorf("at %s: %s", r.now, got)
		}
	}
	r.deaf = false
	r.pass(2 * liveness.Interval)
	if got := r.core.Status()[1]; got.Why != "" || got.Life != liveness.Active {
		t.Errorf("%+v", got)
	}
}
