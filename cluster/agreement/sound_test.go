package agreement_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/membership"
)

// founded makes a folder in which something was agreed.
func founded(t *testing.T) (dir string) {
	t.Helper()
	r := newRig(t, "a")
	r.form("aaaaaaaa", "a")
	a := r.peers["a"]
	if err := a.Propose(total("rms", 5)); err != nil {
		t.Fatal(err)
	}
	r.until("it is agreed", func() bool { table, _ := a.Table(); return table.Totals["rms"].Amount == 5 })
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return a.cfg.Dir
}

// OP-06: whatever has become of the files, opening them is an error or works, and ends no process; a purge makes the folder
// one of a node without a cluster, that knows what it was a member of.
func TestDamagedFiles(t *testing.T) {
	write := func(data []byte) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			t.Helper()
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	over := func(from, to int) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			t.Helper()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := from; i < min(to, len(data)); i++ {
				data[i] = 0xa5
			}
			write(data)(t, file)
		}
	}
	cut := func(size int64) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			t.Helper()
			if err := os.Truncate(file, size); err != nil {
				t.Fatal(err)
			}
		}
	}
	record := func(damage func(*testing.T, string)) func(*testing.T, string) {
		return func(t *testing.T, log string) {
			t.Helper()
			damage(t, filepath.Join(filepath.Dir(filepath.Dir(log)), "member"))
		}
	}
	sound := founded(t)
	for name, damage := range map[string]func(*testing.T, string){
		"the log is something else":     write([]byte("not what was written")),
		"both first pages are gone":     over(0, 8192),
		"all but the first pages":       over(8192, 1<<20),
		"it ends after the first pages": cut(8192),
		"it ends in the middle":         cut(3*4096 + 17),
		"the record is no record":       record(write([]byte("{"))),
		"the record is of another time": record(write([]byte(`{"version":9}`))),
		"the log is a folder": func(t *testing.T, log string) {
			if err := os.Remove(log); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(log, 0o700); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := agreement.Config{Self: "a", Dir: t.TempDir(), Boot: func() time.Duration { return 0 }}
			if err := os.CopyFS(cfg.Dir, os.DirFS(sound)); err != nil {
				t.Fatal(err)
			}
			damage(t, filepath.Join(cfg.Dir, "history-aaaaaaaa", "log"))
			a, err := agreement.Open(cfg)
			if err == nil {
				t.Error("it opened")
				_ = a.Close()
			}
			ids, err := agreement.Purge(cfg.Dir)
			if err != nil || !slices.Equal(ids, []string{"aaaaaaaa"}) {
				t.Fatalf("purge: %v, %v", ids, err)
			}
			if a, err = agreement.Open(cfg); err != nil {
				t.Fatalf("after a purge: %v", err)
			}
			if s := a.Stored(); s.Cluster != "" || !slices.Equal(s.Earlier, ids) {
				t.Errorf("after a purge: %+v", s)
			}
			err = a.Write(membership.Write{Stored: membership.Stored{Cluster: "bbbbbbbb", Earlier: ids}, How: membership.Join})
			if err != nil {
				t.Errorf("join after a purge: %v", err)
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
