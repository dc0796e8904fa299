package revisions_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/revisions"
)

// rig is a cluster with perfect lines and disks, of which single peers can be cut off.
type rig struct {
	*testing.T
	now   time.Duration
	cores map[cluster.ID]*revisions.Core
	away  map[cluster.ID]bool
	full  map[cluster.ID]bool // disks
	said  []string
}

func newRig(t *testing.T, ids ...cluster.ID) *rig {
	r := &rig{T: t, cores: map[cluster.ID]*revisions.Core{}, away: map[cluster.ID]bool{}, full: map[cluster.ID]bool{}}
	for _, id := range ids {
		r.cores[id] = revisions.New(revisions.Config{
			Self: id, Incarnation: 1, Software: "1.0", Initial: revisions.Propose{Bytes: "of " + string(id), Digest: "of " + string(id)},
		})
	}
	for _, id := range ids {
		r.step(id, revisions.Members{Peers: ids})
		for _, other := range ids {
			r.step(id, revisions.Reachable{Peer: other, Is: true})
		}
		r.step(id, revisions.Settings{Primary: ids[0], Decision: 1})
	}
	r.pass(2 * time.Second)
	return r
}

func (r *rig) step(at cluster.ID, e revisions.Event) {
	for _, a := range r.cores[at].Step(r.now, e) {
		switch a := a.(type) {
		case revisions.Send:
			if c := r.cores[a.To]; c != nil && !r.away[at] && !r.away[a.To] {
				r.step(a.To, revisions.Received{From: at, Message: a.Message})
			}
		case revisions.Write:
			if r.full[at] {
				r.step(at, revisions.WriteFailed{Tag: a.Tag, Err: errors.New("no space left on device")})
				continue
			}
			r.step(at, revisions.Wrote{Tag: a.Tag})
		case revisions.Apply:
			r.said = append(r.said, fmt.Sprintf("%s: %s %q", at, a.Tag, a.Bytes))
		case revisions.Refused:
			r.said = append(r.said, fmt.Sprintf("%s: %v", at, a.Err))
		case revisions.Check:
			r.step(at, revisions.Checked{Digest: r.cores[at].Has().Digest})
		}
	}
}

func (r *rig) pass(d time.Duration) {
	for end := r.now + d; r.now < end; r.now += 100 * time.Millisecond {
		for _, id := range r.ids() {
			r.step(id, revisions.Tick{})
		}
	}
}

