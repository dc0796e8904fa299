package backup

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const password = "correct horse battery"

var made = Manifest{Version: "1.2.0", Node: "tp1", Made: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}

func write(t *testing.T, parts map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, password, made, parts); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var parts = map[string][]byte{
	"configuration.yaml": []byte("system: {name: tp1}\nturn: {users: [{name: alice, password: planted-secret}]}\n"),
	"server.pem":         bytes.Repeat([]byte("planted-secret"), 10_000),
	"empty":              {},
}

// OP-01
func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	m, got, err := Read(bytes.NewReader(write(t, parts)), password)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parts, got, cmp.Comparer(bytes.Equal)); diff != "" {
		t.Errorf("parts: %s", diff)
	}
	if m.Version != made.Version || m.Node != made.Node || !m.Made.Equal(made.Made) || len(m.Parts) != len(parts) {
		t.Errorf("manifest: %+v", m)
	}
	if err := m.Fits("1.2.0"); err != nil {
		t.Errorf("same version: %v", err)
	}
	if err := m.Fits("1.3.0"); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "install 1.2.0") {
		t.Errorf("another version: %v", err)
	}
}

func TestNothingCanBeReadWithoutThePassword(t *testing.T) {
	file := write(t, parts)
	for _, secret := range []string{"planted-secret", "users: [{name: alice", "configuration.yaml", password} {
		if bytes.Contains(file, []byte(secret)) {
			t.Errorf("the file shows %q", secret)
		}
	}
	for _, wrong := range []string{"", "correct horse batterY"} {
		if _, got, err := Read(bytes.NewReader(file), wrong); !errors.Is(err, ErrPassword) || got != nil {
			t.Errorf("password %q: %v", wrong, err)
		}
	}
	if err := Write(&bytes.Buffer{}, "short", made, parts); !errors.Is(err, ErrShort) {
		t.Errorf("short password: %v", err)
	}
}

func TestDamageIsFoundBeforeAnythingIsReturned(t *testing.T) {
	file := write(t, parts)
	for name, damaged := range map[string][]byte{
		"empty":           {},
		"other file":      []byte("system: {name: tp1}\n"),
		"cut short":       file[:len(file)-1],
		"one byte":        append(bytes.Clone(file[:len(file)-100]), append([]byte{file[len(file)-100] ^ 1}, file[len(file)-99:]...)...),
		"something added": append(bytes.Clone(file), 'x'),
	} {
		t.Run(name, func(t *testing.T) {
			if _, got, err := Read(bytes.NewReader(damaged), password); !errors.Is(err, ErrDamaged) || got != nil {
				t.Errorf("got %d parts, %v", len(got), err)
			}
		})
	}
}

func TestPartsAreBounded(t *testing.T) {
	many := make(map[string][]byte)
	for i := range MaxParts + 1 {
		many[strings.Repeat("a", i%60+1)+string(rune('a'+i/60))] = nil
	}
	for name, wrong := range map[string]map[string][]byte{
		"path":     {"../etc/passwd": nil},
		"manifest": {manifestName: nil},
		"no name":  {"": nil},
		"too many": many,
	} {
		if err := Write(&bytes.Buffer{}, password, made, wrong); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

// A file that somebody else encrypted with a cost that would stop the node is refused.
func TestCostOfAFileIsBounded(t *testing.T) {
	file := bytes.Replace(write(t, parts), fmt.Appendf(nil, " %d\n", workFactor), fmt.Appendf(nil, " %d\n", maxWorkFactor+1), 1)
	if _, _, err := Read(bytes.NewReader(file), password); err == nil || !strings.Contains(err.Error(), "work factor") {
		t.Errorf("got %v", err)
	}
}

func FuzzParts(f *testing.F) {
	var b bytes.Buffer
	m := made
	m.Format = Format
	small := map[string][]byte{"a": []byte("one"), "b": {}}
	m.Parts, _ = list(small)
	if err := writeParts(&b, m, small); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, got, err := readParts(bytes.NewReader(data))
		if (err == nil) != (got != nil) {
			t.Fatalf("%d parts with %v", len(got), err)
		}
		for _, p := range m.Parts {
			if err := p.holds(p.Name, got[p.Name]); err != nil {
				t.Error(err)
			}
		}
	})
}
