package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const routingPage = "../../docs/routing.md"

var (
	shown   = regexp.MustCompile("(?s)(<!-- example: (\\S+) -->\n```yaml\n)(.*?)(```)")
	session = regexp.MustCompile("(?s)(```console\n\\$ turnpike ([^\n]*)\n)(.*?)(```)")
)

// TestRoutingPage runs the example of docs/routing.md; -update writes what it prints
// into the page.
func TestRoutingPage(t *testing.T) {
	page, err := os.ReadFile(routingPage)
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	got := replaceAll(shown, string(page), func(m []string) string {
		text, err := os.ReadFile(filepath.Join("../..", m[2]))
		if err != nil {
			t.Error(err)
		}
		return m[1] + string(text) + m[4]
	})
	got = replaceAll(session, got, func(m []string) string {
		ran++
		var out bytes.Buffer
		args := strings.Fields(strings.ReplaceAll(m[2], "office.yaml", office))
		if err := run(t.Context(), args, &out); err != nil && exitCode(err) != exitFailed {
			t.Errorf("%s: %v", m[2], err)
		}
		return m[1] + strings.TrimRight(out.String(), "\n") + "\n" + m[4]
	})
	if ran == 0 {
		t.Fatal("the page shows no command")
	}
	if *update {
		if err := os.WriteFile(routingPage, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(page), got); diff != "" {
		t.Errorf("-page +run:\n%s", diff)
	}
}

func replaceAll(re *regexp.Regexp, text string, with func(groups []string) string) string {
	return re.ReplaceAllStringFunc(text, func(m string) string { return with(re.FindStringSubmatch(m)) })
}
