package wire_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/settings"
	"turnpike.dev/turnpike/cluster/wire"
)

var update = flag.Bool("update", false, "write the golden file")

// sample is a message of each kind, with all that it can carry.
type sample struct {
	name    string
	message any
}

func samples() []sample {
	hello := wire.Hello{
		Number: 11,
		ID:     "2f1c", Incarnation: 1795000000, Name: "edge1", Cluster: "c-77", SIPTLS: 5061, Maintenance: true,
		Settings: settings.Settings{Name: "cluster1.example.test", Primary: 1, IP: "ipv4", TLS: "permissive", Peers: []string{"10.0.0.1", "b.example.test"}, Role: "edge", Platform: "large", Software: "1.2.3", Protocol: 1},
		Extra:    map[string]string{"reset": "yes", "keys": "a"},
	}
	tag := revisions.Tag{Reign: revisions.Reign{Generation: 3, Author: "2f1c"}, Revision: 41, Digest: "sha256:00ff"}
	change := rows.Change{Key: "r/\x00a", Row: rows.Row{Value: "v\xff", TTL: time.Hour}}
	return []sample{
		{"open", wire.Open{Stream: wire.Bulk, Hello: hello}},
		{"welcome", wire.Welcome{Hello: hello}},
		{"refused", wire.Refused{Why: "not in the list"}},
		{"hello", hello},
		{"beat", liveness.Beat{Incarnation: 7, Seq: 9, Echo: 8, EchoOf: 6, Held: 250 * time.Millisecond, Leaving: true}},
		{"head", rows.Head{N: 1, Incarnation: 2, Seq: 3, Digest: 1 << 63, Has: rows.Has{Of: 4, Seq: 5, At: 6, Parts: 7}}},
		{"tail", rows.Tail{Incarnation: 2, After: 3, Changes: []rows.Change{change, {Key: "r/b", Gone: true}}}},
		{"part", rows.Part{Incarnation: 2, At: 3, Index: 1, Of: 2, Rows: []rows.Change{change}}},
		{"revisions", revisions.Beat{N: 1, Incarnation: 2, Software: "1.2.3", Has: tag, Wants: true, Names: "a", Follows: "b", Reign: revisions.Reign{Generation: 4, Author: "c"}}},
		{"push", revisions.Push{Document: revisions.Document{Tag: tag, Bytes: "zones:\n"}}},
		{"wants", ledger.Beat{Incarnation: 2, Seq: 3, Wants: []ledger.Want{{Resource: "licence/rich", Number: 4, Amount: 5, Held: true, Leased: true}}}},
		{"wants with answers", ledger.Beat{Incarnation: 2, Seq: 3, Term: 4, Spent: []ledger.Spent{{Resource: "pipe/a", Recall: 5, Ceiling: 6}, {Resource: "pipe/b", Recall: 5}}}},
		{"lead", ledger.Lead{Term: 1, Incarnation: 2, Echo: 3, Grants: map[ledger.Resource]ledger.Grant{"pipe/a": {Incarnation: 2, Number: 3, Amount: 4, Freed: true, Leased: true, More: true}}, Recall: map[ledger.Resource]uint32{"pipe/a": 1}}},
		{"lead with a numbered recall", ledger.Lead{Term: 1, Incarnation: 2, Echo: 3, Recall: map[ledger.Resource]uint32{"pipe/a": 1}, Number: 5}},
		{"numbered recall", ledger.Recall{Term: 1, Of: map[ledger.Resource]uint32{"pipe/a": 1}, Number: 5}},
		{"recall", ledger.Recall{Term: 1, Of: map[ledger.Resource]uint32{"pipe/a": 1, "pipe/b": 0}}},
		{"request", wire.Request{Name: "join", Body: []byte{1, 2}}},
		{"answer", wire.Answer{Body: []byte{3}, Failed: "no"}},
		{"question", wire.Question{Protocol: 1, Ports: []uint16{4371, 4372}}},
		{"question of UDP", wire.Question{Protocol: 1, Ports: []uint16{4371}, UDP: []uint16{1719}, Token: wire.Token{1, 15: 9}}},
		{"probe", wire.Probe{Hello: hello, Tag: tag, Digest: "d", Seen: "10.0.0.9", Ports: map[uint16]string{4371: "", 4372: "refused"}, Facts: map[string]string{"ntp": "no"}}},
		{"probe of UDP", wire.Probe{Hello: hello, Tag: tag, UDP: map[uint16]string{1719: "silent"}, Bells: []uint16{1719}}},
	}
}

