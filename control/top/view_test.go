package top

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"charm.land/lipgloss/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestViews(t *testing.T) {
	tests := []struct {
		name          string
		width, height int
		seen          int
		keys          []string
	}{
		{"wide", 160, 32, 40, []string{"t"}},
		{"usual", 100, 28, 20, nil},
		{"small", 80, 24, 20, nil},
		{"narrow", 50, 24, 20, nil},
		{"tiny", 24, 6, 20, nil},
		{"first", 80, 8, 1, nil},
		{"help", 80, 24, 3, []string{"?"}},
		{"filtering", 100, 24, 3, []string{"/", "b", "o"}},
		{"filtered", 100, 24, 3, []string{"/", "b", "o", "enter", "s"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := screen(t, test.width, test.height, test.seen, test.keys...)
			golden(t, filepath.Join("testdata", fmt.Sprintf("%s_%dx%d.txt", test.name, test.width, test.height)), m.Text()+"\n")
		})
	}
}

// The picture in the operator's guide is what the screen shows.
func TestPictureInTheGuide(t *testing.T) {
	const file, begin, end = "../../docs/operating.md", "<!-- the screen of dataplane top -->\n```text\n", "```\n"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the picture", file)
	}
	golden(t, file, before+begin+screen(t, 100, 24, 20).Text()+"\n"+end+after)
}

// Whatever its size, the screen is never larger than the terminal, with and without colours.
func TestScreenFits(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		width, height := rapid.IntRange(1, 200).Draw(r, "width"), rapid.IntRange(1, 60).Draw(r, "height")
		m := screen(t, width, height, rapid.IntRange(0, 4).Draw(r, "seen"), rapid.SliceOfN(rapid.SampledFrom([]string{"t", "?", "s", "/", "down", "esc"}), 0, 4).Draw(r, "keys")...)
		if rapid.Bool().Draw(r, "colours") {
			m.palette = colours()
		}
		lines := strings.Split(m.Text(), "\n")
		if len(lines) > max(height, 2) { // the keys are always there
			r.Fatalf("%d lines on %d", len(lines), height)
		}
		for _, l := range lines {
			if w := lipgloss.Width(l); w > width {
				r.Fatalf("%d wide on %d: %q", w, width, l)
			}
		}
	})
}

func TestColoursSayNothingMore(t *testing.T) {
	m := screen(t, 100, 28, 20)
	m.palette = colours()
	coloured := m.Text()
	if !strings.Contains(coloured, "\x1b[") {
		t.Error("no colours")
	}
	m.palette = plain()
	if text := m.Text(); strings.Contains(text, "\x1b[") {
		t.Errorf("colours without colours: %q", text)
	}
	if v := m.View(); !v.AltScreen {
		t.Error("the screen scrolls away what was there")
	}
}
