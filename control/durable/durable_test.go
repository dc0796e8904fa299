package durable

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReplaceFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"first", "and a longer second", ""} {
		if err := ReplaceFile(file, []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil || string(got) != text {
			t.Errorf("got %q (%v), want %q", got, err, text)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	if _, err := os.Stat(file + ".part"); !os.IsNotExist(err) {
		t.Errorf("the part is left: %v", err)
	}
}

func TestReplaceFileThatFailsLeavesTheOldOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := ReplaceFile(file, []byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file+".part", 0o700); err != nil { // nothing can be written there
		t.Fatal(err)
	}
	if err := ReplaceFile(file, []byte("new")); err == nil {
		t.Error("no error")
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "old" {
		t.Errorf("got %q (%v)", got, err)
	}
}