func (r *rig) ids() []cluster.ID {
	var out []cluster.ID
	for id := range r.cores {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func (r *rig) want(want ...string) {
	r.Helper()
	slices.Sort(r.said)
	if diff := cmp.Diff(want, r.said); diff != "" {
		r.Error(diff)
	}
	r.said = nil
}

// faults says which there are, by the names of the fields.
func (r *rig) faults(at cluster.ID, want ...string) {
	r.Helper()
	var got []string
	v := reflect.ValueOf(r.cores[at].Faults())
	for i := range v.NumField() {
		if v.Field(i).String() != "" {
			got = append(got, v.Type().Field(i).Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.Errorf("%s: %s", at, diff)
	}
}

func change(text string) revisions.Propose { return revisions.Propose{Bytes: text, Digest: text} }

// CL-02, CL-03: who joins has the primary's configuration; a change goes to all, and is refused elsewhere.
func TestOneAuthor(t *testing.T) {
	r := newRig(t, "a", "b", "c")
	r.want(`a: 1.1 of a "of a"`, `b: 1.1 of a "of a"`, `c: 1.1 of a "of a"`)
	r.step("a", change("more"))
	r.want(`a: 1.2 of a "more"`, `b: 1.2 of a "more"`, `c: 1.2 of a "more"`)
	r.step("b", change("less"))
	r.want("b: " + revisions.ErrNotPrimary.Error())
	r.faults("b")
}

// CL-12: without the primary the others keep what they have; another one is made the primary; the old one
// comes back and has nothing to say.
func TestChangeOfPrimary(t *testing.T) {
	r := newRig(t, "a", "b", "c")
	r.away["a"] = true
	for _, id := range []cluster.ID{"b", "c"} {
		r.step(id, revisions.Reachable{Peer: "a"})
		r.faults(id, "Silent")
	}
	r.said = nil
	r.step("a", change("written alone"))
	r.want(`a: 1.2 of a "written alone"`)
	r.step("b", revisions.Settings{Primary: "b", Decision: 2})
	r.pass(time.Second)
	r.faults("c", "Silent")
	r.step("c", revisions.Settings{Primary: "b", Decision: 2})
	r.pass(time.Second)
	r.want(`b: 2.2 of b "of a"`, `c: 2.2 of b "of a"`)
	r.away["a"] = false
	r.step("b", revisions.Reachable{Peer: "a", Is: true})
	r.step("c", revisions.Reachable{Peer: "a", Is: true})
	r.pass(time.Second)
	r.want(`a: 2.2 of b "of a"`)
	r.faults("a", "Deposed")
	r.step("a", change("once more"))
	r.want("a: " + revisions.ErrDeposed.Error())
	r.step("a", revisions.Settings{Primary: "b", Decision: 2})
	r.pass(time.Second)
	for _, id := range r.ids() {
		r.faults(id)
	}
}

// CL-15
func TestForce(t *testing.T) {
	r := newRig(t, "a", "b")
	r.said = nil
	r.step("a", revisions.Force{})
	r.want("a: " + revisions.ErrIsPrimary.Error())
	r.step("b", revisions.Checked{Digest: "an operator's doing"})
	r.faults("b", "Damaged")
	r.pass(3 * time.Second)
	r.want(`b: 1.1 of a "of a"`)
	r.faults("b")
}

// CL-10, OP-03: nothing goes to who runs other software.
func TestOtherSoftware(t *testing.T) {
	r := newRig(t, "a", "b")
	r.cores["b"] = revisions.New(revisions.Config{Self: "b", Incarnation: 2, Software: "2.0"})
	r.step("b", revisions.Members{Peers: []cluster.ID{"a"}})
	r.step("b", revisions.Reachable{Peer: "a", Is: true})
	r.step("b", revisions.Settings{Primary: "a", Decision: 1})
	r.said = nil
	r.pass(time.Second)
	r.step("a", change("more"))
	r.pass(5 * time.Second)
	r.want(`a: 1.2 of a "more"`)
	r.faults("a")
	r.faults("b")
}

// A disk that is full stops changes and nothing else; it is tried again.
func TestDiskFull(t *testing.T) {
	r := newRig(t, "a", "b")
	r.said = nil
	r.full["b"] = true
	r.step("a", change("more"))
	r.pass(8 * time.Second)
	r.faults("b", "Unwritten")
	r.want(`a: 1.2 of a "more"`)
	r.full["b"] = false
	r.pass(8 * time.Second)
	r.want(`b: 1.2 of a "more"`)
}

// A primary whose disk was lost gets back what it wrote from who has it, and writes on.
func TestDiskLost(t *testing.T) {
	r := newRig(t, "a", "b")
	r.step("a", change("more"))
	r.cores["a"] = revisions.New(revisions.Config{Self: "a", Incarnation: 2, Software: "1.0", Initial: change("of nobody")})
	r.step("a", revisions.Members{Peers: []cluster.ID{"b"}})
	r.step("a", revisions.Reachable{Peer: "b", Is: true})
	r.said = nil
	r.step("a", revisions.Settings{Primary: "a", Decision: 1})
	r.pass(3 * time.Second)
	r.want(`a: 1.1 of a "of nobody"`, `a: 1.2 of a "more"`)
	r.step("a", change("still more"))
	r.want(`a: 1.3 of a "still more"`, `b: 1.3 of a "still more"`)
}

// A forced update is of the primary of its time: it does not outlive it, or what the next one wrote would be
// replaced by something older.
func TestForceEndsWithItsPrimary(t *testing.T) {
	r := newRig(t, "a", "b")
	r.away["b"] = true
	r.step("b", revisions.Force{})
	r.step("b", revisions.Settings{Primary: "b", Decision: 2})
	r.step("b", change("of b"))
	r.step("b", revisions.Settings{Primary: "a", Decision: 3})
	r.away["b"] = false
	r.said = nil
	r.pass(5 * time.Second)
	if got := r.cores["b"].Has(); got.Generation < 2 {
		t.Errorf("b went back to %s", got)
	}
}

// A document that waited while another was written may be the older one: messages overtake each other.
func TestWaitingDocument(t *testing.T) {
	c := revisions.New(revisions.Config{Self: "b", Incarnation: 1, Software: "1.0"})
	c.Step(0, revisions.Members{Peers: []cluster.ID{"a"}})
	c.Step(0, revisions.Settings{Primary: "a", Decision: 1})
	c.Step(0, revisions.Received{From: "a", Message: revisions.Beat{N: 1, Incarnation: 1, Software: "1.0", Names: "a", Follows: "a"}})
	tag := func(n uint64) revisions.Tag {
		return revisions.Tag{Reign: revisions.Reign{Generation: 1, Author: "a"}, Revision: n, Digest: fmt.Sprint(n)}
	}
	for _, n := range []uint64{5, 4} {
		c.Step(0, revisions.Received{From: "a", Message: revisions.Push{Document: revisions.Document{Tag: tag(n)}}})
	}
	for _, a := range c.Step(0, revisions.Wrote{Tag: tag(5)}) {
		if w, ok := a.(revisions.Write); ok {
			t.Errorf("it writes %s", w.Tag)
		}
	}
}
