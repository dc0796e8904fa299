package cli

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

// silent takes what a store tells.
type silent struct{}

func (silent) Raise(int, string, string) {}
func (silent) Lower(int, string)         {}
func (silent) Event(string, ...any)      {}
func (silent) Warn(string, ...any)       {}
func (silent) Error(string, ...any)      {}

const document = `system: {name: tp1}
interfaces: {external: {name: s1}}
turn: {mode: on, users: [{name: u, password: planted}]}
`

func newShell(t testing.TB) (*Shell, *store.Store) {
	t.Helper()
	dir, err := store.OpenDir(filepath.Join(t.TempDir(), "config"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(store.Config{Files: dir, Alarms: silent{}, Log: silent{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	n, err := config.Parse("node.yaml", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Propose(store.Proposal{Document: n}); err != nil {
		t.Fatal(err)
	}
	sh := New(s, func() []config.Change { return nil })
	sh.AddStatus(Status{Name: "Time", Text: "The clock.", Tell: func(context.Context) []Element {
		return []Element{{Name: "UTC", Value: "2026-11-22 08:00:00"}, {Name: "Source", Elements: []Element{{Name: "Stratum", Value: 2}}}}
	}})
	return sh, s
}

// Each golden file is a conversation: lines that begin with "> " are said to the
// shell, the others are what it answers. OP-04, facts A6.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := converse(t, string(data))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(data), got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(strings.ReplaceAll(got, "> xCommand CredentialAdd Name: alice Password: planted", ""), "planted") {
				t.Error("an answer shows a secret")
			}
		})
	}
}

func converse(t *testing.T, text string) string {
	sh, _ := newShell(t)
	var out strings.Builder
	for line := range strings.Lines(text) {
		said, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "> ")
		if !ok {
			continue
		}
		out.WriteString("> " + said + "\n")
		answer, err := sh.Run(t.Context(), said, Caller{User: "root", From: "test"})
		switch {
		case errors.Is(err, ErrUsage):
			out.WriteString("USAGE: " + err.Error() + "\n")
		case err != nil:
			out.WriteString("ERROR: " + err.Error() + "\n")
		default:
			out.WriteString(answer.Text)
		}
	}
	return out.String()
}

// Every item is read, explained and set by its xConfiguration path.
func TestEveryItemIsReached(t *testing.T) {
	sh, s := newShell(t)
	for _, item := range config.Schema() {
		if item.Type == config.TypeEntries {
			continue
		}
		answer, err := sh.Run(t.Context(), "xConfiguration "+item.XIndexed()[:len(strings.Split(item.XIndexed(), " [")[0])]+" ??", Caller{})
		if err != nil || !strings.Contains(answer.Text, item.XIndexed()+": "+item.ValueSpace()) {
			t.Errorf("%s: %v", item.X, err)
		}
		x := strings.ReplaceAll(item.X, "[]", "1")
		path, found, ok := config.FromX(strings.Fields(strings.ToUpper(x)))
		if !ok || found.Path != item.Path {
			t.Errorf("%s leads to %s, not to %s", x, path, item.Path)
		}
	}
	for _, v := range config.XValues(s.Current().Node) {
		if v.Item.Secret() || v.Item.Required {
			continue
		}
		if _, err := sh.Run(t.Context(), "xconfiguration "+v.X+": "+v.Text, Caller{}); v.Text != "" && err != nil {
			t.Errorf("set to what it is: %v", err)
		}
	}
	if n := s.Current().Number; n != 1 {
		t.Errorf("setting items to what they are made %d revisions", n-1)
	}
}

func FuzzLine(f *testing.F) {
	for _, line := range []string{
		`xConfiguration SIP Mode: On`, `xConfiguration Zones Zone 1 Name: "a \" b"`, `xCommand ZoneAdd ZoneName: a Type: DNS`,
		`xStatus`, `xConfiguration ??`, `xConfiguration Alternates 1 Peer Address: x`, `xCommand PipeAdd PipeName: `, `xconfiguration Zones Zone 99999999999999999999 Name: x`,
	} {
		f.Add(line)
	}
	sh, s := newShell(f)
	first := s.Current().Node
	f.Fuzz(func(t *testing.T, line string) {
		_, err := sh.Run(t.Context(), line, Caller{})
		if err != nil && strings.Contains(err.Error(), "planted") {
			t.Errorf("%q shows a secret: %v", line, err)
		}
		if wrong := config.Check(s.Current().Node); wrong != nil {
			t.Errorf("%q leads to a configuration that is wrong: %v", line, wrong)
		}
		if len(config.Diff(first, s.Current().Node)) > 100 {
			if _, err := s.Propose(store.Proposal{Document: first}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
