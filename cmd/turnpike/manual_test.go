package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestManual(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SOURCE_DATE_EPOCH", "86400")
	if err := run(t.Context(), []string{"manual", dir}, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	each(newRoot(&bytes.Buffer{}), func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		page, err := os.ReadFile(filepath.Join(dir, name))
		switch {
		case cmd.Hidden && err == nil:
			t.Errorf("a page for the hidden %s", cmd.CommandPath())
		case cmd.Hidden:
		case err != nil:
			t.Errorf("no page for %s: %v", cmd.CommandPath(), err)
		case !bytes.Contains(page, []byte("Jan 1970")):
			t.Errorf("%s is not dated by SOURCE_DATE_EPOCH", name)
		}
	})
	if err := run(t.Context(), []string{"manual", filepath.Join(dir, "none")}, &bytes.Buffer{}); err == nil {
		t.Error("no error for a directory that is not there")
	}
}
