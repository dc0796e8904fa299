package registrations

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What a process leaves behind is there in the next one, as far as it can be reached.
func TestRestore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registrations.json")
	synctest.Test(t, func(t *testing.T) {
		table := New(Config{File: file})
		ctx, end := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- table.Run(ctx) }()
		stream := func(outbound bool) func(*Binding) {
			return func(b *Binding) { b.Flow, b.Outbound, b.Transport = 3, outbound, "tcp" }
		}
		udp := add(t, table, bob, "sip:udp", time.Hour, func(b *Binding) {
			b.Path, b.Also, b.CallID, b.CSeq = []string{"<sip:p;lr>"}, []string{"also"}, "call", 7
		})
		add(t, table, bob, "sip:tcp", time.Hour, stream(false))
		add(t, table, bob, "sip:flow", time.Hour, stream(true))
		add(t, table, bob, "sip:short", time.Minute)
		time.Sleep(keepEvery + time.Second)
		if _, err := os.Stat(file); err != nil {
			t.Error("nothing is kept while the process runs:", err)
		}
		time.Sleep(2 * time.Minute)
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}

		next := New(Config{File: file})
		if n, err := next.Restore(); n != 3 || err != nil {
			t.Fatalf("%d restored, %v", n, err)
		}
		got, _ := next.Get(udp.ID)
		if diff := cmp.Diff(udp, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }), cmp.Comparer(time.Time.Equal)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"sip:udp", "sip:tcp"}, sortedContacts(contacts(next.Lookup(nil, bob)))); diff != "" {
			t.Error("offered:", diff)
		}
		if b := next.From(nil, 3, from); len(b) != 0 {
			t.Errorf("a connection of the process before is known: %v", b)
		}
		if b := add(t, next, "new", "sip:new", time.Minute); b.ID <= 4 {
			t.Errorf("the ID %d was another binding's", b.ID)
		}
	})
}

// sortedContacts puts udp first.
func sortedContacts(list []string) []string {
	if len(list) == 2 && list[0] == "sip:tcp" {
		return []string{list[1], list[0]}
	}
	return list
}

func TestRestoreNothing(t *testing.T) {
	folder := t.TempDir()
	if n, err := New(Config{}).Restore(); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := New(Config{File: filepath.Join(folder, "none")}).Restore(); n != 0 || err != nil {
		t.Error(n, err)
	}
	for name, text := range map[string]string{"torn": `{"bindings": [{"id`, "other": `[]`} {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := New(Config{File: file}).Restore(); n != 0 || err == nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

func TestKeepFails(t *testing.T) {
	told := 0
	table := New(Config{File: filepath.Join(t.TempDir(), "missing", "file"), Failed: func(error) { told++ }})
	add(t, table, bob, "sip:a", time.Minute)
	table.keep()
	table.keep()
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}