func TestRoundTrip(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			frame, err := wire.Append([]byte("before"), s.message)
			if err != nil {
				t.Fatal(err)
			}
			got, err := wire.Read(bytes.NewReader(frame[len("before"):]), wire.MaxFrame, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s.message, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The bytes of each message are a promise to the version before and the one after (OP-03).
func TestFormat(t *testing.T) {
	var text strings.Builder
	for _, s := range samples() {
		frame, err := wire.Append(nil, s.message)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%s\n%s", s.name, hex.Dump(frame))
	}
	file := filepath.Join("testdata", "frames.golden")
	if *update {
		if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("%s\nneighbouring versions have to understand each other; if they do: go test -update", diff)
	}
}

// A later version may add keys to a message, and this one passes over them. // OP-03
func TestKeysOfLaterVersions(t *testing.T) {
	body, err := cbor.Marshal(map[int]any{1: 7, 2: 9, 99: map[string]int{"new": 1}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.Decode(append([]byte{10}, body...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(liveness.Beat{Incarnation: 7, Seq: 9}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOutOfBounds(t *testing.T) {
	long := strings.Repeat("x", 300)
	many := make([]rows.Change, 20_000)
	extra := make(map[string]string)
	for i := range 65 {
		extra[fmt.Sprint(i)] = ""
	}
	for _, c := range []struct {
		name    string
		message any
	}{
		{"hello without an id", wire.Hello{}},
		{"long id", wire.Hello{ID: "0123456789012345678901234567890123456789012345678901234567890123456789"}},
		{"long name", wire.Hello{ID: "a", Name: long}},
		{"name with a line break", wire.Hello{ID: "a", Name: "a\nb"}},
		{"name that is no UTF-8", wire.Hello{ID: "a", Name: "\xff"}},
		{"seven peers", wire.Hello{ID: "a", Settings: settings.Settings{Peers: make([]string, 7)}}},
		{"negative primary", wire.Hello{ID: "a", Settings: settings.Settings{Primary: -1}}},
		{"much extra", wire.Hello{ID: "a", Extra: extra}},
		{"no such stream", wire.Open{Stream: 9, Hello: wire.Hello{ID: "a"}}},
		{"no stream", wire.Open{Hello: wire.Hello{ID: "a"}}},
		{"held for ever", liveness.Beat{Held: 1<<63 - 1}},
		{"held less than nothing", liveness.Beat{Held: -1}},
		{"negative parts", rows.Head{Has: rows.Has{Parts: -1}}},
		{"part beyond the last", rows.Part{Index: 2, Of: 2}},
		{"negative part", rows.Part{Index: -1, Of: 2}},
		{"snapshot with a row that is gone", rows.Part{Of: 1, Rows: []rows.Change{{Gone: true}}}},
		{"too many changes", rows.Tail{Changes: many}},
		{"long key", rows.Tail{Changes: []rows.Change{{Key: rows.Key(strings.Repeat("k", rows.MaxKey+1))}}}},
		{"long row", rows.Tail{Changes: []rows.Change{{Row: rows.Row{Value: strings.Repeat("v", rows.MaxValue+1)}}}}},
		{"negative time to live", rows.Tail{Changes: []rows.Change{{Row: rows.Row{TTL: -1}}}}},
		{"long digest", revisions.Push{Document: revisions.Document{Tag: revisions.Tag{Digest: long}}}},
		{"large document", revisions.Push{Document: revisions.Document{Bytes: strings.Repeat("d", wire.MaxDocument+1)}}},
		{"many wants", ledger.Beat{Wants: make([]ledger.Want, ledger.MaxWants+1)}},
		{"many answers", ledger.Beat{Spent: make([]ledger.Spent, ledger.MaxWants+1)}},
		{"long resource of an answer", ledger.Beat{Spent: []ledger.Spent{{Resource: ledger.Resource(long)}}}},
		{"many grants", ledger.Lead{Grants: grants(ledger.MaxWants + 1)}},
		{"many recalled", ledger.Recall{Of: recalled(ledger.MaxWants + 1)}},
		{"long resource", ledger.Recall{Of: map[ledger.Resource]uint32{ledger.Resource(long): 1}}},
		{"long request", wire.Request{Name: long}},
		{"many ports", wire.Question{Ports: make([]uint16, 9)}},
		{"many UDP ports", wire.Question{UDP: make([]uint16, 9)}},
		{"many bells", wire.Probe{Bells: make([]uint16, 9)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			frame, err := wire.Append(nil, c.message)
			if err != nil {
				t.Fatal(err)
			}
			if m, err := wire.Decode(frame[4:]); !errors.Is(err, wire.ErrInvalid) {
				t.Errorf("decoded %T, %v", m, err)
			}
		})
	}
}

func TestNoMessage(t *testing.T) {
	for _, c := range []struct {
		name  string
		frame []byte
		want  error
	}{
		{"empty", nil, wire.ErrUnknown},
		{"unknown kind", []byte{200, 0xa0}, wire.ErrUnknown},
		{"no body", []byte{10}, wire.ErrInvalid},
		{"more than a body", []byte{10, 0xa0, 0xa0}, wire.ErrInvalid},
		{"not a map", []byte{10, 0x01}, wire.ErrInvalid},
		{"indefinite length", []byte{10, 0xbf, 0xff}, wire.ErrInvalid},
		{"a key twice", []byte{10, 0xa2, 1, 1, 1, 2}, wire.ErrInvalid},
		{"a tag", []byte{10, 0xc1, 0xa0}, wire.ErrInvalid},
		{"deep", append([]byte{10, 0xa1, 0x18, 99}, bytes.Repeat([]byte{0x81}, 100)...), wire.ErrInvalid},
		{"a long list announced", []byte{21, 0xa1, 3, 0x9a, 0xff, 0xff, 0xff, 0xff}, wire.ErrInvalid},
		{"long", make([]byte, wire.MaxFrame+1), wire.ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "long" {
				c.frame[0] = 10
			}
			if m, err := wire.Decode(c.frame); !errors.Is(err, c.want) {
				t.Errorf("decoded %T, %v", m, err)
			}
		})
	}
	if _, err := wire.Append(nil, 7); !errors.Is(err, wire.ErrUnknown) {
		t.Errorf("encoded a number: %v", err)
	}
	if _, err := wire.Append(nil, rows.Tail{Changes: []rows.Change{{Row: rows.Row{Value: strings.Repeat("v", wire.MaxFrame)}}}}); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("encoded more than peers take: %v", err)
	}
}

// Texts for people are made to fit by who sends them: an error may have any form.
func TestTextsForPeople(t *testing.T) {
	text := "first\nsecond \xff " + strings.Repeat("ä", 1000)
	for _, m := range []any{wire.Refused{Why: text}, wire.Answer{Failed: text}, wire.Probe{Hello: wire.Hello{ID: "a"}, Facts: map[string]string{"a": text}, Ports: map[uint16]string{1: text}}} {
		frame, err := wire.Append(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.Decode(frame[4:])
		if err != nil {
			t.Errorf("%T: %v", m, err)
		}
		if r, ok := got.(wire.Refused); ok && (!strings.HasPrefix(r.Why, "first second ? ää") || len(r.Why) > 1<<10) {
			t.Errorf("%q", r.Why)
		}
	}
}

// Who announces much and sends little costs little.
func TestReadTakesMemoryForWhatComes(t *testing.T) {
	head := binary.BigEndian.AppendUint32(nil, wire.MaxDocument)
	allocated := testing.AllocsPerRun(1, func() {
		_, err := wire.Read(bytes.NewReader(append(head, 51, 1, 2, 3)), 2*wire.MaxDocument, nil)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v", err)
		}
	})
	if allocated > 20 {
		t.Errorf("%v allocations", allocated)
	}
	if _, err := wire.Read(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff}), wire.MaxFrame, nil); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("error %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range samples() {
		frame, err := wire.Append(nil, s.message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame[4:])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		m, err := wire.Decode(frame)
		if err != nil {
			return
		}
		again, err := wire.Append(nil, m)
		if err != nil {
			t.Fatalf("%#v cannot be said again: %v", m, err)
		}
		got, err := wire.Decode(again[4:])
		if err != nil {
			t.Fatalf("%#v is not understood again: %v", m, err)
		}
		if diff := cmp.Diff(m, got, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzRead(f *testing.F) {
	var before []byte
	for _, s := range samples() { // two at a time: what is found in a long stream takes minutes to be made short
		frame, err := wire.Append(nil, s.message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(slices.Clone(before), frame...))
		before = frame
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		r := bytes.NewReader(data)
		for {
			if _, err := wire.Read(r, wire.MaxFrame, nil); err != nil {
				return
			}
		}
	})
}

func BenchmarkTail(b *testing.B) {
	tail := rows.Tail{Changes: make([]rows.Change, 100)}
	for i := range tail.Changes {
		tail.Changes[i] = rows.Change{Key: rows.Key(fmt.Sprintf("r/alice%d@example.test", i)), Row: rows.Row{Value: strings.Repeat("v", 300), TTL: time.Hour}}
	}
	var frame []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if frame, err = wire.Append(frame[:0], tail); err != nil {
			b.Fatal(err)
		}
		if _, err := wire.Decode(frame[4:]); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(frame)))
}
