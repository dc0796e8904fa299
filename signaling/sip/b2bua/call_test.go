package b2bua

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/signaling/sip/message"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares the messages of a scenario with what they were.
func (r *rig) golden(name string) {
	r.t.Helper()
	file := filepath.Join("testdata", name+".txt")
	got := r.picture()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		r.t.Errorf("other messages than in %s (-want +got):\n%s", file, d)
	}
}

// connect sets a call up: alice and bob, one audio stream.
func (r *rig) connect() (a, b *phone) {
	r.t.Helper()
	a, b = r.phone(alice), r.phone(bob)
	req := a.invite(withSDP(offerOf(alice)))
	in := b.gets("INVITE")
	b.answer(in, 180)
	a.gets("180 INVITE")
	b.answer(in, 200, withSDP(offerOf(bob)))
	b.gets("ACK")
	a.ack(req, a.gets("200 INVITE"))
	return a, b
}

// ME-02
func TestCall(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		a.send(message.Bye)
		a.gets("200 BYE")
		b.answer(b.gets("BYE"), 200)
		r.settle()
		r.golden("call")
		c := r.ended()
		if c.Cause.Kind != calls.Completed || c.Cause.By != calls.ByCaller || !c.Media.Traversal || c.Media.Why != "interfaces" {
			t.Errorf("recorded as %+v", c)
		}
		if len(c.Streams) != 1 || c.Streams[0].Kind != "audio" || c.Streams[0].A.Packets != 10 {
			t.Errorf("streams %+v", c.Streams)
		}
	})
}

func TestCalleeHangsUp(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		b.send(message.Bye)
		b.gets("200 BYE")
		a.answer(a.gets("BYE"), 200)
		r.settle()
		if c := r.ended(); c.Cause.By != calls.ByCallee {
			t.Errorf("recorded as %+v", c.Cause)
		}
	})
}

func TestByesCross(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		a.send(message.Bye)
		b.send(message.Bye)
		a.gets("200 BYE")
		for range 2 {
			if m := b.next(time.Second); m.IsRequest() {
				b.answer(m, 200)
			} else if m.Status() != 200 {
				t.Errorf("got %s", want(m))
			}
		}
	})
}
