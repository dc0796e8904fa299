package eventlog

import (
	"bytes"
	"errors"
	"net/netip"
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

func newLog(t testing.TB, cfg Config) (*Log, *bytes.Buffer) {
	var out bytes.Buffer
	cfg.Out = &out
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, &out
}

// AL-02
func TestRecord(t *testing.T) {
	tests := []struct {
		name  string
		write func(*Log)
		want  string
	}{
		{
			"plain", func(l *Log) { l.Event("System Start") },
			`Level="INFO" Event="System Start" Detail="" Node="tp1"`,
		},
		{"fields in order", func(l *Log) {
			l.Warn("TURN Relay Refused", "Src-ip", netip.MustParseAddr("192.0.2.1"), "Src-port", 4000, "Detail", "quota", "Reason", errors.New("486"))
		}, `Level="WARN" Event="TURN Relay Refused" Detail="quota" Node="tp1" Src-ip="192.0.2.1" Src-port="4000" Reason="486"`},
		{"a name that would forge", func(l *Log) {
			l.Event("x", "User", "a\" Level=\"ERROR\"\nUTCTime=\"2026\x00\u2028\xff")
		}, `Level="INFO" Event="x" Detail="" Node="tp1" User="a\" Level=\"ERROR\"\nUTCTime=\"2026\x00\u2028\xff"`},
		{
			"a key that would forge", func(l *Log) { l.Event("x", "a=\"1\" b", "2") },
			`Level="INFO" Event="x" Detail="" Node="tp1" a__1__b="2"`,
		},
		{
			"own keys stay ours", func(l *Log) { l.Event("x", "Level", "ERROR") },
			`Level="INFO" Event="x" Detail="" Node="tp1" X-Level="ERROR"`,
		},
		{
			"odd arguments", func(l *Log) { l.Error("x", 5) },
			`Level="ERROR" Event="x" Detail="" Node="tp1" Misplaced="5"`,
		},
		{
			"duration", func(l *Log) { l.Event("x", "Duration", 1500*time.Millisecond) },
			`Level="INFO" Event="x" Detail="" Node="tp1" Duration="1.5s"`,
		},
		{"below the level", func(l *Log) { l.Debug("x") }, ``},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, out := newLog(t, Config{Node: "tp1"})
				test.write(l.Module("control.test"))
				want := ""
				if test.want != "" {
					want = `UTCTime="2000-01-01 00:00:00,000" Module="control.test" ` + test.want + "\n"
				}
				if diff := cmp.Diff(want, out.String()); diff != "" {
					t.Error(diff)
				}
				time.Sleep(time.Second) // ends the flood window
			})
		})
	}
}

// AL-02: floods are told in two lines.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := newLog(t, Config{})
		for range 1000 {
			l.Event("Scan")
		}
		l.Event("Other")
		time.Sleep(1100 * time.Millisecond)
		l.Event("Scan")
		time.Sleep(2 * time.Second)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != burst+3 {
			t.Fatalf("%d lines:\n%s", len(lines), out)
		}
		summary := lines[burst+1]
		if !strings.Contains(summary, `Event="Scan"`) || !strings.Contains(summary, `Repeated="990"`) {
			t.Errorf("no summary: %s", summary)
		}
	})
}

func TestFloodOfDifferentEventsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := newLog(t, Config{})
		for i := range 10 * kinds {
			l.Event("e" + strings.Repeat("x", i%(2*kinds)))
		}
		time.Sleep(2 * time.Second)
		if n := bytes.Count(out.Bytes(), []byte("\n")); n > (kinds+1)*(burst+1) {
			t.Errorf("%d lines", n)
		}
	})
}

func TestLevelChangesWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := newLog(t, Config{Level: "error"})
		m := l.Module("m")
		m.Event("hidden")
		if err := l.SetLevel("debug"); err != nil {
			t.Fatal(err)
		}
		m.Debug("shown")
		if got := out.String(); strings.Contains(got, "hidden") || !strings.Contains(got, "shown") {
			t.Error(got)
		}
		if err := l.SetLevel("loud"); err == nil {
			t.Error("no error for an unknown level")
		}
		time.Sleep(time.Second)
	})
}

func TestNilLogs(t *testing.T) {
	var l *Log
	l.Module("m").Event("e")
}

func TestFileRotates(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log", "event.log")
	f, err := openFile(name, 100)
	if err != nil {
		t.Fatal(err)
	}
	for range 7 {
		if _, err := f.Write([]byte(strings.Repeat("x", 39) + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]int64{name: 40, name + ".1": 80} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != want {
			t.Errorf("%s has %d bytes, want %d", file, info.Size(), want)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add("User", "alice")
	f.Add("User", "a\" Level=\"ERROR\"\n")
	f.Add("=\"", strings.Repeat("ä", 2000))
	f.Fuzz(func(t *testing.T, key, value string) {
		line := string(appendField(appendField(nil, key, value), "End", "x"))
		if strings.ContainsAny(line, "\n\r") {
			t.Fatalf("a record of two lines: %q", line)
		}
		got, err := Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || got[1] != (Field{"End", "x"}) {
			t.Fatalf("%q became %q", value, got)
		}
		if len(value) <= maxValue && got[0].Value != value {
			t.Errorf("%q became %q", value, got[0].Value)
		}
	})
}

func BenchmarkEvent(b *testing.B) {
	l, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l.Event("e", "Src-ip", "192.0.2.1", "Detail", "d")
	}
}
