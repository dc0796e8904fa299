package calls

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"turnpike.dev/turnpike/control/eventlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a file of records that is written to until the test ends it.
func running(t *testing.T, name string) (r *Records, end func()) {
	t.Helper()
	r, err := OpenRecords(name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	return r, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestRecords(t *testing.T) {
	name := filepath.Join(t.TempDir(), "sub", "calls.jsonl")
	for range 2 { // the second run goes on in the same file
		r, end := running(t, name)
		b := New(Config{Now: newClock().Now, Records: r})
		e := b.Begin(Info{CallID: "c\"1\n", From: "alice", To: "bob"}, nil)
		e.Answered()
		e.End(Cause{Kind: Completed, By: ByCallee}, Stream{Kind: "audio", Path: "xdp", A: Direction{Packets: 5, Lost: 1}})
		b.Begin(Info{From: "eve"}, nil).End(Cause{Kind: Denied, By: ByNode, Status: 403})
		end()
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte{'\n'})
	if len(lines) != 2 {
		t.Fatalf("%d lines, want 2:\n%s", len(lines), data)
	}
	if refused, err := os.ReadFile(filepath.Join(filepath.Dir(name), "calls-refused.jsonl")); err != nil || bytes.Count(refused, []byte{'\n'}) != 2 {
		t.Errorf("refused calls: %s, %v", refused, err)
	}
	var c Call
	if err := json.Unmarshal(lines[1], &c); err != nil || c.CallID != "c\"1\n" || c.Streams[0].A.Packets != 5 || c.Cause.By != ByCallee {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestRecordsAreBounded(t *testing.T) {
	name := filepath.Join(t.TempDir(), "calls.jsonl")
	r, err := OpenRecords(name)
	if err != nil {
		t.Fatal(err)
	}
	r.carried.limit = 4000
	for i := range 100 { // nobody writes yet
		r.write(Call{ID: uint64(i)})
	}
	for range maxWaiting {
		r.write(Call{})
	}
	if r.Lost() != 100 {
		t.Errorf("%d lost, want 100", r.Lost())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{name, name + ".1"} {
		info, err := os.Stat(file)
		if err != nil || info.Size() > 4000 || info.Size() == 0 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
}

// AL-02: the fields of facts A9 in their order.
func TestEvents(t *testing.T) {
	var out bytes.Buffer
	log, err := eventlog.New(eventlog.Config{Out: &out, Level: "info"})
	if err != nil {
		t.Fatal(err)
	}
	at := newClock()
	b := New(Config{Now: at.Now, Log: log})
	caller := Party{Protocol: "sip", Address: netip.MustParseAddrPort("192.0.2.10:5062"), Authenticated: true}
	e := b.Begin(Info{CallID: "c1", From: "alice@example.test", To: "bob@example.test", Caller: caller}, nil)
	e.Update(func(i *Info) {
		i.Route.Rule, i.Callee.Address = "local", netip.MustParseAddrPort("[2001:db8::b]:5061")
	})
	e.Answered()
	at.now = at.now.Add(61 * time.Second)
	e.End(Cause{Kind: Completed, By: ByCallee, Reason: "BYE"})
	e = b.Begin(Info{CallID: "c2", From: "eve\" Event=\"forged", To: "bob@example.test", Caller: caller}, nil)
	e.End(Cause{Kind: Denied, By: ByNode, Status: 403, Reason: "denied by call policy"})

	var got strings.Builder
	for line := range strings.Lines(out.String()) {
		fields, err := eventlog.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fields {
			if f.Key == "UTCTime" || f.Key == "Call-serial-number" {
				f.Value = "(" + f.Key + ")"
			}
			fmt.Fprintf(&got, "%s=%q ", f.Key, f.Value)
		}
		got.WriteByte('\n')
	}
	golden(t, "events.txt", got.String())
}

func FuzzRedact(f *testing.F) {
	f.Add([]byte("INVITE a\r\nAuthorization: Digest a=\"b\"\r\n folded\r\n\r\na=crypto:1 S inline:k\r\n"))
	f.Add([]byte("Proxy-Authorization:\n\n\nk="))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		once := Redact(data)
		if !bytes.Equal(before, data) {
			t.Error("the message itself was changed")
		}
		if diff := cmp.Diff(string(once), string(Redact(once))); diff != "" {
			t.Errorf("again it is another:\n%s", diff)
		}
		if bytes.Count(once, []byte{'\n'}) != bytes.Count(data, []byte{'\n'}) {
			t.Error("lines were lost")
		}
		Summary(data)
		Picture(Ladder{Messages: []Message{{Data: data}}}, true)
	})
}

// BenchmarkMessage is what keeping a message costs on the way of a call, the copy with it.
func BenchmarkMessage(b *testing.B) {
	book := New(Config{Trace: true})
	data := make([]byte, 900)
	at := time.Now()
	var e *Entry
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%14 == 0 {
			if e != nil {
				e.End(Cause{Kind: Completed, By: ByCaller})
			}
			e = book.Begin(Info{}, nil)
			e.Answered()
		}
		e.Message(at, netip.AddrPort{}, netip.AddrPort{}, "udp", true, data)
	}
}
