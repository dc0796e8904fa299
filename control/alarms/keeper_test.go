package alarms

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logged collects records of the event log.
type logged struct{ records []string }

func (l *logged) Event(event string, kv ...any) { l.add("INFO", event, kv) }
func (l *logged) Warn(event string, kv ...any)  { l.add("WARN", event, kv) }
func (l *logged) Error(event string, kv ...any) { l.add("ERROR", event, kv) }

func (l *logged) add(level, event string, kv []any) {
	r := level + " " + event
	for i := 0; i < len(kv); i += 2 {
		r += fmt.Sprintf(" %v=%v", kv[i], kv[i+1])
	}
	l.records = append(l.records, r)
}

func open(t testing.TB, file string) (*Alarms, *logged) {
	t.Helper()
	log := &logged{}
	a, err := Open(Config{File: file, Catalogue: small(), Log: log, Now: func() time.Time { return start }, NewID: counter()})
	if err != nil {
		t.Fatal(err)
	}
	return a, log
}

func TestRecords(t *testing.T) {
	a, log := open(t, filepath.Join(t.TempDir(), "alarms"))
	defer func() { _ = a.Close() }()
	a.Raise(1, "peer2", "does not answer")
	a.Raise(2, "", "x")
	if err := a.Acknowledge("id1", "ann"); err != nil {
		t.Error(err)
	}
	a.Lower(1, "peer2")
	want := []string{
		"ERROR Alarm Raised Detail=does not answer Id=1 UUID=id1 Severity=error Title=one Key=peer2",
		"INFO Alarm Raised Detail=x Id=2 UUID=id2 Severity=notice Title=two",
		"INFO Alarm Acknowledged Detail=does not answer Id=1 UUID=id1 Severity=error Title=one Key=peer2 User=ann",
		"INFO Alarm Lowered Detail=does not answer Id=1 UUID=id1 Severity=error Title=one Key=peer2",
	}
	if diff := cmp.Diff(want, log.records); diff != "" {
		t.Error(diff)
	}
	if err := a.Acknowledge("id1", "ann"); !errors.Is(err, ErrNoAlarm) {
		t.Errorf("acknowledged what is gone: %v", err)
	}
}

// TestRestart: what stands, stands after a restart, but for what that cures. // AL-01
func TestRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alarms")
	a, _ := open(t, file)
	a.Raise(1, "", "still wrong")
	a.Raise(2, "k", "seen")
	if err := a.Acknowledge("id2", "ann"); err != nil {
		t.Fatal(err)
	}
	a.Raise(4, "", "waits for a restart")
	before := a.List()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b, log := open(t, file)
	after := b.List()
	if diff := cmp.Diff(before[:1], after[:1]); diff != "" {
		t.Error(diff)
	}
	if got := summary(b.board); got != "1 raised 1, 2k acknowledged 1 behind 1, 4 lowered 1" {
		t.Error(got)
	}
	if len(log.records) != 1 || !strings.HasPrefix(log.records[0], "INFO Alarm Lowered Detail=waits for a restart Id=4") {
		t.Errorf("%q", log.records)
	}
	_ = b.Close()
}

// TestCrashAtEveryByte: wherever a crash tears the journal, the changes before it count.
func TestCrashAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "alarms")
	a, _ := open(t, file)
	var ends []int // of the journal after each change
	for i := range 6 {
		a.Raise(1, fmt.Sprint(i), "d")
		ends = append(ends, int(a.journal.size))
	}
	_ = a.Close()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(dir, "torn")
	for cut := range len(data) + 1 {
		if err := os.WriteFile(torn, data[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, end := range ends {
			if cut >= end-1 { // the last byte is the end of the line
				want++
			}
		}
		if kept, err := read(torn); err != nil || len(kept) != want {
			t.Errorf("cut at %d: %d alarms, want %d: %v", cut, len(kept), want, err)
		}
		if cut%50 != 0 {
			continue
		}
		b, _ := open(t, torn)
		b.Raise(2, "", "after the crash")
		_ = b.Close()
		if kept, err := read(torn); err != nil || len(kept) != want+1 {
			t.Errorf("cut at %d: %d alarms after another change: %v", cut, len(kept), err)
		}
	}
}

// TestJournalStaysSmall: changes of long ago are not kept.
func TestJournalStaysSmall(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alarms")
	a, _ := open(t, file)
	now := start
	a.now = func() time.Time { now = now.Add(time.Hour); return now }
	for i := range 5000 {
		a.Raise(1, fmt.Sprint(i%300), strings.Repeat("x", 400))
		a.Lower(1, fmt.Sprint(i%300))
	}
	_ = a.Close()
	info, err := os.Stat(file)
	if err != nil || info.Size() > maxJournal {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	if n := len(a.List()); n > maxLowered {
		t.Errorf("%d alarms are kept", n)
	}
}

// FuzzJournal: whatever is in the file, a node starts.
func FuzzJournal(f *testing.F) {
	line, _ := encode(Alarm{Number: 1, State: Raised})
	f.Add(line)
	f.Add([]byte("00000000 {}\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "alarms")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		a, _ := open(t, file)
		a.Raise(1, "", "")
		_ = a.Close()
	})
}

// TestRun: alarms show when they are due, without anybody asking.
func TestRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alarms")
	synctest.Test(t, func(t *testing.T) {
		a, err := Open(Config{File: file, Catalogue: small(), Log: &logged{}, Now: time.Now, NewID: counter()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()
		a.Raise(3, "", "slowly")
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if n := len(a.List()); n != 0 {
			t.Errorf("%d alarms too early", n)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := len(a.List()); n != 1 {
			t.Errorf("%d alarms in the end", n)
		}
		cancel()
		if err := errors.Join(<-done, a.Close()); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkRaiseAgain says what stands already, as watchers do all the time.
func BenchmarkRaiseAgain(b *testing.B) {
	a, _ := open(b, filepath.Join(b.TempDir(), "alarms"))
	a.Raise(1, "k", "d")
	b.ReportAllocs()
	for b.Loop() {
		a.Raise(1, "k", "d")
	}
	_ = a.Close()
}
