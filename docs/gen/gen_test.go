package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPagesAreUpToDate(t *testing.T) {
	for name, page := range map[string]func(string) ([]byte, error){
		"configuration.md": configuration,
		"metrics.md":       metricsPage,
		"alerts.md":        alerts,
		"doctor.md":        doctorPage,
		"api.md":           apiPage,
		"requirements.md":  requirements,
	} {
		want, err := page("../..")
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile("../" + name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: run `make generate`:\n%s", name, diff)
		}
	}
}

func TestAlarmPagesAreUpToDate(t *testing.T) {
	pages := alarmPages()
	files, err := os.ReadDir("../alarms")
	if err != nil || len(files) != len(pages) {
		t.Fatalf("%d pages, want %d: run `make generate`: %v", len(files), len(pages), err)
	}
	for name, want := range pages {
		got, err := os.ReadFile("../alarms/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: run `make generate`:\n%s", name, diff)
		}
	}
}

func TestProofs(t *testing.T) {
	const file = `package x

// ME-07, CA-01: refused.
func TestA(t *testing.T) {
	// ME-01
	t.Run("b", nil)
}

// No id here: UTF-16, RFC 8656.
func TestB(t *testing.T) {}

// ME-07
func FuzzC(f *testing.F) {
}
`
	got := map[string][]string{}
	proofsIn("x_test.go", []byte(file), got)
	want := map[string][]string{
		"ME-07": {"`TestA` in x_test.go", "`FuzzC` in x_test.go"},
		"CA-01": {"`TestA` in x_test.go"},
		"ME-01": {"`TestA` in x_test.go"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRequirementsPage(t *testing.T) {
	page, err := requirements("../..")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(page, []byte("| AL-02 |")) {
		t.Error("no row for AL-02")
	}
}
