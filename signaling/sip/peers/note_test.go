package peers

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// What one peer writes the other reads, through a message on the wire.
func TestNoteOverTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOfN(rapid.Rune(), 0, -1, maxName)
		n := Note{
			Alias: rapid.StringOfN(rapid.Rune(), 0, -1, maxAlias).Draw(t, "alias"),
			Zone:  name.Draw(t, "zone"), Subzone: name.Draw(t, "subzone"),
			Waited:    time.Duration(rapid.IntRange(0, 60000).Draw(t, "waited")) * time.Millisecond,
			Endpoints: rapid.SliceOfN(rapid.Uint64(), 0, MaxEndpoints).Draw(t, "endpoints"),
		}
		if len(n.Endpoints) == 0 {
			n.Endpoints = nil
		}
		for _, f := range n.flags() {
			*f.on = rapid.Bool().Draw(t, f.name)
		}
		m := message.NewRequest(message.Invite, message.URI{Scheme: "sip", Host: "example.test"})
		n.Put(m)
		if strings.ContainsAny(m.Get(Header), "\r\n") {
			t.Fatalf("a line of its own: %q", m.Get(Header))
		}
		got, ok := Read(m)
		if diff := cmp.Diff(n, got); diff != "" || !ok {
			t.Fatalf("read %t\n%s", ok, diff)
		}
	})
}

func TestRead(t *testing.T) {
	many := strings.Repeat(";endpoint=1", MaxEndpoints+1)
	for _, tc := range []struct {
		name, text string
		want       Note
		ok         bool
	}{
		{"nothing but that there is one", "caller", Note{}, true},
		{"of a version to come", "caller;colour=blue;registered;new", Note{Registered: true}, true},
		{"a semicolon in a name", `caller;zone="a;b\"c";relays`, Note{Zone: `a;b"c`, Media: true}, true},
		{"spaces", "caller; authenticated ;endpoint = 0f", Note{Authenticated: true, Endpoints: []uint64{15}}, true},
		{"something else", "callee;registered", Note{}, false},
		{"an open quote", `caller;zone="a`, Note{}, false},
		{"more behind a quote", `caller;zone="a"b`, Note{}, false},
		{"it waited", "caller;waited=1400;registered", Note{Registered: true, Waited: 1400 * time.Millisecond}, true},
		{"for longer than anybody", "caller;waited=60001", Note{}, false},
		{"for less than nothing", "caller;waited=-1", Note{}, false},
		{"no number", "caller;endpoint=x", Note{}, false},
		{"too many endpoints", "caller" + many, Note{}, false},
		{"a name that is none", "caller;subzone=" + strings.Repeat("a", maxName+1), Note{}, false},
		{"a flag with a value", "caller;registered=no", Note{}, false},
		{"too long", "caller;x=" + strings.Repeat("a", maxNote), Note{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := message.NewRequest(message.Invite, message.URI{Scheme: "sip", Host: "example.test"})
			m.Set(Header, tc.text)
			got, ok := Read(m)
			if diff := cmp.Diff(tc.want, got); diff != "" || ok != tc.ok {
				t.Errorf("read %t\n%s", ok, diff)
			}
			m.Add(Header, tc.text)
			if _, ok := Read(m); ok {
				t.Error("of two one was believed")
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(Note{Alias: "bob@example.test", Zone: "branch", Registered: true, Endpoints: []uint64{1, 2}}.String())
	f.Add(`caller;zone="a;\x00";endpoint=ff`)
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := parse(text)
		if !ok {
			return
		}
		again, ok := parse(n.String())
		if diff := cmp.Diff(n, again); diff != "" || !ok {
			t.Errorf("not the same when it is written again: %t\n%s", ok, diff)
		}
	})
}
